//! Proofs of seeded logs, against a naive count of what was appended.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::counters::Counters;
use headcount_core::event::{Event, EventType};
use headcount_core::origin::Source;
use headcount_log::entry::encode;
use headcount_log::{Append, Content, Day, EntryFacts, Log};
use headcount_proof::{Position, ProveError, Proven, Proving, prove};
use headcount_runtime::compute::Compute;
use headcount_runtime::retry::Jitter;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::json;
use tokio::time::Instant;

const DAY_MS: i64 = 86_400_000;

/// 2026-03-01T00:00:00Z.
const START_MS: i64 = 1_772_323_200_000;

fn date(day: i64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 1 + day as u32).unwrap()
}

/// One event as it was appended: where, and on which date.
#[derive(Clone)]
struct Occurrence {
    source: Source,
    entry: u64,
    date: NaiveDate,
    event: Event<'static>,
}

struct World {
    store: Arc<dyn ObjectStore>,
    log: Log,
    appended: Vec<Occurrence>,
    newest: BTreeMap<Source, u64>,
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn event(random: &mut fastrand::Rng, id: String, at_ms: i64) -> Event<'static> {
    let user = random.u32(0..40);
    let types = [
        EventType::PageView,
        EventType::FeatureUse,
        EventType::AiRequest,
        EventType::ContentCreate,
        EventType::Identify,
    ];
    let data = json!({"feature": format!("f{}", random.u32(0..9)), "model": format!("m{}", random.u32(0..3)),
        "contentType": "post", "tokens": random.u32(0..100), "cost": 0.001});
    Event {
        id: id.into(),
        user_id: if user == 0 { "anonymous:x".into() } else { format!("user-{user}").into() },
        session_id: (random.u8(0..7) > 0).then(|| format!("s-{}-{}", user, random.u32(0..3)).into()),
        event_type: types[random.usize(..types.len())].clone(),
        account_id: (random.u8(0..3) > 0).then(|| format!("account-{}", random.u32(0..30)).into()),
        timestamp_ms: at_ms,
        counted_ms: at_ms,
        priced_by: None,
        event_data: data.into(),
        metadata: json!({"platform": if random.bool() { "web" } else { "ios" }}).into(),
    }
}

impl World {
    /// Three shards and an import with two days of events, a fifth of them repeated somewhere, some ids with two times.
    async fn new(random: &mut fastrand::Rng, events: usize) -> Self {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let log = Log::new(Arc::clone(&store), Jitter::from_seed(1));
        let mut world = Self { store, log, appended: Vec::new(), newest: BTreeMap::new() };
        let mut sources: Vec<_> =
            (0..3).map(|n| Source::shard("events", None, &format!("shardId-{n:012}")).unwrap()).collect();
        sources.push(Source::import(7));
        let mut sent: Vec<Event<'static>> = Vec::new();
        for n in 0..events {
            let at_ms = START_MS + random.i64(0..2 * DAY_MS);
            let one = match random.u8(0..10) {
                0 | 1 if !sent.is_empty() => sent[random.usize(..sent.len())].clone(),
                2 if !sent.is_empty() => {
                    let known = &sent[random.usize(..sent.len())];
                    let at_ms = known.timestamp_ms + i64::from(random.bool());
                    // Another content under the same id: the smallest occurrence counts.
                    event(random, known.id.clone().into_owned(), at_ms)
                }
                _ => event(random, format!("e-{n}"), at_ms),
            };
            sent.push(one);
        }
        while !sent.is_empty() {
            let source = &sources[random.usize(..sources.len())];
            let count = random.usize(1..30).min(sent.len());
            let batch: Vec<_> = sent.drain(..count).collect();
            world.append(source, batch).await;
        }
        world
    }

    async fn append(&mut self, source: &Source, events: Vec<Event<'static>>) {
        let entry = self.newest.get(source).copied().unwrap_or(0) + 1;
        let mut content = Content::default();
        for (index, event) in (0..).zip(events) {
            let day = (event.counted_ms - START_MS).div_euclid(DAY_MS);
            let occurrence = Occurrence { source: source.clone(), entry, date: date(day), event: event.clone() };
            self.appended.push(occurrence);
            let day: &mut Day<'_> = content.days.entry(date(day)).or_default();
            day.events.push((index, event));
            (day.duplicates, day.rejected) = (3, 1);
        }
        let facts = EntryFacts {
            deployment: "d".to_owned(),
            source: source.clone(),
            entry,
            last: entry.into(),
            appended_ms: START_MS + entry as i64,
            arrived_ms: START_MS,
        };
        let appended = self.log.append(source, entry, encode(&facts, &content), soon()).await;
        assert_eq!(appended, Ok(Append::Created));
        self.newest.insert(source.clone(), entry);
    }

    fn positions(&self, position: impl Fn(u64) -> u64) -> Vec<Position> {
        let one = |(source, newest): (&Source, &u64)| Position {
            source: source.clone(),
            entry: position(*newest),
            newest: *newest,
        };
        self.newest.iter().map(one).collect()
    }

    async fn prove(&self, positions: &[Position], memory: u64) -> Result<BTreeMap<NaiveDate, Proven>, ProveError> {
        let dates = BTreeSet::from([date(0), date(1)]);
        let proving = Proving {
            log: &self.log,
            zone: Tz::UTC,
            precision: 14,
            sources: positions,
            dates: &dates,
            late_ms: DAY_MS,
            expected: 10,
            memory,
            at_once: 4,
            compute: Compute::Pool,
            deadline: soon(),
        };
        prove(proving).await
    }
}

/// Counts what must come out, in the simplest way.
struct Naive {
    counters: Counters,
    users: HashSet<String>,
    accounts: HashSet<String>,
    by_feature: BTreeMap<String, HashSet<String>>,
    sessions: HashMap<(String, String), (i64, i64)>,
    repeated: u64,
    ids_with_several_times: u64,
}

fn naive(world: &World, of: NaiveDate, position: impl Fn(&Source) -> u64) -> Naive {
    let mut counted: Vec<_> =
        world.appended.iter().filter(|one| one.date == of && one.entry <= position(&one.source)).collect();
    // Appended in the order of indexes within an entry.
    counted.sort_by(|a, b| (&a.source, a.entry).cmp(&(&b.source, b.entry)));
    let (mut seen, mut times) = (HashSet::new(), HashMap::<_, HashSet<i64>>::new());
    let mut naive = Naive {
        counters: Counters::default(),
        users: HashSet::new(),
        accounts: HashSet::new(),
        by_feature: BTreeMap::new(),
        sessions: HashMap::new(),
        repeated: 0,
        ids_with_several_times: 0,
    };
    let entries: BTreeSet<_> = counted.iter().map(|one| (&one.source, one.entry)).collect();
    naive.counters.add_duplicates(3 * entries.len() as u64);
    naive.counters.add_rejected(entries.len() as u64);
    for one in counted {
        let event = &one.event;
        times.entry(event.id.to_string()).or_default().insert(event.timestamp_ms);
        if !seen.insert((event.id.to_string(), event.timestamp_ms)) {
            naive.repeated += 1;
            continue;
        }
        naive.counters.add(event, Tz::UTC);
        if let Some(session) = event.session_id.as_ref().filter(|_| event.event_type.is_activity()) {
            let span = (event.counted_ms, event.counted_ms);
            naive
                .sessions
                .entry((session.to_string(), event.user_id.to_string()))
                .and_modify(|known| *known = (known.0.min(span.0), known.1.max(span.1)))
                .or_insert(span);
        }
        naive.accounts.extend(event.active_account().map(str::to_owned));
        if let Some(user) = event.active_user() {
            naive.users.insert(user.to_owned());
            if event.event_type == EventType::FeatureUse {
                let feature = event.feature().unwrap().into_owned();
                naive.by_feature.entry(feature).or_default().insert(user.to_owned());
            }
        }
    }
    naive.counters.add_duplicates(naive.repeated);
    naive.ids_with_several_times = times.values().filter(|times| times.len() > 1).count() as u64;
    naive
}

fn check(world: &World, found: &BTreeMap<NaiveDate, Proven>, position: impl Fn(&Source) -> u64 + Copy) {
    for (day, proven) in found {
        let (naive, figures) = (naive(world, *day, position), &proven.figures);
        let compare = headcount_core::counters::Compare { duplicates: true, rejected: true };
        assert_eq!(figures.counters.difference(&naive.counters, compare), [], "{day}");
        assert_eq!((figures.users, proven.repeated), (naive.users.len() as u64, naive.repeated), "{day}");
        assert_eq!(figures.accounts, naive.accounts.len() as u64, "{day}");
        assert_eq!(proven.accounts.clone().estimate().round() as u64, figures.accounts, "so few are told apart: {day}");
        assert_eq!(figures.ids_with_several_times, naive.ids_with_several_times, "{day}");
        let by_feature: BTreeMap<_, _> =
            naive.by_feature.iter().map(|(feature, users)| (feature.clone(), users.len() as u64)).collect();
        assert_eq!(figures.users_by.features, by_feature, "{day}");
        let mut durations: Vec<_> = naive.sessions.values().map(|(first, last)| (last - first) as u64).collect();
        durations.sort_unstable();
        let total: u64 = durations.iter().sum();
        let (count, sessions) = (durations.len(), figures.sessions);
        assert_eq!((sessions.count, sessions.total_ms), (count as u64, total), "{day}");
        let at = |percent: usize| durations[(count * percent).div_ceil(100).max(1) - 1];
        assert_eq!((sessions.p50_ms, sessions.p95_ms), (at(50), at(95)), "{day}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_equals_a_naive_count_in_one_pass_and_in_many() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new(&mut random, 3_000).await;
    let all = world.positions(|newest| newest);
    let once = world.prove(&all, 1 << 30).await.unwrap();
    check(&world, &once, |_| u64::MAX);
    // Memory for some 400 ids: what does not fit into one pass takes eight.
    let often = world.prove(&all, 400 * 48).await.unwrap();
    check(&world, &often, |_| u64::MAX);
    assert_eq!(once[&date(0)].figures, often[&date(0)].figures);
    assert!(matches!(world.prove(&all, 480).await, Err(ProveError::TooLarge { .. })));

    // Up to stated positions only; what is behind them is told apart.
    let half = world.positions(|newest| newest / 2);
    let found = world.prove(&half, 1 << 30).await.unwrap();
    let position = |source: &Source| world.newest[source] / 2;
    check(&world, &found, position);
    for (day, proven) in &found {
        let behind = world.appended.iter().filter(|one| one.date == *day && one.entry > position(&one.source));
        assert_eq!(proven.behind.values().sum::<u64>(), behind.count() as u64);
    }
}

#[tokio::test]
async fn a_sources_partial_is_what_a_follower_folds() {
    let mut random = fastrand::Rng::with_seed(5);
    let world = World::new(&mut random, 400).await;
    let found = world.prove(&world.positions(|newest| newest), 1 << 30).await.unwrap();
    for (day, proven) in &found {
        for (source, partial) in &proven.partials {
            let mut raw = Counters::default();
            let own: Vec<_> = world.appended.iter().filter(|one| one.date == *day && one.source == *source).collect();
            for one in &own {
                raw.add(&one.event, Tz::UTC);
            }
            let entries: BTreeSet<_> = own.iter().map(|one| one.entry).collect();
            raw.add_duplicates(3 * entries.len() as u64);
            raw.add_rejected(entries.len() as u64);
            assert_eq!(partial.counters, raw, "{day} {source}: repetitions count here");
            assert_eq!(Some(&partial.as_of), entries.last());
        }
    }
    assert_eq!(found[&date(0)].first_ms, Some(START_MS + 1));
}

#[tokio::test]
async fn a_missing_and_a_damaged_entry_are_named_and_the_others_count() {
    let mut random = fastrand::Rng::with_seed(6);
    let world = World::new(&mut random, 400).await;
    let source = world.newest.iter().find(|(_, newest)| **newest > 4).unwrap().0;
    let path = |entry| Path::from(format!("log/{source}/{entry:012}.ndjson.zst"));
    world.store.delete(&path(2)).await.unwrap();
    world.store.put(&path(3), "no entry".into()).await.unwrap();
    let found = world.prove(&world.positions(|newest| newest), 1 << 30).await.unwrap();
    for proven in found.values() {
        let named: Vec<_> = proven.damaged.iter().map(|damaged| (&damaged.source, damaged.entry)).collect();
        assert_eq!(named, [(source, 2), (source, 3)]);
    }
    let events: u64 =
        found.values().map(|proven| proven.partials.values().map(|it| it.counters.events).sum::<u64>()).sum();
    let lost = world.appended.iter().filter(|one| one.source == *source && [2, 3].contains(&one.entry)).count();
    assert_eq!(events as usize, world.appended.len() - lost);
}
