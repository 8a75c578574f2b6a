use std::io::Write as _;
use std::sync::Arc;

use chrono_tz::Tz;
use headcount_consumer::deps::Settings;
use headcount_core::limits::DEFAULT_LOG_RETENTION_DAYS;
use headcount_core::partial::Partial;
use headcount_core::validate::Rules;
use headcount_follow::ItemOptions;
use headcount_log::Log;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::seeded::{Rates, SeededFaults};
use headcount_testkit::memory::MemoryStore;
use object_store::memory::InMemory;
use serde_json::json;

use super::*;
use crate::history::survey::survey;

/// 2026-03-10T12:00:00Z.
const NOW: i64 = 1_773_144_000_000;

const DAY_MS: i64 = 86_400_000;

/// Events of three days long ago, newest first, every tenth line blank and every seventh broken.
fn file(lines: i64) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for n in 0..lines {
        let event = json!({
            "eventId": format!("e{n}"), "userId": format!("u{}", n % 9), "sessionId": "s", "eventType": "page_view",
            "timestamp": NOW - (200 + n % 3) * DAY_MS - n,
            "metadata": {"userAgent": "test", "ipAddress": "10.1.2.3", "platform": "web"},
        });
        match (n % 10, n % 7) {
            (0, _) => writeln!(file).unwrap(),
            (_, 0) => writeln!(file, "{{\"broken\"").unwrap(),
            _ => writeln!(file, "{event}").unwrap(),
        }
    }
    file
}

fn log(seed: u64) -> Log {
    Log::new(Arc::new(InMemory::new()), Jitter::from_seed(seed))
}

fn deps<S>(log: &Log, store: S, seed: u64) -> Deps<S> {
    let settings = Settings {
        rules: Rules::default().without_lateness_limit(),
        zone: None,
        project: "test".into(),
        log_retention_days: DEFAULT_LOG_RETENTION_DAYS,
        stream_generation: None,
        items: ItemOptions::default(),
    };
    Deps::new(log.clone(), store, Clock::from_fn(|| NOW), Jitter::from_seed(seed), settings)
}

async fn run<S: FollowStore>(deps: &Deps<S>, file: &tempfile::NamedTempFile) -> Result<Imported, Failure> {
    let (_asked, interrupt) = Interrupt::manual();
    let seen = survey(file.path(), &deps.settings.rules, Tz::UTC, NOW, &interrupt)?.unwrap();
    import(deps, file.path(), &seen, seen.newest_ms.unwrap(), &interrupt).await
}

/// Events and rejected ones, of all days.
fn counted(store: &MemoryStore) -> (u64, u64) {
    let partials: Vec<_> = store.all_partials().iter().map(|record| Partial::decode(record).unwrap()).collect();
    let sum = |of: fn(&Partial) -> u64| partials.iter().map(of).sum();
    (sum(|partial| partial.counters.events), sum(|partial| partial.counters.rejected))
}

#[tokio::test(start_paused = true)]
async fn a_file_counts_once_through_a_storm_and_again() {
    let file = file(100);
    for seed in 0..20 {
        let (log, store) = (log(seed), MemoryStore::new());
        let storm = Faulty::new(store.clone(), SeededFaults::new(seed, Rates::stormy()));
        let first = run(&deps(&log, storm, seed), &file).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!((first.consumed.failed_from, first.last_line), (None, 100), "seed {seed}");
        assert_eq!(store.all_events().len() as u64 + 13, 90, "seed {seed}: 10 blank and 13 broken lines");
        assert_eq!(counted(&store), (77, 13), "seed {seed}");
        let events = store.all_events();
        let again = run(&deps(&log, store.clone(), seed), &file).await.unwrap();
        let Consumed { appended, redelivered, duplicates, rejected, .. } = again.consumed;
        assert_eq!((appended, redelivered, duplicates, rejected), (0, 90, 0, 0), "seed {seed}: lines that are there");
        assert_eq!((store.all_events(), counted(&store)), (events, (77, 13)), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_import_that_died_goes_on() {
    let file = file(60);
    let mut deaths = 0;
    for seed in 0..20 {
        let (log, store) = (log(seed), MemoryStore::new());
        let rates = Rates { crash_before: 0.05, crash_after: 0.05, ..Rates::default() };
        let mut faulty = Faulty::new(store.clone(), SeededFaults::new(seed, rates));
        let mut rounds = 0;
        while faulty.until_crash(run(&deps(&log, faulty.clone(), seed), &file)).await.is_err() {
            (faulty, rounds) = (faulty.process(), rounds + 1);
            assert!(rounds < 500, "seed {seed}: it dies every time");
        }
        deaths += rounds;
        let wanted = (store.all_events().len() as u64, 8);
        assert_eq!((counted(&store), wanted.0), (wanted, 46), "seed {seed}");
    }
    assert!(deaths > 5, "only {deaths} deaths");
}

#[tokio::test]
async fn a_file_that_changes_meanwhile_is_refused() {
    let file = file(20);
    let (_asked, interrupt) = Interrupt::manual();
    let deps = deps(&log(1), MemoryStore::new(), 1);
    let seen = survey(file.path(), &deps.settings.rules, Tz::UTC, NOW, &interrupt).unwrap().unwrap();
    std::fs::OpenOptions::new().append(true).open(file.path()).unwrap().write_all(b"{}\n").unwrap();
    let failure = import(&deps, file.path(), &seen, NOW, &interrupt).await.unwrap_err().to_string();
    assert!(failure.contains("changed while it was imported"), "{failure}");
}

#[tokio::test]
async fn who_asks_to_stop_is_heard_before_the_next_lines() {
    let file = file(20);
    let (asked, interrupt) = Interrupt::manual();
    let deps = deps(&log(1), MemoryStore::new(), 1);
    let seen = survey(file.path(), &deps.settings.rules, Tz::UTC, NOW, &interrupt).unwrap().unwrap();
    asked.send(true).unwrap();
    let imported = import(&deps, file.path(), &seen, NOW, &interrupt).await.unwrap();
    assert!(imported.interrupted && imported.last_line == 0 && deps.store.all_events().is_empty());
    assert_eq!(survey(file.path(), &deps.settings.rules, Tz::UTC, NOW, &interrupt).unwrap(), None);
}
