//! Arrows point one way: which crate may use which other, and which may speak to AWS.

use toml::{Table, Value};

/// A crate of the workspace: its folder, its package, and the crates that it may use.
struct Member {
    folder: &'static str,
    package: &'static str,
    may_use: &'static [&'static str],
}

/// core <- runtime <- {log, store} <- follow <- {consumer, proof <- aggregator}; query reads the table alone; {dashboard, local, cli}
/// come last. The test kit is for tests of all of them.
const MEMBERS: [Member; 19] = [
    Member { folder: "core", package: "headcount-core", may_use: &[] },
    Member { folder: "runtime", package: "headcount-runtime", may_use: &["core"] },
    Member { folder: "doors", package: "headcount-doors", may_use: &[] },
    Member { folder: "log", package: "headcount-log", may_use: &["core", "runtime"] },
    Member { folder: "store", package: "headcount-store", may_use: &["core", "runtime"] },
    Member { folder: "follow", package: "headcount-follow", may_use: &["core", "runtime", "log", "store"] },
    Member { folder: "proof", package: "headcount-proof", may_use: &["core", "runtime", "log", "store", "follow"] },
    Member { folder: "testkit", package: "headcount-testkit", may_use: &["core", "runtime", "log", "store"] },
    Member { folder: "producer", package: "headcount-producer", may_use: &["core", "runtime"] },
    Member { folder: "collector", package: "headcount-collector", may_use: &["core", "runtime", "doors", "producer"] },
    Member {
        folder: "consumer",
        package: "headcount-consumer",
        may_use: &["core", "runtime", "log", "store", "follow"],
    },
    Member {
        folder: "aggregator",
        package: "headcount-aggregator",
        may_use: &["core", "runtime", "log", "store", "follow", "proof"],
    },
    Member { folder: "query", package: "headcount-query", may_use: &["core", "runtime", "store"] },
    Member { folder: "dashboard", package: "headcount-dashboard", may_use: &["core", "runtime", "doors", "query"] },
    Member {
        folder: "local",
        package: "headcount-local",
        may_use: &[
            "core",
            "runtime",
            "doors",
            "log",
            "store",
            "follow",
            "proof",
            "producer",
            "collector",
            "consumer",
            "aggregator",
            "query",
            "dashboard",
        ],
    },
    Member {
        folder: "cli",
        package: "headcount",
        may_use: &[
            "core",
            "runtime",
            "doors",
            "log",
            "store",
            "follow",
            "proof",
            "producer",
            "collector",
            "consumer",
            "aggregator",
            "query",
            "dashboard",
            "local",
        ],
    },
    Member {
        folder: "simulation",
        package: "headcount-simulation",
        may_use: &["core", "runtime", "log", "store", "follow", "proof", "testkit", "consumer", "aggregator"],
    },
    Member {
        folder: "tests",
        package: "headcount-tests",
        may_use: &[
            "core",
            "runtime",
            "doors",
            "log",
            "store",
            "follow",
            "proof",
            "testkit",
            "producer",
            "collector",
            "consumer",
            "aggregator",
            "query",
            "dashboard",
            "local",
            "cli",
        ],
    },
    Member { folder: "xtask", package: "xtask", may_use: &[] },
];

/// What a crate may use beyond that in its tests, if it comes before: the crate, and what its tests use.
const TESTS_MAY_USE: [(&str, &[&str]); 7] = [
    ("log", &["testkit"]),
    ("store", &["testkit"]),
    ("follow", &["testkit"]),
    ("consumer", &["testkit"]),
    ("aggregator", &["testkit", "consumer"]),
    ("query", &["testkit"]),
    ("cli", &["testkit"]),
];

/// Crates that speak to AWS, by the beginning of their names, and the members of the workspace that may use them.
const AWS: [(&str, &[&str]); 11] = [
    ("aws-sdk-dynamodb", &["store", "local", "tests"]),
    ("aws-sdk-kinesis", &["producer", "local", "cli", "tests"]),
    ("aws-sdk-cloudformation", &["cli"]),
    ("aws-sdk-lambda", &["cli"]),
    ("aws-sdk-secretsmanager", &["runtime"]),
    ("aws-sdk-sns", &["aggregator"]),
    ("aws-config", &["runtime", "log", "store", "producer", "local", "cli", "tests"]),
    ("aws-credential-types", &["runtime", "log", "store", "producer", "local", "cli", "tests"]),
    ("aws-sigv4", &["local"]),
    ("aws-smithy-", &["runtime", "log", "store", "producer", "local", "cli", "tests"]),
    ("aws-sdk-", &[]),
];

/// What a crate's manifest depends on against the rules.
pub(crate) fn complaints(folder: &str, manifest: &str) -> Vec<String> {
    let Ok(manifest) = manifest.parse::<Table>() else { return vec![format!("{folder}: its Cargo.toml is no TOML")] };
    let Some(member) = MEMBERS.iter().find(|member| member.folder == folder) else {
        return vec![format!("{folder}: no crate of this name; add it to MEMBERS")];
    };
    let mut complaints = Vec::new();
    let package = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    if package != Some(member.package) {
        complaints.push(format!("{folder}: its package must be {}, not {package:?}", member.package));
    }
    for (kind, name) in dependencies(&manifest) {
        complaints.extend(complaint(member, kind, &name));
    }
    complaints
}

fn complaint(member: &Member, kind: &str, name: &str) -> Option<String> {
    let folder = member.folder;
    if let Some(other) = MEMBERS.iter().find(|other| other.package == name) {
        let of_tests = TESTS_MAY_USE.iter().find(|(tested, _)| *tested == folder && kind == DEV_DEPENDENCIES);
        let may_use = member.may_use.contains(&other.folder)
            || of_tests.is_some_and(|(_, members)| members.contains(&other.folder));
        return (!may_use).then(|| format!("{folder} may not use {}", other.folder));
    }
    let (_, members) = AWS.iter().find(|(beginning, _)| name.starts_with(beginning))?;
    (!members.contains(&folder)).then(|| format!("{folder} may not use {name}: only {members:?} may"))
}

const DEV_DEPENDENCIES: &str = "dev-dependencies";

/// The packages that a manifest names, each with the kind of dependency that it is, for any target.
pub(crate) fn dependencies(manifest: &Table) -> Vec<(&'static str, String)> {
    let mut places = vec![manifest];
    let targets = manifest.get("target").and_then(Value::as_table);
    places.extend(targets.into_iter().flat_map(Table::values).filter_map(Value::as_table));
    let mut names = Vec::new();
    for place in places {
        for kind in ["dependencies", DEV_DEPENDENCIES, "build-dependencies"] {
            let listed = place.get(kind).and_then(Value::as_table).into_iter().flatten();
            // `store = { package = "headcount-store" }` is headcount-store under another name.
            names
                .extend(listed.map(|(name, what)| {
                    (kind, what.get("package").and_then(Value::as_str).unwrap_or(name).to_owned())
                }));
        }
    }
    names
}

#[test]
fn arrows_against_the_rules_are_found_wherever_they_hide() {
    let of = |folder: &str, package: &str, rest: &str| {
        complaints(folder, &format!("[package]\nname = \"{package}\"\n{rest}")).join("; ")
    };
    for (folder, package, rest, expected) in [
        ("store", "headcount-store", "[dependencies]\nheadcount-core = { workspace = true }", ""),
        ("core", "headcount-core", "[dependencies]\nheadcount-store = \"1\"", "core may not use store"),
        ("core", "headcount-core", "[dev-dependencies]\nheadcount-tests = \"1\"", "core may not use tests"),
        ("query", "headcount-query", "[dev-dependencies]\nheadcount-testkit = \"1\"", ""),
        ("query", "headcount-query", "[dependencies]\nheadcount-testkit = \"1\"", "query may not use testkit"),
        ("query", "headcount-query", "[dev-dependencies]\nheadcount-consumer = \"1\"", "query may not use consumer"),
        ("query", "headcount-query", "[build-dependencies]\nheadcount = \"1\"", "query may not use cli"),
        (
            "producer",
            "headcount-producer",
            "[dependencies]\ns = { package = \"headcount-store\" }",
            "producer may not use store",
        ),
        (
            "dashboard",
            "headcount-dashboard",
            "[target.'cfg(unix)'.dependencies]\nheadcount-store = \"1\"",
            "dashboard may not use store",
        ),
        ("consumer", "headcount-consumer", "[dependencies]\naws_lambda_events = \"1\"", ""),
        (
            "consumer",
            "headcount-consumer",
            "[dependencies]\naws-config = \"1\"",
            "consumer may not use aws-config: only",
        ),
        ("cli", "headcount", "[dependencies]\naws-sdk-dynamodb = \"1\"", "cli may not use aws-sdk-dynamodb: only"),
        ("store", "headcount-store", "[dependencies]\naws-sdk-s3 = \"1\"", "store may not use aws-sdk-s3: only []"),
        ("store", "store", "", "store: its package must be headcount-store"),
        ("attic", "attic", "", "attic: no crate of this name"),
    ] {
        let found = of(folder, package, rest);
        assert!(found.starts_with(expected) && found.is_empty() == expected.is_empty(), "{folder} {rest}: {found:?}");
    }
    assert_eq!(complaints("core", "[package"), ["core: its Cargo.toml is no TOML"]);
}

#[test]
fn the_table_of_members_has_no_circle() {
    for (place, member) in MEMBERS.iter().enumerate() {
        for used in member.may_use {
            assert!(MEMBERS[..place].iter().any(|earlier| earlier.folder == *used), "{} uses {used}", member.folder);
        }
    }
}
