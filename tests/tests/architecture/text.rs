//! What no file of the project may hold, source or not: it must build and read the same anywhere.

/// Folders of a developer's machine, in two parts so that this file does not hold them itself.
const MACHINE: [&str; 4] = [concat!("/ro", "ot"), concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// Hosts that packages come from: a project names packages, a machine knows where to get them.
const HOSTS: [&str; 6] = [
    concat!("registry.npm", "js.org"),
    concat!("pypi.org/", "simple"),
    concat!("python", "hosted.org"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("proxy.golang", ".org"),
];

/// Papers that were there before the project and are no part of it.
const PAPERS: [&str; 4] =
    [concat!("shar", "ed/"), concat!("DESIGN", ".md"), concat!("FINDINGS", ".md"), concat!("DESIGN", " section")];

/// The one place that a lock file's packages may come from.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What is wrong with a file.
pub(crate) fn complaints(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for what in MACHINE.iter().chain(&PAPERS).filter(|what| begins_a_path(line, what)) {
            complaints.push(format!("{path}:{}: `{what}`: nobody else has it", number + 1));
        }
        for host in HOSTS.iter().filter(|host| line.contains(*host)) {
            complaints
                .push(format!("{path}:{}: `{host}`: where packages come from is the machine's business", number + 1));
        }
        if path == "Cargo.lock" && line.starts_with("source = ") && !line.contains(CRATES_IO) {
            complaints.push(format!("{path}:{}: {line}: packages come from crates.io", number + 1));
        }
        if path.starts_with(".cargo/") && line.contains("replace-with") {
            complaints.push(format!("{path}:{}: a replaced source belongs to the machine", number + 1));
        }
    }
    complaints
}

/// Whether `what` occurs where a path would begin, and where no longer name goes on.
fn begins_a_path(line: &str, what: &str) -> bool {
    line.match_indices(what).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + what.len()..].chars().next();
        let begins = before.is_none_or(|before| !before.is_alphanumeric() && !matches!(before, '_' | '-' | '.' | '}'));
        // `../` in front is a relative path to the same place.
        let climbs = line[..at].ends_with("../");
        let ends = what.ends_with('/') || after.is_none_or(|after| !after.is_alphanumeric() && after != '_');
        (begins || climbs) && ends
    })
}

#[test]
fn what_only_one_machine_has_is_named() {
    for what in MACHINE {
        for bad in [format!("cd {what}"), format!("\"{what}/x\""), format!("file://{what}/x"), what.to_owned()] {
            assert_eq!(complaints("a.md", &bad).len(), 1, "{bad}");
        }
        for clean in [format!("https://example.com{what}"), format!("a-b{what}"), format!("{{id}}{what}")] {
            assert!(complaints("a.md", &clean).is_empty(), "{clean}");
        }
    }
    assert!(complaints("a.md", &format!("{}s of the tree", MACHINE[0])).is_empty());
}

#[test]
fn papers_hosts_and_foreign_sources_are_named() {
    for paper in PAPERS {
        assert_eq!(complaints("a.rs", &format!("// see ../{paper}")).len(), 1, "{paper}");
        assert_eq!(complaints("a.rs", &format!("// see {paper}")).len(), 1, "{paper}");
    }
    for host in HOSTS {
        assert_eq!(complaints("a.toml", &format!("url = \"https://{host}/x\"")).len(), 1, "{host}");
    }
    assert!(complaints("a.rs", "a shared and well designed thing").is_empty());
    let good = format!("source = \"{CRATES_IO}\"");
    assert!(complaints("Cargo.lock", &good).is_empty());
    assert_eq!(complaints("Cargo.lock", "source = \"git+https://example.com/x\"").len(), 1);
    assert_eq!(complaints(".cargo/config.toml", "replace-with = \"mirror\"").len(), 1);
}
