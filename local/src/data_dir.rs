//! The data directory: made when it is not there, one process at a time, files replaced whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::LocalError;

/// The right to use one part of a data directory, held until it is dropped (or the process ends, however it ends).
#[derive(Debug)]
pub(crate) struct DirLock {
    _file: File,
}

/// Files and folders that this process makes from now on are its user's alone (0600, 0700): events are personal data.
#[cfg(unix)]
pub fn keep_files_private() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// This system has other means.
#[cfg(not(unix))]
pub fn keep_files_private() {}

/// Lets nobody else into a data directory, however it was made. A folder with files of others in it is left alone.
#[cfg(unix)]
fn make_private(dir: &Path, lock: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let is_ours = lock.exists() || fs::read_dir(dir)?.next().is_none();
    let is_open = fs::metadata(dir)?.permissions().mode() & 0o077 != 0;
    if is_ours && is_open { fs::set_permissions(dir, fs::Permissions::from_mode(0o700)) } else { Ok(()) }
}

#[cfg(not(unix))]
fn make_private(_dir: &Path, _lock: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes `dir` if need be and takes the lock `<part>.lock` in it.
pub(crate) fn lock(dir: &Path, part: &str) -> Result<DirLock, LocalError> {
    fs::create_dir_all(dir).map_err(|source| failed(dir, "created", source))?;
    let path = dir.join(format!("{part}.lock"));
    make_private(dir, &path).map_err(|source| failed(dir, "made private", source))?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| failed(&path, "written", source))?;
    match file.try_lock() {
        Ok(()) => Ok(DirLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(LocalError::Locked { dir: dir.to_owned(), lock: path }),
        Err(TryLockError::Error(source)) => Err(failed(&path, "locked", source)),
    }
}

/// The file's text; `None` where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, LocalError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed(path, "read", source)),
    }
}

/// Replaces the file by `text`: whoever reads it, after whatever crash, finds the old text or the new one.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), LocalError> {
    let fresh = path.with_extension("new");
    let written = (|| {
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        sync_directory(path)
    })();
    written.map_err(|source| failed(path, "written", source))
}

/// Syncs the directory that `path` lies in: a rename, or a new name, is durable once its directory is.
#[cfg(unix)]
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        // A name without a folder lies in the current one.
        Some(dir) if dir.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(not(unix))]
pub(crate) fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

pub(crate) fn failed(path: &Path, action: &'static str, source: io::Error) -> LocalError {
    LocalError::DataDir { path: PathBuf::from(path), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_the_error_names_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path(), "table").unwrap();
        let refused = lock(dir.path(), "table").unwrap_err().to_string();
        assert!(refused.contains("table.lock") && refused.contains("another process"), "{refused}");
        let _other_part = lock(dir.path(), "stream").unwrap();
        drop(held);
        lock(dir.path(), "table").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_is_its_users_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for is_ours in [true, false] {
            let data = dir.path().join(is_ours.to_string());
            fs::create_dir(&data).unwrap();
            if !is_ours {
                fs::write(data.join("letter.txt"), "").unwrap();
            }
            fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
            let _held = lock(&data, "table").unwrap();
            assert_eq!(mode(&data), if is_ours { 0o700 } else { 0o755 });
        }
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let refused = lock(&file.join("data"), "table").unwrap_err().to_string();
        assert!(refused.contains("file") && refused.contains("choose a data directory"), "{refused}");
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marks.json");
        assert_eq!(read(&path).unwrap(), None);
        replace(&path, "one, and longer").unwrap();
        replace(&path, "two").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
    }
}
