//! What the log makes of a storage that fails.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use headcount_log::{Append, Content, Log, LogError, entry};
use headcount_runtime::retry::Jitter;
use headcount_testkit::objects::FaultyObjects;
use headcount_testkit::objects::plan::{Decision, Fault, FaultKind, Operation, Request};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::time::Instant;

use crate::cases::{deployment, soon};
use crate::samples::{content, facts, single, source};

fn log(store: &FaultyObjects) -> Log {
    Log::new(Arc::new(store.clone()), Jitter::from_seed(1))
}

/// The first `times` requests of `operation` are as `decision` says, all others work.
fn failing(operation: Operation, times: u64, decision: Decision) -> FaultyObjects {
    let left = AtomicU64::new(times);
    FaultyObjects::new(InMemory::new(), move |request: &Request<'_>| {
        let fails =
            request.operation == operation && left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails { decision } else { Decision::default() }
    })
}

async fn append(store: &FaultyObjects, content: &Content<'_>) -> std::result::Result<Append, LogError> {
    log(store).append(&source(), 1, entry::encode(&facts(1), content), soon()).await
}

async fn stored(store: &FaultyObjects) -> Content<'static> {
    let read = log(store).read(&source(), 1, soon()).await.unwrap().open().unwrap();
    if read.content().unwrap() == single("ours") { single("ours") } else { single("theirs") }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_put_again_and_never_taken_for_an_entry() {
    let store = failing(Operation::Create, 3, Decision::fault(Fault::Conflict));
    assert_eq!(append(&store, &single("ours")).await, Ok(Append::Created));
    assert_eq!(store.requests(), [(Operation::Create, 4), (Operation::Head, 3)].into());
    assert_eq!(stored(&store).await, single("ours"));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_put_again_until_it_is_known() {
    let store = failing(Operation::Create, 2, Decision::fault(Fault::UnknownBefore));
    assert_eq!(append(&store, &single("ours")).await, Ok(Append::Created));
    // Our own put, whose answer was lost.
    let store = failing(Operation::Create, 2, Decision::fault(Fault::UnknownAfter));
    assert_eq!(append(&store, &single("ours")).await, Ok(Append::Exists));
    assert_eq!(stored(&store).await, single("ours"));
    // The look at what exists fails as well.
    let store = failing(Operation::Head, 2, Decision::fault(Fault::UnknownBefore));
    assert_eq!(append(&store, &single("theirs")).await, Ok(Append::Created));
    assert_eq!(append(&store, &single("ours")).await, Ok(Append::Exists));
    assert_eq!(stored(&store).await, single("theirs"));
}

#[tokio::test(start_paused = true)]
async fn a_late_put_changes_nothing_that_exists() {
    let late = Decision { before: Duration::from_mins(1), fault: Some(Fault::UnknownLate), ..Decision::default() };
    let store = failing(Operation::Create, 1, late);
    let theirs = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        append(&store, &single("theirs")).await
    };
    // Ours is sent, nothing is heard of it, and its sender gives up at once.
    let given_up = log(&store).append(&source(), 1, entry::encode(&facts(1), &single("ours")), Instant::now()).await;
    assert!(matches!(given_up, Err(LogError::Unavailable { .. })), "{given_up:?}");
    assert_eq!(theirs.await, Ok(Append::Created));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(store.faults()[&FaultKind::Exists], 1, "it arrived");
    assert_eq!(stored(&store).await, single("theirs"));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_ends_at_the_deadline() {
    let never = Decision { before: Duration::from_hours(1), ..Decision::default() };
    for operation in [Operation::Create, Operation::Get, Operation::List] {
        let store = failing(operation, u64::MAX, never);
        let (log, start) = (log(&store), Instant::now());
        let error = match operation {
            Operation::Create => append(&store, &content()).await.unwrap_err(),
            Operation::Get => log.read(&source(), 1, soon()).await.unwrap_err(),
            _ => log.list_after(&source(), 0, 5, soon()).await.unwrap_err(),
        };
        assert!(matches!(&error, LogError::Unavailable { detail } if detail.contains("no answer")), "{error}");
        assert_eq!(start.elapsed(), Duration::from_secs(20));
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_for_until_the_deadline() {
    let store = failing(Operation::Create, 0, Decision::default());
    store.set_down(true);
    let start = Instant::now();
    let error = append(&store, &content()).await.unwrap_err();
    assert!(matches!(error, LogError::Unavailable { .. }) && start.elapsed() <= Duration::from_secs(20), "{error}");
    assert!(store.faults()[&FaultKind::Outage] > 5);
    let up = async {
        tokio::time::sleep(Duration::from_secs(9)).await;
        store.set_down(false);
    };
    let content = content();
    let (appended, ()) = tokio::join!(append(&store, &content), up);
    assert_eq!(appended, Ok(Append::Created));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_permission_and_is_not_repeated() {
    let check = async |operation, permission: &str| {
        let store = failing(operation, u64::MAX, Decision::fault(Fault::Refused));
        let log = log(&store);
        let error = match operation {
            Operation::Create => append(&store, &content()).await.unwrap_err(),
            Operation::Get => log.read(&source(), 1, soon()).await.unwrap_err(),
            _ => log.sources(soon()).await.unwrap_err(),
        };
        assert!(matches!(&error, LogError::Unusable { detail } if detail.contains(permission)), "{error}");
        assert_eq!(store.requests(), [(operation, 1)].into());
    };
    check(Operation::Create, "s3:PutObject").await;
    check(Operation::Get, "s3:ListBucket").await;
    check(Operation::List, "s3:ListBucket").await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_created_through_faults() {
    for fault in [Fault::Conflict, Fault::UnknownBefore, Fault::UnknownAfter] {
        let store = failing(Operation::Create, 1, Decision::fault(fault));
        let opened = log(&store).open_deployment(&deployment("d-1"), soon()).await;
        assert_eq!(opened, Ok(deployment("d-1")), "{fault:?}");
    }
}

/// A storage that takes every put, whatever is there.
#[derive(Debug)]
struct Careless(InMemory);

impl fmt::Display for Careless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Careless")
    }
}

#[async_trait]
impl ObjectStore for Careless {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.0.put_opts(location, payload, PutOptions { mode: PutMode::Overwrite, ..opts }).await
    }

    async fn put_multipart_opts(&self, at: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(at, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_storage_that_ignores_conditional_puts_is_refused_whenever_it_is_opened() {
    let log = Log::new(Arc::new(Careless(InMemory::new())), Jitter::from_seed(1));
    for _ in 0..2 {
        let refused = log.open_deployment(&deployment("d-1"), soon()).await.unwrap_err();
        assert!(matches!(&refused, LogError::Unusable { detail } if detail.contains("If-None-Match")), "{refused}");
    }
}
