//! What objects are called: `log/<source>/<n>.ndjson.zst` and `head/<source>`.

use headcount_core::origin::Source;
use object_store::path::Path;

/// The folder of all entries, which the lifecycle rule expires.
pub(super) const LOG: &str = "log";

/// The folder of all heads.
pub(super) const HEAD: &str = "head";

const EXTENSION: &str = ".ndjson.zst";

/// Digits of an entry's number, so that names are in the order of numbers.
const DIGITS: usize = 12;

/// What belongs to `source` in `folder`.
pub(super) fn source(folder: &str, source: &Source) -> Path {
    Path::from(format!("{folder}/{source}"))
}

/// An entry's object.
pub(super) fn entry(source: &Source, entry: u64) -> Path {
    Path::from(format!("{LOG}/{source}/{entry:0DIGITS$}{EXTENSION}"))
}

/// The number of the entry at `path`, if it is one in that folder of a source.
pub(super) fn number(folder: &Path, path: &Path) -> Option<u64> {
    let mut parts = path.prefix_match(folder)?;
    let (name, rest) = (parts.next()?, parts.next());
    let digits = name.as_ref().strip_suffix(EXTENSION)?;
    let is_number = rest.is_none() && digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// The source whose folder of entries this is.
pub(super) fn source_of(folder: &Path) -> Option<Source> {
    Source::parse(folder.as_ref().strip_prefix(LOG)?.strip_prefix('/')?).ok()
}

/// Whether the object is an entry of a source.
pub(super) fn is_entry(path: &Path) -> bool {
    let folder = path.as_ref().rsplit_once('/').map(|(folder, _)| Path::from(folder));
    folder.is_some_and(|folder| source_of(&folder).is_some() && number(&folder, path).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_from_foreign_objects() {
        let shard = Source::parse("events@2/shardId-000000000000").unwrap();
        let folder = source(LOG, &shard);
        assert_eq!(entry(&shard, 7).as_ref(), "log/events@2/shardId-000000000000/000000000007.ndjson.zst");
        assert_eq!(source(HEAD, &shard).as_ref(), "head/events@2/shardId-000000000000");
        assert_eq!(source_of(&folder), Some(shard.clone()));
        for number_of in [1, 999_999_999_999] {
            let path = entry(&shard, number_of);
            assert_eq!((number(&folder, &path), is_entry(&path)), (Some(number_of), true), "{path}");
        }
        for name in ["7.ndjson.zst", "+00000000007.ndjson.zst", "000000000007.ndjson", "a/000000000007.ndjson.zst", "x"]
        {
            let path = Path::from(format!("{folder}/{name}"));
            assert_eq!((number(&folder, &path), is_entry(&path)), (None, false), "{path}");
        }
        for foreign in ["log/x", "log/a b/c", "other/a/b", "logs/a/b"] {
            assert_eq!(source_of(&Path::from(foreign)), None, "{foreign}");
        }
    }
}
