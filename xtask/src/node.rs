//! The servers that tests run on Node, in the target directory, pinned by their lock file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// What is installed, and exactly which.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// Tells which lock file the folder was made from. Written last.
const STAMP: &str = "made-from.txt";

/// The folder with what `source` (path from the root) pins; made anew only when that changed.
pub(crate) fn provide(root: &Path, source: &str, folder: &Path) -> Result<PathBuf> {
    let read = |name: &str| {
        let path = root.join(source).join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let wanted = FILES.map(read).into_iter().collect::<Result<Vec<_>>>()?;
    if fs::read_to_string(folder.join(STAMP)).is_ok_and(|made_from| made_from == wanted.concat()) {
        eprintln!("there already");
        return Ok(folder.to_owned());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, text) in FILES.iter().zip(&wanted) {
        fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    // No script of a package runs: nothing is built here.
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]).current_dir(folder);
    let installed = npm.stdin(Stdio::null()).status();
    let installed =
        installed.context("npm cannot be started: install Node (Debian, Ubuntu: apt-get install nodejs npm)")?;
    if !installed.success() {
        bail!("npm could not install {source}: see its message above; it needs the registry or a mirror");
    }
    fs::write(folder.join(STAMP), wanted.concat()).context("cannot finish the folder of Node's packages")?;
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_kept_while_the_lock_file_is_the_same_and_missing_files_are_named() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("made");
        let error = provide(root.path(), "node", &folder).unwrap_err();
        assert!(error.to_string().contains("package.json"), "{error}");
        fs::create_dir_all(root.path().join("node")).unwrap();
        fs::create_dir_all(&folder).unwrap();
        for name in FILES {
            fs::write(root.path().join("node").join(name), name).unwrap();
        }
        fs::write(folder.join(STAMP), FILES.concat()).unwrap();
        assert_eq!(provide(root.path(), "node", &folder).unwrap(), folder);
    }
}
