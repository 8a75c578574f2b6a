//! Debian's packages.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Whether a program of this name can be started.
pub(crate) fn is_on_path(name: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder: PathBuf| folder.join(name).is_file())
}

/// Installs packages; whether they were. Lists that are a little old mostly do; where they do not, the second try has
/// new ones.
pub(crate) fn install(packages: &[&str]) -> bool {
    let install = || apt_get(&[&["install", "--no-install-recommends"], packages].concat());
    install() || (apt_get(&["update"]) && install())
}

fn apt_get(arguments: &[&str]) -> bool {
    let mut apt_get = Command::new("apt-get");
    apt_get.args(arguments).arg("--yes").env("DEBIAN_FRONTEND", "noninteractive");
    apt_get.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}
