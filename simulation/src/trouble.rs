//! Trouble that comes from outside: outages, entries that expire or are damaged.

use std::sync::Arc;

use bytes::Bytes;
use headcount_core::keys::Follower;
use headcount_core::origin::Source;
use headcount_log::Log;
use headcount_runtime::retry::Jitter;
use headcount_testkit::memory::PartialPart;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use tokio::time::{Duration, Instant, sleep};

use crate::chance;
use crate::scenario::Cause;
use crate::tally::Kind;
use crate::time::{HOUR_MS, MINUTE_MS};
use crate::world::{Gone, World};

/// Takes the table away now and then.
pub(crate) async fn table_outages(world: Arc<World>) {
    let mut random = chance(world.scenario.seed, "outage", 0);
    if !world.scenario.has(Cause::Outage) {
        return;
    }
    for _ in 0..random.u8(0..4) {
        let at_ms = world.params.began_ms + random.i64(0..world.params.span_ms);
        world.time.until(at_ms).await;
        let longest = if random.bool() { 3 * HOUR_MS } else { 20 * MINUTE_MS };
        let until_ms = world.time.now_ms() + random.i64(MINUTE_MS..longest);
        world.tell(format_args!("the table is away until {until_ms}"));
        world.weather.table_is_out_until(until_ms);
    }
}

/// Takes the bucket away now and then.
pub(crate) async fn bucket_outages(world: Arc<World>) {
    let mut random = chance(world.scenario.seed, "silence", 0);
    if !world.scenario.has(Cause::Silence) {
        return;
    }
    for _ in 0..random.u8(0..6) {
        let at_ms = world.params.began_ms + random.i64(0..world.params.span_ms);
        world.time.until(at_ms).await;
        let until_ms = world.time.now_ms() + random.i64(MINUTE_MS..HOUR_MS);
        world.tell(format_args!("the bucket is away until {until_ms}"));
        world.weather.bucket_is_out_until(until_ms);
    }
}

/// The times at which something happens, in order.
fn times(world: &World, random: &mut fastrand::Rng, most: usize) -> Vec<i64> {
    let mut times: Vec<i64> = (0..random.usize(1..=most)).map(|_| random.i64(0..world.params.span_ms)).collect();
    times.sort_unstable();
    times.into_iter().map(|at_ms| world.params.began_ms + at_ms).collect()
}

/// The bucket without any fault.
pub(crate) fn log(world: &World) -> Log {
    Log::new(Arc::clone(world.bucket.inner()), Jitter::from_seed(0))
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

/// Where an entry lies.
pub(crate) fn path(source: &Source, entry: u64) -> Path {
    Path::from(format!("log/{source}/{entry:012}.ndjson.zst"))
}

pub(crate) async fn bytes_of(world: &World, path: &Path) -> Option<Bytes> {
    world.bucket.inner().get(path).await.ok()?.bytes().await.ok()
}

/// How old an entry is when it may expire: older than any process, and than any request on its way.
const EXPIRY_MS: i64 = 8 * HOUR_MS;

/// Lets entries expire that both followers are through with and that the head of their source covers.
pub(crate) async fn expire(world: Arc<World>) {
    let mut random = chance(world.scenario.seed, "expiry", 0);
    if !world.scenario.has(Cause::Expiry) || !world.params.has_expiry {
        return;
    }
    for at_ms in times(&world, &mut random, 6) {
        world.time.until(at_ms).await;
        let kept = if random.bool() { 0 } else { random.u64(0..4) };
        let mut covered = Vec::new();
        for source in log(&world).sources(soon()).await.unwrap_or_default() {
            let up_to = covered_up_to(&world, &source).await;
            covered.push((source, up_to));
        }
        // By then no head that was read before is on its way any more.
        sleep(Duration::from_hours(1)).await;
        for (source, up_to) in covered {
            let up_to = up_to.min(covered_up_to(&world, &source).await);
            expire_source(&world, &source, up_to.saturating_sub(kept)).await;
        }
    }
}

/// The last entry that both followers are through with and that the head covers.
async fn covered_up_to(world: &World, source: &Source) -> u64 {
    let head = log(world).head(source, soon()).await.ok().flatten().map_or(0, |head| head.entry);
    let checkpoints = world.table().store.all_checkpoints();
    let followed = Follower::ALL.map(|follower| {
        let row = checkpoints.iter().find(|row| row.follower == follower && row.source == *source);
        row.map_or(0, |row| row.checkpoint.entry)
    });
    followed.into_iter().fold(head, u64::min)
}

/// Expires the entries of a source up to a number that are old enough.
async fn expire_source(world: &World, source: &Source, up_to: u64) {
    let log = log(world);
    let listed = log.list_after(source, 0, 1_000, soon()).await.unwrap_or_default();
    for entry in listed.iter().map(|listed| listed.entry).filter(|entry| *entry <= up_to) {
        let appended_ms = log.read_header(source, entry, soon()).await.map_or(0, |header| header.facts.appended_ms);
        let path = path(source, entry);
        let Some(bytes) = bytes_of(world, &path).await else { continue };
        let is_old = world.time.now_ms() - appended_ms > EXPIRY_MS;
        if is_old && world.bucket.inner().delete(&path).await.is_ok() {
            world.count(Kind::ExpiredEntry, 1);
            world.tell(format_args!("entry {entry} of {source} expires"));
            world.lost_entry(source, entry, Gone { bytes, is_expired: true, table: world.table().number });
        }
    }
}

/// How long after its append no put of an entry is under way any more, milliseconds.
const SETTLED_MS: i64 = 15 * MINUTE_MS;

/// Damages entries now and then.
pub(crate) async fn damage(world: Arc<World>) {
    let mut random = chance(world.scenario.seed, "damage", 0);
    if !world.scenario.has(Cause::Damage) || !world.params.has_damage {
        return;
    }
    for at_ms in times(&world, &mut random, 60) {
        world.time.until(at_ms).await;
        // What is damaged in the table is told anew by the log, where that is whole.
        if world.params.has_damaged_table {
            damage_table(&world, &mut random);
            continue;
        }
        let sources = log(&world).sources(soon()).await.unwrap_or_default();
        if let Some(source) = random.choice(&sources) {
            damage_one(&world, source, &mut random).await;
        }
    }
}

fn damage_table(world: &World, random: &mut fastrand::Rng) {
    let store = world.table().store;
    if random.bool() {
        let dailies = store.all_dailies();
        if let Some(daily) = random.choice(&dailies)
            && store.damage_sketches(daily.date)
        {
            world.count(Kind::DamagedDay, 1);
            world.tell(format_args!("the merged sketch of {} is damaged", daily.date));
        }
        return;
    }
    let partials = store.all_partials();
    let Some(partial) = random.choice(&partials) else { return };
    let parts = [PartialPart::Counters, PartialPart::Users, PartialPart::Sessions, PartialPart::Checksum];
    let part = parts[random.usize(..parts.len())];
    if store.damage_partial(partial.date, &partial.source, part) {
        world.damaged_partial(partial.date, &partial.source, partial.version);
        world.count(Kind::DamagedPartial, 1);
        world.tell(format_args!("{part:?} of {} {} are damaged", partial.date, partial.source));
    }
}

async fn damage_one(world: &World, source: &Source, random: &mut fastrand::Rng) {
    let mut listed = log(world).list_after(source, 0, 1_000, soon()).await.unwrap_or_default();
    let newest = listed.last().map(|newest| newest.entry);
    let gone = world.gone();
    listed.retain(|listed| !gone.contains_key(&(source.clone(), listed.entry)));
    let Some(listed_one) = random.choice(&listed).copied() else { return };
    let entry = listed_one.entry;
    let is_newest = newest == Some(entry);
    let path = path(source, entry);
    let Some(bytes) = bytes_of(world, &path).await else { return };
    // A put that is still under way would make a missing object again, with what nobody committed.
    let appended_ms =
        log(world).read_header(source, entry, soon()).await.map_or(i64::MAX, |header| header.facts.appended_ms);
    let is_settled = world.time.now_ms().saturating_sub(appended_ms) > SETTLED_MS;
    let inner: &dyn ObjectStore = &**world.bucket.inner();
    let put = async |bytes: Vec<u8>| inner.put(&path, PutPayload::from(bytes)).await.is_ok();
    let (kind, is_done) = match random.u8(0..6) {
        // The newest one is what tells where the log ends: nobody can tell that one is missing behind it.
        0..3 if !is_newest && is_settled => (Kind::MissingEntry, inner.delete(&path).await.is_ok()),
        0..4 => (Kind::TruncatedEntry, put(bytes[..random.usize(0..bytes.len())].to_vec()).await),
        _ => {
            let mut altered = bytes.to_vec();
            altered[random.usize(0..bytes.len())] ^= 1 << random.u8(0..8);
            (Kind::FlippedEntry, put(altered).await)
        }
    };
    if is_done {
        world.count(kind, 1);
        world.tell(format_args!("entry {entry} of {source} is damaged: {}", kind.words()));
        world.lost_entry(source, entry, Gone { bytes, is_expired: false, table: world.table().number });
    }
}
