//! The browser that tests look at pages with.

use anyhow::{Result, bail};

use crate::apt::{self, is_on_path};

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
    if !apt::install(&PACKAGES) || !is_there() {
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
