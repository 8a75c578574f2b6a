//! Where the programs lie that a test runs.

use std::path::{Path, PathBuf};

/// The folder that `cargo xtask test` built them in, or the one beside this test.
pub fn folder() -> PathBuf {
    std::env::var_os("HEADCOUNT_TEST_BINARIES").map_or_else(beside_this_test, PathBuf::from)
}

fn beside_this_test() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    test.parent().and_then(Path::parent).expect("tests lie in <profile>/deps").to_owned()
}
