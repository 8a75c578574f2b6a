//! Unified diffs, applied to files in memory: each hunk must fit at exactly one place, or its file has moved on.

use anyhow::{Result, bail};

/// A patch: what it is about, and what it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Patch {
    /// Its first line.
    pub(crate) title: String,
    /// The files that it changes, in its order.
    pub(crate) files: Vec<FilePatch>,
}

/// What a patch changes in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePatch {
    /// The file, from the root of the workspace.
    pub(crate) path: String,
    hunks: Vec<Hunk>,
}

/// Lines that stand for others, each with its line break.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Hunk {
    old: String,
    new: String,
}

impl Patch {
    /// Reads a patch whose first line says what it is about.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let Some((title, diff)) = text.split_once('\n') else { bail!("it has no line that says what it leaves out") };
        let mut files: Vec<FilePatch> = Vec::new();
        for line in diff.lines() {
            if let Some(path) = line.strip_prefix("+++ b/") {
                files.push(FilePatch { path: path.to_owned(), hunks: Vec::new() });
            } else if line.starts_with("@@") {
                if let Some(file) = files.last_mut() {
                    file.hunks.push(Hunk::default());
                }
            } else if !line.starts_with("--- ") {
                let Some(hunk) = files.last_mut().and_then(|file| file.hunks.last_mut()) else {
                    bail!("{line:?} belongs to no hunk of no file");
                };
                hunk.add(line)?;
            }
        }
        if files.is_empty() || files.iter().any(|file| file.hunks.is_empty()) {
            bail!("it changes nothing: write it as `git diff` does, with paths that begin with a/ and b/");
        }
        Ok(Self { title: title.to_owned(), files })
    }
}

impl FilePatch {
    /// The changed text of the file.
    pub(crate) fn apply(&self, text: &str) -> Result<String> {
        let mut changed = text.to_owned();
        for (number, hunk) in (1..).zip(&self.hunks) {
            let places = changed.matches(&hunk.old).count();
            if places != 1 {
                bail!("hunk {number} fits {places} places of {}, not one: write the patch anew", self.path);
            }
            changed = changed.replacen(&hunk.old, &hunk.new, 1);
        }
        Ok(changed)
    }
}

impl Hunk {
    fn add(&mut self, line: &str) -> Result<()> {
        let (kind, rest) = line.split_at_checked(1).unwrap_or((" ", ""));
        match kind {
            " " => [&mut self.old, &mut self.new].into_iter().for_each(|side| push(side, rest)),
            "-" => push(&mut self.old, rest),
            "+" => push(&mut self.new, rest),
            _ => bail!("{line:?} is no line of a unified diff"),
        }
        Ok(())
    }
}

fn push(side: &mut String, line: &str) {
    side.push_str(line);
    side.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "Leaves b out.\n--- a/x/y.rs\n+++ b/x/y.rs\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n@@ -9 +9 @@\n-d\n";

    #[test]
    fn it_is_read_and_applied() {
        let patch = Patch::parse(PATCH).unwrap();
        assert_eq!((patch.title.as_str(), patch.files[0].path.as_str()), ("Leaves b out.", "x/y.rs"));
        assert_eq!(patch.files[0].apply("a\nb\nc\n\nd\n").unwrap(), "a\nB\nc\n\n");
    }

    #[test]
    fn what_does_not_fit_exactly_once_is_refused() {
        let patch = Patch::parse(PATCH).unwrap();
        for text in ["a\nB\nc\nd\n", "a\nb\nc\na\nb\nc\nd\n"] {
            let error = patch.files[0].apply(text).unwrap_err().to_string();
            assert!(error.contains("hunk 1 fits") && error.contains("x/y.rs"), "{error}");
        }
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        for text in ["", "title", "title\n", "title\n--- a/x\n+++ b/x\n", "title\n+a\n", "title\n+++ b/x\n@@\n?\n"] {
            assert!(Patch::parse(text).is_err(), "{text:?}");
        }
    }
}
