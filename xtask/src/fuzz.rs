//! `cargo xtask fuzz`: every decoder, given bytes that nobody would write, for some minutes each.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

/// The fuzzer's driver, pinned.
const CARGO_FUZZ: &str = "0.13.2";

/// Where the targets are, from the root.
const FOLDER: &str = "tests/fuzz";

/// Stored blobs of every version, from the root: a framed target begins with what is behind their frames.
const GOLDEN: &str = "core/tests/golden";

/// Bytes of a frame in front of its payload, the version being the fourth.
const FRAME_BYTES: usize = 16;

/// The targets, and how the golden files that they begin with are called, where they are framed.
const TARGETS: [(&str, Option<&str>); 6] = [
    ("sketch", Some("users-")),
    ("sample", Some("sessions-")),
    ("counters", Some("counters-")),
    ("record", None),
    ("kpl", None),
    ("event", None),
];

#[derive(Args, Clone, PartialEq, Eq)]
pub(crate) struct FuzzArguments {
    /// The targets to run; all where none is named
    #[arg(value_name = "TARGET", value_parser = PossibleValuesParser::new(TARGETS.map(|(name, _)| name)))]
    targets: Vec<String>,
    /// How long each runs
    #[arg(long, default_value_t = 300, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

/// Runs the targets one after the other. Whether none found anything.
pub(crate) fn run(root: &Path, target: &Path, arguments: &FuzzArguments) -> Result<bool> {
    let place = Place { root, target, driver: install(root, target)? };
    let wanted = |name: &str| arguments.targets.is_empty() || arguments.targets.iter().any(|other| other == name);
    let mut found = Vec::new();
    for (name, golden) in TARGETS.into_iter().filter(|(name, _)| wanted(name)) {
        eprintln!("== {name}: {} s", arguments.seconds);
        let corpus = place.corpus(name, golden)?;
        if !place.fuzz(name, &corpus, arguments.seconds)? {
            found.push(name);
        }
    }
    match found.as_slice() {
        [] => println!("no finding"),
        found => println!("findings in {}: see {}", found.join(", "), place.artifacts("").display()),
    }
    Ok(found.is_empty())
}

/// Where it runs.
struct Place<'a> {
    root: &'a Path,
    target: &'a Path,
    driver: PathBuf,
}

impl Place<'_> {
    fn artifacts(&self, name: &str) -> PathBuf {
        self.target.join("fuzz-findings").join(name)
    }

    /// What the target begins with, and adds to: kept from run to run.
    fn corpus(&self, name: &str, golden: Option<&str>) -> Result<PathBuf> {
        let corpus = self.target.join("fuzz-corpus").join(name);
        fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
        let (seeds, prefix) = match golden {
            Some(prefix) => (self.root.join(GOLDEN), prefix),
            None => (self.root.join(FOLDER).join("seeds").join(name), ""),
        };
        for file in fs::read_dir(&seeds).into_iter().flatten() {
            let file = file?;
            let Some(file_name) = file.file_name().to_str().filter(|name| name.starts_with(prefix)).map(str::to_owned)
            else {
                continue;
            };
            let bytes = fs::read(file.path())?;
            let seed = if golden.is_some() { behind_frame(&bytes) } else { bytes };
            fs::write(corpus.join(file_name), seed)?;
        }
        Ok(corpus)
    }

    /// Whether the target found nothing.
    fn fuzz(&self, name: &str, corpus: &Path, seconds: u32) -> Result<bool> {
        let artifacts = self.artifacts(name);
        fs::create_dir_all(&artifacts).with_context(|| format!("cannot make {}", artifacts.display()))?;
        let mut prefix = OsString::from("-artifact_prefix=");
        prefix.push(artifacts.join(""));
        let mut command = Command::new(&self.driver);
        // The driver asks cargo for everything, and cargo the toolchain.
        command.env("RUSTUP_TOOLCHAIN", "nightly").current_dir(self.root).stdin(Stdio::null());
        command.args(["run", "--fuzz-dir", FOLDER, "--target-dir"]).arg(self.target.join("fuzz"));
        command.arg(name).arg(corpus).args(["--", "-timeout=25", "-rss_limit_mb=4096", "-print_final_stats=1"]);
        command.arg(format!("-max_total_time={seconds}")).arg(prefix);
        let status = command.status().with_context(|| format!("cannot start {}", self.driver.display()))?;
        Ok(status.success())
    }
}

/// A seed of a framed target: the version, and the payload.
fn behind_frame(blob: &[u8]) -> Vec<u8> {
    match (blob.get(3), blob.get(FRAME_BYTES..)) {
        (Some(version), Some(payload)) => [&[*version], payload].concat(),
        _ => blob.to_vec(),
    }
}

/// The driver, installed under the target directory where it is not there yet.
fn install(root: &Path, target: &Path) -> Result<PathBuf> {
    let tools = target.join("tools");
    let driver = tools.join("bin").join("cargo-fuzz");
    if driver.exists() {
        return Ok(driver);
    }
    eprintln!("cargo-fuzz {CARGO_FUZZ}: installing");
    let mut cargo = crate::cargo(root);
    cargo.args(["install", "--quiet", "--locked", "cargo-fuzz", "--version", CARGO_FUZZ, "--root"]).arg(&tools);
    let status = cargo.stdin(Stdio::null()).status().context("cargo cannot be started")?;
    if !status.success() {
        bail!("cargo-fuzz could not be installed: see its message above; it needs the registry or a mirror");
    }
    Ok(driver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_program_and_something_to_begin_with() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let target = tempfile::tempdir().unwrap();
        let place = Place { root, target: target.path(), driver: PathBuf::new() };
        let manifest = fs::read_to_string(root.join(FOLDER).join("Cargo.toml")).unwrap();
        for (name, golden) in TARGETS {
            assert!(root.join(FOLDER).join("targets").join(format!("{name}.rs")).is_file(), "{name}");
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            let seeds = fs::read_dir(place.corpus(name, golden).unwrap()).unwrap().count();
            assert!(seeds > 0 || name == "kpl", "{name} begins with nothing");
        }
    }

    #[test]
    fn a_seed_is_what_is_behind_the_frame() {
        let blob: Vec<u8> = (0..20).collect();
        assert_eq!(behind_frame(&blob), [3, 16, 17, 18, 19]);
        assert_eq!(behind_frame(b"short"), b"short");
    }
}
