//! The project's own files: those that git keeps or would keep.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files beyond this many: something is wrong with how they are listed.
const MAX_FILES: usize = 20_000;

/// The project and the paths of its files, relative to its root, with `/` in between.
pub(crate) struct Project {
    root: PathBuf,
    files: BTreeSet<String>,
}

impl Project {
    pub(crate) fn open() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the project").to_owned();
        let mut files = listed_by_git(&root).unwrap_or_else(|| walked(&root));
        files.retain(|path| root.join(path).is_file());
        assert!(files.contains("Cargo.toml") && files.len() < MAX_FILES, "{} files found", files.len());
        Self { root, files }
    }

    /// A project of these files, without contents.
    pub(crate) fn of_files(root: &Path, files: &[&str]) -> Self {
        Self { root: root.to_owned(), files: files.iter().map(ToString::to_string).collect() }
    }

    /// Whether there is such a file, or a folder with files in it.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty() || self.files.contains(path) || self.files.iter().any(|file| file.starts_with(&folder))
    }

    /// The text of a file that must be there.
    pub(crate) fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The wanted files that are text, by path.
    pub(crate) fn texts(&self, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
        let paths = self.files.iter().filter(|path| wanted(path));
        let read = |path: &String| Some((path.clone(), std::fs::read_to_string(self.root.join(path)).ok()?));
        paths.filter_map(read).collect()
    }

    /// The folders right below the root that hold a file of this name.
    pub(crate) fn folders_with(&self, name: &str) -> BTreeSet<String> {
        let folders = self.files.iter().filter_map(|path| path.split_once('/'));
        folders.filter(|(_, rest)| *rest == name).map(|(folder, _)| folder.to_owned()).collect()
    }

    /// Each crate's folder and manifest.
    pub(crate) fn manifests(&self) -> BTreeMap<String, String> {
        let folders = self.folders_with("Cargo.toml").into_iter();
        folders.map(|folder| (folder.clone(), self.text(&format!("{folder}/Cargo.toml")))).collect()
    }
}

/// Whether the path's last name ends in this extension.
pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn listed_by_git(root: &Path) -> Option<BTreeSet<String>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).current_dir(root).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let files: BTreeSet<_> = text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    (output.status.success() && !files.is_empty()).then_some(files)
}

/// Without git (an unpacked archive): everything but what is built.
fn walked(root: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder)).expect("a folder of the project").flatten() {
            let path = folder.join(entry.file_name());
            let name = path.to_string_lossy().replace('\\', "/");
            if matches!(&*name, ".git" | "target" | "node_modules") || name.ends_with("__pycache__") {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if files.len() < MAX_FILES {
                files.insert(name);
            }
        }
    }
    files
}

#[test]
fn git_and_walking_agree_on_the_sources() {
    let project = Project::open();
    let walked = walked(&project.root);
    for path in &project.files {
        assert!(walked.contains(path), "{path}");
    }
}
