//! The Python that tests and benches run foreign tools with: virtual environments of its own, everything in them pinned.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Tells which requirements the environment was made from. Written last: where it is missing, something was cut short.
const STAMP: &str = "made-from.txt";

/// The interpreter of an environment in `folder` that has all of the file `requirements` (path from the root); made anew
/// only when that changed.
pub(crate) fn provide(root: &Path, requirements: &str, folder: &Path) -> Result<PathBuf> {
    let path = root.join(requirements);
    let wanted = fs::read_to_string(&path).with_context(|| format!("cannot read {requirements}"))?;
    let python = interpreter(folder);
    if is_current(folder, &wanted) {
        eprintln!("there already");
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let system = system_python()?;
    if try_run(Command::new(system).args(["-m", "venv"]).arg(folder)) {
        install(Command::new(&python).args(["-m", "pip"]), &path, None)?;
    } else {
        // Debian's python3 comes without ensurepip; its pip, if there, can fill an environment from outside.
        eprintln!("`{system} -m venv` cannot bring pip along: using the pip that is there");
        make_without_pip(system, folder)?;
        install(Command::new(system).args(["-m", "pip"]), &path, Some(&packages(&python)?))?;
    }
    fs::write(folder.join(STAMP), wanted).context("cannot finish the Python environment")?;
    Ok(python)
}

fn is_current(folder: &Path, wanted: &str) -> bool {
    interpreter(folder).exists() && fs::read_to_string(folder.join(STAMP)).is_ok_and(|made_from| made_from == wanted)
}

fn interpreter(folder: &Path) -> PathBuf {
    folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

fn system_python() -> Result<&'static str> {
    let works = |name: &&str| try_run(Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()));
    ["python3", "python"].into_iter().find(works).context("no Python found: install python3 (3.10 or newer)")
}

fn make_without_pip(system: &str, folder: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    if !try_run(Command::new(system).args(["-m", "venv", "--without-pip"]).arg(folder)) {
        bail!("`{system} -m venv` fails: install python3-venv (Debian, Ubuntu: apt-get install python3-venv)");
    }
    if !try_run(Command::new(system).args(["-m", "pip", "--version"])) {
        bail!(
            "neither ensurepip nor pip is there: install python3-venv (Debian, Ubuntu: apt-get install python3-venv)"
        );
    }
    Ok(())
}

/// Where the interpreter looks for packages.
fn packages(python: &Path) -> Result<PathBuf> {
    let script = "import sysconfig; print(sysconfig.get_paths()['purelib'])";
    let output = Command::new(python).args(["-c", script]).output().context("cannot start the new environment")?;
    let path = String::from_utf8(output.stdout).context("the new environment's path is no text")?;
    if !output.status.success() || path.trim().is_empty() {
        bail!("the new environment does not say where its packages go");
    }
    Ok(path.trim().into())
}

/// Only wheels, only those whose hashes are listed: nothing is built here and nothing can be swapped.
fn install(pip: &mut Command, requirements: &Path, target: Option<&Path>) -> Result<()> {
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes"]);
    pip.arg("--requirement").arg(requirements);
    if let Some(target) = target {
        pip.arg("--target").arg(target);
    }
    if !try_run(pip) {
        bail!(
            "pip could not install {}: see its message above; it needs the package index or a mirror",
            requirements.display()
        );
    }
    Ok(())
}

fn try_run(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_current_only_when_finished_and_made_from_the_same_requirements() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_current(folder.path(), "boto3==1"));
        fs::write(folder.path().join(STAMP), "boto3==1").unwrap();
        assert!(!is_current(folder.path(), "boto3==1"), "no interpreter");
        let python = interpreter(folder.path());
        fs::create_dir_all(python.parent().unwrap()).unwrap();
        fs::write(&python, "").unwrap();
        assert!(is_current(folder.path(), "boto3==1"));
        assert!(!is_current(folder.path(), "boto3==2"));
    }

    #[test]
    fn missing_requirements_are_named() {
        let root = tempfile::tempdir().unwrap();
        let error = provide(root.path(), "what/is.txt", &root.path().join("python")).unwrap_err();
        assert!(error.to_string().contains("what/is.txt"), "{error}");
    }
}
