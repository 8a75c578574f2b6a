//! One contract for every storage of the log: memory and a folder here; S3, as a server of others speaks it, in
//! `tests/tests/infra/log.rs`. What the storage's failures mean is tried here as well.

#[path = "../samples/mod.rs"]
mod samples;

mod cases;
mod faults;
mod folder;
mod s3;

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;

use cases::Subject;

macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        mod in_memory {
            use super::*;

            $(#[tokio::test]
            async fn $case() {
                let storage: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
                cases::$case(Subject::of(&storage, stringify!($case))).await;
            })*
        }

        mod in_a_folder {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let folder = tempfile::tempdir().unwrap();
                cases::$case(Subject::of(&folder::storage(folder.path()), stringify!($case))).await;
            })*
        }
    };
}

contract!(
    one_of_many_creates,
    listings_are_in_order,
    parts_are_read_alone,
    damage_is_named,
    sources_are_found,
    heads_are_kept,
    a_log_has_one_deployment,
    entries_expire,
);
