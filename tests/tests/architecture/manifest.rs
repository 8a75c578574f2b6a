//! What every crate takes from the workspace.

use std::collections::BTreeSet;

use toml::{Table, Value};

/// Package fields that are said once, in the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// What a crate says for itself that the workspace should say.
pub(crate) fn complaints(folder: &str, manifest: &str) -> Vec<String> {
    let Ok(manifest) = manifest.parse::<Table>() else { return vec![format!("{folder}: its Cargo.toml is no TOML")] };
    let inherits =
        |what: Option<&Value>| what.and_then(|what| what.get("workspace")).and_then(Value::as_bool).unwrap_or_default();
    let mut complaints = Vec::new();
    if !inherits(manifest.get("lints")) {
        complaints.push(format!("{folder}: needs `[lints]` with `workspace = true`"));
    }
    let package = manifest.get("package");
    for field in INHERITED {
        if !inherits(package.and_then(|package| package.get(field))) {
            complaints.push(format!("{folder}: needs `{field}.workspace = true`"));
        }
    }
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, what) in manifest.get(kind).and_then(Value::as_table).into_iter().flatten() {
            if !inherits(Some(what)) {
                complaints.push(format!("{folder}: {name} needs `workspace = true`, its version in the workspace"));
            }
        }
    }
    complaints
}

/// Folders with a crate that the workspace does not list, and listed ones without.
pub(crate) fn member_complaints(workspace: &str, folders: &BTreeSet<String>) -> Vec<String> {
    let Ok(workspace) = workspace.parse::<Table>() else { return vec!["Cargo.toml is no TOML".to_owned()] };
    let members = workspace.get("workspace").and_then(|workspace| workspace.get("members")).and_then(Value::as_array);
    let members: BTreeSet<String> =
        members.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let differing = members.symmetric_difference(folders);
    differing.map(|folder| format!("{folder}: either a member without a crate or a crate that is no member")).collect()
}

#[test]
fn what_is_not_inherited_is_named() {
    let fields = INHERITED.map(|field| format!("{field}.workspace = true\n")).concat();
    let good = format!("[package]\nname = \"a\"\n{fields}[lints]\nworkspace = true\n");
    assert!(complaints("a", &good).is_empty());
    for (bad, expected) in [
        (good.replace("[lints]", "[other]"), "`[lints]`"),
        (good.replace("[lints]\nworkspace = true", "[lints]\nworkspace = false"), "`[lints]`"),
        (good.replace("edition.workspace = true", "edition = \"2021\""), "`edition.workspace"),
        (format!("{good}[dependencies]\nserde = \"1\""), "serde needs"),
        (format!("{good}[dev-dependencies]\nserde = {{ version = \"1\" }}"), "serde needs"),
        ("[".to_owned(), "no TOML"),
    ] {
        let found = complaints("a", &bad);
        assert!(found.len() == 1 && found[0].contains(expected), "{bad}: {found:?}");
    }
}

#[test]
fn crates_that_are_no_members_are_named() {
    let folders = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
    assert!(member_complaints("[workspace]\nmembers = [\"b\", \"a\"]", &folders).is_empty());
    for members in ["[\"a\"]", "[\"a\", \"b\", \"c\"]"] {
        assert_eq!(member_complaints(&format!("[workspace]\nmembers = {members}"), &folders).len(), 1);
    }
}
