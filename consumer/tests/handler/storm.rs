//! Many seeds of many faults, crashes among them: redelivery until all is well, then a look at every count.

use std::collections::{BTreeMap, BTreeSet};

use headcount_core::limits::DAY_MS;
use headcount_core::partial::Partial;
use headcount_store::faulty::Faulty;
use headcount_store::faulty::seeded::{Rates, SeededFaults};
use headcount_store::memory::MemoryStore;
use tokio::time::{Duration, Instant};

use crate::world::{NOON, Record, day, deps, event, invocation, record};
use headcount_consumer::handler::consume;

const SHARDS: u32 = 2;

/// Records of both shards, which share some events, and what is true of them.
fn records(random: &mut fastrand::Rng) -> (Vec<Vec<Record>>, BTreeSet<(i64, String)>) {
    let mut sources = vec![Vec::new(); SHARDS as usize];
    let mut truth = BTreeSet::new();
    for source in &mut sources {
        for sequence in 1..=12u64 {
            let events: Vec<_> = (0..random.u64(1..5))
                .map(|_| {
                    let id = random.u64(0..60);
                    // The id decides the time, as a producer's retry does.
                    let at = NOON - (id as i64 % 2) * DAY_MS + id as i64;
                    truth.insert((at, format!("e{id}")));
                    event(&format!("e{id}"), &format!("u{}", id % 7), at)
                })
                .collect();
            source.push(record(sequence, &events));
        }
    }
    (sources, truth)
}

async fn storm(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (sources, truth) = records(&mut random);
    let rates = Rates { crash_before: 0.02, crash_after: 0.02, ..Rates::stormy() };
    let store = Faulty::new(MemoryStore::new(), SeededFaults::new(seed, rates));
    let mut next = vec![0; sources.len()];
    let mut process = store.process();
    let mut warm = deps(process.clone());
    let mut invocations = 0;
    while next.iter().zip(&sources).any(|(next, source)| *next < source.len()) {
        invocations += 1;
        assert!(invocations < 2_000, "seed {seed}: it does not come to an end");
        let shard = random.usize(0..sources.len());
        let source = &sources[shard];
        let end = (next[shard] + random.usize(1..5)).min(source.len());
        let batch = &source[next[shard]..end];
        let deadline = Instant::now() + Duration::from_secs(random.u64(6..60));
        let handled = process.until_crash(consume(&warm, invocation(shard as u32, batch), deadline)).await;
        match handled {
            Ok(Ok(outcome)) => {
                let failed = outcome.failed_from.map(|sequence| sequence.as_str().parse::<usize>().unwrap() - 1);
                next[shard] = failed.unwrap_or(end);
            }
            Ok(Err(_)) => {}
            Err(_) => {
                process = store.process();
                warm = deps(process.clone());
            }
        }
    }
    let store = store.inner();
    let stored: BTreeSet<_> =
        store.all_events().into_iter().map(|row| (row.event.timestamp_ms, row.event.id.into_owned())).collect();
    assert_eq!(stored, truth, "seed {seed}: what is stored");
    let mut by_day: BTreeMap<_, u64> = BTreeMap::new();
    for row in store.all_events() {
        *by_day.entry(row.date).or_default() += 1;
    }
    let mut counted: BTreeMap<_, u64> = BTreeMap::new();
    for partial in store.all_partials() {
        let partial = Partial::decode(&partial).unwrap();
        *counted.entry(partial.date).or_default() += partial.counters.events;
        // Without records behind their fence nothing is missed: what is dirty is so without need, and counts right.
    }
    counted.retain(|_, count| *count > 0);
    assert_eq!(counted, by_day, "seed {seed}: what is counted");
    let users: BTreeSet<_> = store.all_profiles().into_iter().map(|user| user.user_id).collect();
    let expected: BTreeSet<_> = store.all_events().into_iter().map(|row| row.event.user_id.into_owned()).collect();
    assert_eq!(users, expected, "seed {seed}: users");
    for profile in store.all_profiles() {
        let first =
            store.all_events().into_iter().filter(|row| row.event.user_id == profile.user_id).map(|row| row.date).min();
        assert_eq!(Some(profile.date), first, "seed {seed}: a first day");
        assert!(profile.date <= day(0));
    }
}

#[test]
fn in_every_storm_each_event_counts_once() {
    for seed in 0..150 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(storm(seed));
    }
}
