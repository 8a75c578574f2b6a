//! Core decides what a figure is; whatever could make it answer differently tomorrow stays outside.

use toml::Table;

use crate::{code, dependencies};

/// What core's code may not touch, and why.
const FORBIDDEN: [(&str, &str); 27] = [
    ("std::env", ENVIRONMENT),
    ("env!", ENVIRONMENT),
    ("option_env!", ENVIRONMENT),
    ("SystemTime", CLOCK),
    ("Instant", CLOCK),
    ("Utc::now", CLOCK),
    ("Local::now", CLOCK),
    ("now_v7", CLOCK),
    ("now_v1", CLOCK),
    ("new_v4", RANDOMNESS),
    ("rand", RANDOMNESS),
    ("fastrand", RANDOMNESS),
    ("getrandom", RANDOMNESS),
    ("RandomState", RANDOMNESS),
    ("std::fs", IO),
    ("std::net", IO),
    ("std::process", IO),
    ("std::thread", IO),
    ("tokio", IO),
    ("async", IO),
    ("await", IO),
    ("println!", IO),
    ("eprintln!", IO),
    ("print!", IO),
    ("stdin", IO),
    ("tracing", IO),
    ("std::{", "name each path of the standard library by itself, so that this test sees it"),
];
const ENVIRONMENT: &str = "core reads no environment: let the caller hand it in";
const CLOCK: &str = "core reads no clock: let the caller hand the time in";
const RANDOMNESS: &str = "core draws no random number: let the caller hand it in";
const IO: &str = "core does no I/O and awaits nothing";

/// Crates that would bring into core what it may not touch, with all whose names begin with one of these and a hyphen.
const CRATES: [&str; 14] = [
    "async",
    "aws",
    "aws_lambda_events",
    "axum",
    "fastrand",
    "futures",
    "getrandom",
    "hyper",
    "rand",
    "rand_core",
    "rayon",
    "reqwest",
    "tokio",
    "tracing",
];

/// What a source file of core touches and may not.
pub(crate) fn complaints(path: &str, text: &str) -> Vec<String> {
    code::found(path, &code::without_tests(&code::without_text(text)), &FORBIDDEN)
}

/// What core's manifest depends on and may not.
pub(crate) fn dependency_complaints(manifest: &str) -> Vec<String> {
    let Ok(manifest) = manifest.parse::<Table>() else { return vec!["core: its Cargo.toml is no TOML".to_owned()] };
    let mut manifest = manifest;
    manifest.remove("dev-dependencies");
    let names = dependencies::dependencies(&manifest).into_iter().map(|(_, name)| name);
    let impure = names.filter(|name| CRATES.contains(&name.split('-').next().unwrap_or(name)));
    impure.map(|name| format!("core may not use {name}: it is pure")).collect()
}

#[test]
fn impure_code_is_named_and_its_tests_are_free() {
    for bad in [
        "let home = std::env::var(name);",
        "use std::time::{Duration, Instant};",
        "let now = chrono::Utc::now();",
        "let at = std::time::SystemTime::UNIX_EPOCH;",
        "let id = Uuid::now_v7();",
        "fastrand::u64(..)",
        "use std::fs;",
        "std::net::TcpStream::connect(at)",
        "tokio::spawn(work)",
        "pub async fn load() {}",
        "println!(\"{n}\");",
        "use std::{env, fs};",
    ] {
        assert_eq!(complaints("core/src/a.rs", bad).len(), 1, "{bad}");
        let inside_tests = format!("#[cfg(test)]\nmod tests {{\n    {bad}\n}}\n");
        assert!(complaints("core/src/a.rs", &inside_tests).is_empty(), "{bad}");
    }
    for clean in ["/// Reads no SystemTime.", "let operand = 1; let instantly = operand;", "\"std::env\""] {
        assert!(complaints("core/src/a.rs", clean).is_empty(), "{clean}");
    }
}

#[test]
fn impure_dependencies_are_named() {
    for (manifest, count) in [
        ("[dependencies]\nserde = \"1\"", 0),
        ("[dependencies]\ntokio = \"1\"\ntokio-util = \"1\"\nserde = \"1\"", 2),
        ("[dependencies]\nhyperloglogplus = \"0.4\"\nrandom = \"1\"", 0),
        ("[dev-dependencies]\nfastrand = \"2\"", 0),
        ("[build-dependencies]\nreqwest = \"2\"", 1),
        ("[", 1),
    ] {
        assert_eq!(dependency_complaints(manifest).len(), count, "{manifest}");
    }
}
