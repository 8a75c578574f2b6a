//! The browser that tests look at pages with.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// Debian's packages of the browser and of the program that drives it, always of one version.
const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

/// Names that the browser goes by, and that of its driver.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const DRIVER: &str = "chromedriver";

/// Installs it where it is not there.
pub(crate) fn provide() -> Result<()> {
    if is_there() {
        println!("there already");
        return Ok(());
    }
    println!("installing {}", PACKAGES.join(" and "));
    // Lists that are a little old mostly do; where they do not, the second try has new ones.
    let installed = apt_get(&["install"]) || (apt_get(&["update"]) && apt_get(&["install"]));
    if !installed || !is_there() {
        bail!(
            "Chromium and its driver are not there and apt-get could not install them: install chromium and \
             chromium-driver (Debian, Ubuntu: as root, apt-get install chromium chromium-driver), or Chrome and the \
             chromedriver of its version"
        );
    }
    Ok(())
}

fn is_there() -> bool {
    BROWSERS.into_iter().any(is_on_path) && is_on_path(DRIVER)
}

fn is_on_path(name: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder: PathBuf| folder.join(name).is_file())
}

fn apt_get(command: &[&str]) -> bool {
    let mut apt_get = Command::new("apt-get");
    apt_get.args(command).arg("--yes").env("DEBIAN_FRONTEND", "noninteractive");
    if command == ["install"] {
        apt_get.arg("--no-install-recommends").args(PACKAGES);
    }
    apt_get.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}
