//! What the log must do on every storage. Each case uses sources and folders of its own, so that one storage serves all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;
use futures_util::future::join_all;
use headcount_core::deployment::{Deployment, DeploymentError};
use headcount_core::origin::Source;
use headcount_core::seal::seal;
use headcount_log::error::EntryError;
use headcount_log::{Append, Content, Day, EntryFacts, EntryRef, Head, Log, LogError, entry};
use headcount_runtime::retry::Jitter;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::time::Instant;

use super::samples::{content, date, event, facts, single};

/// A storage, and a log in a folder of it.
pub(crate) struct Subject {
    store: Arc<dyn ObjectStore>,
    log: Log,
    source: Source,
}

impl Subject {
    /// The part of `storage` that belongs to this case.
    pub(crate) fn of(storage: &Arc<dyn ObjectStore>, case: &str) -> Self {
        let store: Arc<dyn ObjectStore> = Arc::new(PrefixStore::new(Arc::clone(storage), case));
        let source = Source::parse("events@2/shardId-000000000007").unwrap();
        Self { log: Log::new(Arc::clone(&store), Jitter::from_seed(1)), store, source }
    }

    fn bytes(&self, number: u64, content: &Content<'_>) -> bytes::Bytes {
        entry::encode(&EntryFacts { source: self.source.clone(), ..facts(number) }, content)
    }

    async fn append(&self, number: u64, content: &Content<'_>) -> Result<Append, LogError> {
        self.log.append(&self.source, number, self.bytes(number, content), soon()).await
    }

    async fn put(&self, path: &str, bytes: impl Into<bytes::Bytes>) {
        self.store.put(&Path::from(path), bytes.into().into()).await.unwrap();
    }

    /// Puts an entry's object, whatever its bytes.
    async fn put_entry(&self, number: u64, bytes: impl Into<bytes::Bytes>) {
        self.put(&format!("log/{}/{number:012}.ndjson.zst", self.source), bytes).await;
    }

    /// The ids of a date's events of an entry that a listing shows with so many bytes.
    async fn ids(&self, entry: u64, bytes: u64, date: NaiveDate) -> Result<Vec<String>, LogError> {
        let listed = EntryRef { entry, bytes, modified_ms: 0 };
        let read = self.log.read_days(&self.source, listed, &BTreeSet::from([date]), soon()).await?;
        let mut ids = Vec::new();
        for day in &read.days {
            let lines = day.lines().map_err(|detail| self.damaged(entry, detail))?;
            let events = day.day(&lines).map_err(|detail| self.damaged(entry, detail))?.events;
            ids.extend(events.iter().map(|(_, event)| event.id.clone().into_owned()));
        }
        Ok(ids)
    }

    async fn numbers(&self, after: u64, most: usize) -> Vec<u64> {
        let listed = self.log.list_after(&self.source, after, most, soon()).await.unwrap();
        assert!(listed.iter().all(|found| found.bytes > 0 && found.modified_ms > 0), "{listed:?}");
        listed.iter().map(|found| found.entry).collect()
    }

    fn damaged(&self, entry: u64, detail: EntryError) -> LogError {
        LogError::Damaged { source_name: self.source.clone(), entry, detail }
    }
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

pub(crate) fn deployment(id: &str) -> Deployment {
    Deployment::new(id.to_owned(), Tz::UTC, "shop")
}

/// Of all who append an entry at the same moment, one creates it.
pub(crate) async fn one_of_many_creates(subject: Subject) {
    for number in 1..=5 {
        let contents: Vec<_> = (0..8).map(|writer| single(&format!("e-{writer}"))).collect();
        let appends = join_all(contents.iter().map(|content| subject.append(number, content))).await;
        let created: Vec<usize> = (0..8).filter(|at| appends[*at] == Ok(Append::Created)).collect();
        let existing = appends.iter().filter(|append| **append == Ok(Append::Exists)).count();
        assert_eq!((created.len(), existing), (1, 7), "{appends:?}");
        let read = subject.log.read(&subject.source, number, soon()).await.unwrap();
        assert_eq!(read.open().unwrap().content().unwrap(), contents[created[0]]);
        assert_eq!(subject.append(number, &content()).await, Ok(Append::Exists), "it stays as it is");
    }
}

/// Listings are in order, step over gaps and foreign objects, and end where they are told to.
pub(crate) async fn listings_are_in_order(subject: Subject) {
    assert_eq!(subject.numbers(0, 10).await, [] as [u64; 0]);
    for number in [11, 2, 1, 10, 3, 100] {
        assert_eq!(subject.append(number, &single("e")).await, Ok(Append::Created));
    }
    subject.store.delete(&Path::from(format!("log/{}/{:012}.ndjson.zst", subject.source, 2))).await.unwrap();
    for foreign in ["7.ndjson.zst", "000000000004.ndjson", "within/000000000005.ndjson.zst", "readme"] {
        subject.put(&format!("log/{}/{foreign}", subject.source), "x").await;
    }
    subject.put(&format!("log/{}8/{:012}.ndjson.zst", subject.source, 6), "another source").await;
    assert_eq!(subject.numbers(0, 10).await, [1, 3, 10, 11, 100]);
    assert_eq!(subject.numbers(0, 2).await, [1, 3]);
    assert_eq!(subject.numbers(1, 10).await, [3, 10, 11, 100]);
    assert_eq!(subject.numbers(2, 1).await, [3]);
    assert_eq!(subject.numbers(100, 10).await, [] as [u64; 0]);
}

/// Headers and days are read without the rest.
pub(crate) async fn parts_are_read_alone(subject: Subject) {
    subject.append(1, &content()).await.unwrap();
    let header = subject.log.read_header(&subject.source, 1, soon()).await.unwrap();
    let whole = subject.log.read(&subject.source, 1, soon()).await.unwrap();
    assert_eq!(header, whole.header);
    for (day, ids) in [(1, &["a", "bare"][..]), (2, &["signup"]), (3, &[]), (4, &[])] {
        // Read whole, and in parts.
        for bytes in [0, u64::MAX] {
            assert_eq!(subject.ids(1, bytes, date(day)).await.unwrap(), ids);
        }
    }
    // A header of many dates is longer than the first read.
    let first = date(1);
    let day = |n: u32| Day { events: vec![(n, event(&n.to_string()))], ..Day::default() };
    let days = (0..1_500).map(|n| (first - chrono::Days::new(n.into()), day(n)));
    let many = Content { days: days.collect(), rejections: Vec::new() };
    subject.append(2, &many).await.unwrap();
    let header = subject.log.read_header(&subject.source, 2, soon()).await.unwrap();
    assert!(header.header_bytes > entry::HEADER_READ_BYTES && header.dates.len() == 1_500);
    assert_eq!(subject.ids(2, u64::MAX, first).await.unwrap(), ["0"]);
}

/// What is missing, cut off, altered or another's is named by source and number.
pub(crate) async fn damage_is_named(subject: Subject) {
    let (log, source) = (&subject.log, &subject.source);
    let read = async |number| {
        log.read(source, number, soon())
            .await
            .and_then(|entry| entry.open().map(drop).map_err(|detail| subject.damaged(number, detail)))
    };
    assert_eq!(read(1).await, Err(subject.damaged(1, EntryError::Missing)));
    assert_eq!(log.read_header(source, 1, soon()).await, Err(subject.damaged(1, EntryError::Missing)));

    let good = subject.bytes(2, &content());
    subject.put_entry(2, good.clone()).await;
    let header = log.read_header(source, 2, soon()).await.unwrap();
    let size = good.len() as u64;
    let (first, second) =
        (EntryError::Frame { frame: date(1).to_string() }, EntryError::Frame { frame: date(2).to_string() });

    // Only the header is left: a range that begins at the end, and one behind it.
    subject.put_entry(2, good.slice(..header.header_bytes as usize)).await;
    assert_eq!(
        read(2).await,
        Err(subject.damaged(2, EntryError::Length { found: header.header_bytes, expected: size }))
    );
    assert_eq!(log.read_header(source, 2, soon()).await.as_ref(), Ok(&header));
    assert_eq!(subject.ids(2, u64::MAX, date(1)).await, Err(subject.damaged(2, first.clone())));
    assert_eq!(subject.ids(2, u64::MAX, date(2)).await, Err(subject.damaged(2, second)));

    let mut altered = good.to_vec();
    altered[header.header_bytes as usize + 9] ^= 1;
    subject.put_entry(2, altered).await;
    assert_eq!(read(2).await, Err(subject.damaged(2, first.clone())));
    for bytes in [0, u64::MAX] {
        assert_eq!(subject.ids(2, bytes, date(1)).await, Err(subject.damaged(2, first.clone())));
    }

    for bytes in [&b""[..], &good[..20]] {
        subject.put_entry(2, bytes.to_vec()).await;
        for found in [read(2).await, log.read_header(source, 2, soon()).await.map(drop)] {
            assert!(
                matches!(&found, Err(LogError::Damaged { entry: 2, detail: EntryError::Header(_), .. })),
                "{found:?}"
            );
        }
    }
    subject.put_entry(3, good).await;
    for found in [read(3).await, log.read_header(source, 3, soon()).await.map(drop)] {
        let error = found.unwrap_err().to_string();
        let said = format!("entry 3 of {source} is damaged: its header says entry 2, expected entry 3");
        assert_eq!(error, said);
    }
}

/// Every source with entries is found, and nothing else.
pub(crate) async fn sources_are_found(subject: Subject) {
    assert_eq!(subject.log.sources(soon()).await, Ok(Vec::new()));
    let sources = [
        subject.source.clone(),
        Source::import(7),
        Source::redrive("aws/lambda/x"),
        Source::parse("events/0").unwrap(),
    ];
    for source in &sources {
        let bytes = entry::encode(&EntryFacts { source: source.clone(), ..facts(1) }, &single("e"));
        assert_eq!(subject.log.append(source, 1, bytes, soon()).await, Ok(Append::Created));
    }
    for foreign in ["log/file", "log/a b/c/000000000001.ndjson.zst", "other/x/y", "head/events/1"] {
        subject.put(foreign, "x").await;
    }
    let mut expected = sources.to_vec();
    expected.sort_unstable();
    assert_eq!(subject.log.sources(soon()).await, Ok(expected));
}

/// A head is what was last written.
pub(crate) async fn heads_are_kept(subject: Subject) {
    let (log, source) = (&subject.log, &subject.source);
    assert_eq!(log.head(source, soon()).await, Ok(None));
    for entry in [7, 9] {
        let head = Head { entry, last: facts(1).last, appended_ms: 5 };
        log.put_head(source, &head, soon()).await.unwrap();
        assert_eq!(log.head(source, soon()).await, Ok(Some(head)));
    }
    subject.put(&format!("head/{source}"), "{\"entry\":9}").await;
    let refused = log.head(source, soon()).await.unwrap_err();
    assert!(matches!(&refused, LogError::Unusable { detail } if detail.contains("restore")), "{refused}");
}

/// Whoever is first at an unused storage gives it its deployment, all others take that.
pub(crate) async fn a_log_has_one_deployment(subject: Subject) {
    let open = async |id: &str| subject.log.open_deployment(&deployment(id), soon()).await;
    assert_eq!(subject.log.deployment(soon()).await, Ok(None));
    let ids: Vec<String> = (0..6).map(|n| format!("d-{n}")).collect();
    let opened = join_all(ids.iter().map(|id| open(id))).await;
    let first = opened[0].clone().unwrap();
    assert!(opened.iter().all(|found| found.as_ref() == Ok(&first)), "{opened:?}");
    assert_eq!(open("d-9").await.as_ref(), Ok(&first));
    assert_eq!(subject.log.deployment(soon()).await, Ok(Some(first.clone())));

    // Entries of another deployment are refused from then on.
    let foreign = EntryFacts { deployment: "d-77".to_owned(), source: subject.source.clone(), ..facts(1) };
    subject.put_entry(1, entry::encode(&foreign, &content())).await;
    let found = subject.log.read(&subject.source, 1, soon()).await.map(drop);
    for refused in [found, subject.log.read_header(&subject.source, 1, soon()).await.map(drop)] {
        let error = refused.unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("its header says deployment d-77, expected deployment {}", first.id)),
            "{error}"
        );
    }

    // The highest number counts, and what this build cannot read is refused.
    let other = deployment("d-2nd");
    subject.put("deployment/10.json", seal(&other)).await;
    subject.put("deployment/9.json", "{}").await;
    assert_eq!(open("d-9").await, Ok(other));
    subject.put("deployment/11.json", r#"{"schemaVersion":1,"zone":"UTC"}"#).await;
    assert_eq!(open("d-9").await, Err(LogError::Deployment(DeploymentError::OlderSchema { found: 1 })));
    subject.put("deployment/12.json", r#"{"schemaVersion":3}"#).await;
    assert_eq!(open("d-9").await, Err(LogError::Deployment(DeploymentError::NewerSchema { found: 3 })));
    subject.put("deployment/13.json", "nothing").await;
    let refused = open("d-9").await.unwrap_err();
    assert!(matches!(&refused, LogError::Unusable { detail } if detail.contains("deployment/13.json")), "{refused}");
}

/// Old entries go, and only entries.
pub(crate) async fn entries_expire(subject: Subject) {
    for number in 1..=40 {
        subject.append(number, &single("e")).await.unwrap();
    }
    subject.put_entry(0, "x").await;
    let kept = ["log/events/readme", "head/events/0", "deployment/1.json"];
    for path in kept {
        subject.put(path, "x").await;
    }
    let listed = subject.log.list_after(&subject.source, 0, 100, soon()).await.unwrap();
    let (oldest, newest) = (listed[0].modified_ms, listed[39].modified_ms);
    assert_eq!(subject.log.expire(oldest, soon()).await, Ok(0));
    assert_eq!(subject.log.expire(newest + 60_000, soon()).await, Ok(41));
    assert_eq!(subject.numbers(0, 100).await, [] as [u64; 0]);
    assert_eq!(subject.log.expire(newest + 60_000, soon()).await, Ok(0));
    for path in kept {
        assert!(subject.store.head(&Path::from(path)).await.is_ok(), "{path}");
    }
}
