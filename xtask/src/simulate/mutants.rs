//! The simulation's own test: each rule of the event log is left out of a copy of the sources in turn, by the patches in
//! `simulation/mutants`, and the simulation must find that out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::patch::{FilePatch, Patch};

/// Where the patches lie.
const PATCHES: &str = "simulation/mutants";

/// Folders of the project that no build needs.
const LEFT_OUT: [&str; 3] = ["target", ".git", "docs"];

/// The program of the copy, which must not take the place of the real one.
const PROGRAM: &str = "simulate-mutant";

/// The same program with all rules in place, in the copy's folder.
const WHOLE: &str = "simulate-whole";

/// How the copy's package names it.
const MANIFEST: &str = "\n[[bin]]\nname = \"simulate-mutant\"\npath = \"src/bin/simulate/main.rs\"\n";

/// Characters of a mismatch that are printed.
const MISMATCH_CHARS: usize = 120;

/// A rule that is left out.
struct Mutant {
    name: String,
    patch: Patch,
}

/// Leaves out each rule in turn; or those of these `names`; whether each was found out within `seeds` worlds
/// from `first` on. Builds go to the
/// project's own target directory, so that everything but the project's crates is there already.
pub(crate) fn find(
    root: &Path,
    target: &Path,
    cargo: impl Fn(&Path) -> Command,
    names: &[String],
    [first, seeds]: [u64; 2],
) -> Result<bool> {
    let mut mutants = read(root)?;
    if let Some(unknown) = names.iter().find(|name| !mutants.iter().any(|mutant| mutant.name == **name)) {
        bail!("there is no {PATCHES}/{unknown}.patch");
    }
    mutants.retain(|mutant| names.is_empty() || names.contains(&mutant.name));
    for Mutant { name, patch } in &mutants {
        for file in &patch.files {
            patched(root, file).with_context(|| format!("{PATCHES}/{name}.patch no longer applies"))?;
        }
    }
    let copy = target.join("mutants");
    copy_folder(root, &copy).context("cannot copy the sources")?;
    let manifest = copy.join("simulation/Cargo.toml");
    write(&manifest, &(fs::read_to_string(root.join("simulation/Cargo.toml"))? + MANIFEST))?;
    // A world that fails must not fail with all rules in place.
    fs::copy(build(&copy, target, &cargo).context("the sources do not compile")?, copy.join(WHOLE))?;
    println!("{} rules are left out, each in at most {seeds} worlds from seed {first} on\n", mutants.len());
    println!("{:<26}{:>8}{:>10}{:>10}  what is wrong first", "left out", "worlds", "build, s", "run, s");
    let began = Instant::now();
    let mut missed = Vec::new();
    for mutant in &mutants {
        if !mutant.is_found(root, &copy, target, &cargo, [first, seeds])? {
            missed.push(mutant.name.as_str());
        }
    }
    let took = began.elapsed().as_secs();
    if missed.is_empty() {
        println!("\nall {} were found out in {took} s", mutants.len());
    } else {
        println!("\nnot found out in {seeds} worlds: {}; {took} s", missed.join(", "));
    }
    Ok(missed.is_empty())
}

/// The patches, those of one crate one after the other, so that little is built anew.
fn read(root: &Path) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for file in fs::read_dir(root.join(PATCHES)).with_context(|| format!("{PATCHES} cannot be read"))? {
        let path = file?.path();
        if path.extension().is_none_or(|extension| extension != "patch") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let patch = Patch::parse(&text).with_context(|| format!("{} is no patch", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        mutants.push(Mutant { name, patch });
    }
    mutants.sort_by(|a, b| (&a.patch.files[0].path, &a.name).cmp(&(&b.patch.files[0].path, &b.name)));
    if mutants.is_empty() {
        bail!("{PATCHES} holds no patch");
    }
    Ok(mutants)
}

fn patched(root: &Path, file: &FilePatch) -> Result<String> {
    let text = fs::read_to_string(root.join(&file.path)).with_context(|| format!("there is no {}", file.path))?;
    file.apply(&text)
}

impl Mutant {
    fn is_found(
        &self,
        root: &Path,
        copy: &Path,
        target: &Path,
        cargo: &impl Fn(&Path) -> Command,
        [first, seeds]: [u64; 2],
    ) -> Result<bool> {
        for file in &self.patch.files {
            write(&copy.join(&file.path), &patched(root, file)?)?;
        }
        let began = Instant::now();
        let built =
            build(copy, target, cargo).with_context(|| format!("{PATCHES}/{}.patch does not compile", self.name));
        let build_seconds = began.elapsed().as_secs_f64();
        for file in &self.patch.files {
            write(&copy.join(&file.path), &fs::read_to_string(root.join(&file.path))?)?;
        }
        let began = Instant::now();
        let found = first_failing(&built?, first, seeds)?;
        let run_seconds = began.elapsed().as_secs_f64();
        let (worlds, mismatch) =
            found.as_ref().map_or(("-", "NOT FOUND OUT"), |found| (found.worlds.as_str(), found.mismatch.as_str()));
        let mismatch: String = mismatch.chars().take(MISMATCH_CHARS).collect();
        println!("{:<26}{worlds:>8}{build_seconds:>10.1}{run_seconds:>10.1}  {mismatch}", self.name);
        let Some(Found { seed, .. }) = found else { return Ok(false) };
        if first_failing(&copy.join(WHOLE), seed, 1)?.is_some() {
            bail!(
                "seed {seed} fails without a rule left out, so that it proves nothing: cargo xtask simulate --seed {seed}"
            );
        }
        Ok(true)
    }
}

/// A world that fails.
struct Found {
    worlds: String,
    seed: u64,
    mismatch: String,
}

/// Builds the copy's program: where it lies.
fn build(copy: &Path, target: &Path, cargo: &impl Fn(&Path) -> Command) -> Result<PathBuf> {
    let mut build = cargo(copy);
    // All packages, as the project's own build: features are the same, and what is built already stays.
    build.args(["build", "--quiet", "--workspace", "--bin", PROGRAM]).env("CARGO_TARGET_DIR", target);
    // What it warns of is of no interest: a rule is missing.
    let built = build.output().context("cargo cannot be started")?;
    if !built.status.success() {
        bail!("{}", String::from_utf8_lossy(&built.stderr));
    }
    Ok(target.join("debug").join(PROGRAM))
}

/// The first world that fails of so many.
fn first_failing(program: &Path, first: u64, seeds: u64) -> Result<Option<Found>> {
    let arguments = ["--seed", &first.to_string(), "--seeds", &seeds.to_string(), "--first"].map(str::to_owned);
    let output = Command::new(program).args(arguments).output().context("the simulation cannot be started")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = said.trim().splitn(3, ' ');
    match (output.status.code(), words.next(), words.next().and_then(|seed| seed.parse().ok()), words.next()) {
        (Some(0), ..) => Ok(None),
        (Some(1), Some(worlds), Some(seed), Some(mismatch)) => {
            Ok(Some(Found { worlds: worlds.to_owned(), seed, mismatch: mismatch.to_owned() }))
        }
        _ => bail!("the simulation ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}

/// Makes `to` the same as `from`. Files that are alike already are left alone, so that they are not built anew.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut kept = Vec::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_left_out = LEFT_OUT.iter().any(|left_out| name == *left_out);
        let kind = entry.file_type()?;
        if is_left_out || kind.is_symlink() {
            continue;
        }
        let (from, to): (PathBuf, PathBuf) = (entry.path(), to.join(&name));
        if kind.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            let bytes = fs::read(&from)?;
            if fs::read(&to).ok().as_ref() != Some(&bytes) {
                fs::write(&to, bytes)?;
            }
        }
        kept.push(name);
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if !kept.contains(&entry.file_name()) {
            let path = entry.path();
            if entry.file_type()?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).ok().as_deref() == Some(text) {
        return Ok(());
    }
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_fits_the_code_as_it_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        let mutants = read(root).unwrap();
        assert!(!mutants.is_empty());
        for mutant in mutants {
            for file in &mutant.patch.files {
                patched(root, file).unwrap();
            }
        }
    }
}
