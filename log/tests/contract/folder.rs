//! A folder of this machine as the log's storage.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use headcount_log::{Append, Log, LogError, entry};
use headcount_runtime::retry::Jitter;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use crate::cases::soon;
use crate::samples::{content, facts, source};

pub(crate) fn storage(folder: &Path) -> Arc<dyn ObjectStore> {
    Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap().with_fsync(true))
}

#[tokio::test]
async fn a_folder_is_made_for_its_owner_alone_and_opened_again() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("made/on the way");
    let bytes = entry::encode(&facts(1), &content());
    for expected in [Append::Created, Append::Exists] {
        let log = Log::open(folder.to_str().unwrap(), Jitter::from_seed(1)).await.unwrap();
        assert_eq!(log.append(&source(), 1, bytes.clone(), soon()).await, Ok(expected));
        assert_eq!(log.sources(soon()).await, Ok(vec![source()]));
    }
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let file = folder.join("log").join(source().as_str()).join("000000000001.ndjson.zst");
    assert_eq!(std::fs::read(file).unwrap(), bytes);
}

#[tokio::test]
async fn a_place_that_cannot_be_a_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for place in ["", "s3://", "s3:///prefix", "gs://bucket/x", file.to_str().unwrap()] {
        let refused = Log::open(place, Jitter::from_seed(1)).await.unwrap_err();
        assert!(matches!(&refused, LogError::Unusable { detail } if detail.contains(place)), "{refused}");
    }
    // A file where a folder must be.
    let log = Log::in_folder(folder.path(), Jitter::from_seed(1)).unwrap();
    std::fs::write(folder.path().join("log"), "").unwrap();
    let refused = log.append(&source(), 1, entry::encode(&facts(1), &content()), soon()).await.unwrap_err();
    assert!(matches!(&refused, LogError::Unusable { detail } if detail.contains("owner")), "{refused}");
}
