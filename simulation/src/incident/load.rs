//! A steady load: each second a record with a few events arrives at every shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinHandle;

use crate::chance;
use crate::producers::json_of;
use crate::stream::source;
use crate::truth::{Content, Said, What};
use crate::world::World;

/// Users who come and go, each with a session: as many as make partials too large to be written with every entry, and no more
/// sessions than a day's sample holds, so that the figures are exact.
const USERS: u32 = 900;

/// Of so many users one stays anonymous.
const ANONYMOUS_OF: u32 = 10;

const SECOND_MS: i64 = 1_000;

/// The producers.
#[derive(Debug, Default)]
pub(super) struct Load {
    is_over: AtomicBool,
    events: AtomicU64,
}

impl Load {
    /// Events that the stream took so far.
    pub(super) fn events(&self) -> u64 {
        self.events.load(Ordering::SeqCst)
    }

    /// No more records from now on.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Puts a record of so many events onto every shard each second, until the end.
    pub(super) fn begin(self: &Arc<Self>, world: &Arc<World>, events_per_record: u32) -> Vec<JoinHandle<()>> {
        let one = |shard| {
            let (load, world) = (Arc::clone(self), Arc::clone(world));
            tokio::spawn(async move { load.onto(&world, shard, events_per_record).await })
        };
        (0..world.params.shards).map(one).collect()
    }

    async fn onto(&self, world: &World, shard: usize, events_per_record: u32) {
        let mut random = chance(world.scenario.seed, "load", shard as u64);
        for second in 0.. {
            world.time.until(world.params.began_ms + second * SECOND_MS + random.i64(0..SECOND_MS)).await;
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let now_ms = world.time.now_ms();
            let one = |index| said(now_ms, format!("e-{shard}-{second}-{index}"), &mut random);
            let events: Vec<Said> = (0..events_per_record).map(one).collect();
            let lines: Vec<String> = events.iter().map(|said| json_of(said).to_string()).collect();
            let record = world.stream.put(shard, now_ms, lines.join("\n").into_bytes(), &mut random);
            world.took(&source(shard), &record, &Content::Events(events));
            self.events.fetch_add(u64::from(events_per_record), Ordering::SeqCst);
        }
    }
}

fn said(now_ms: i64, id: String, random: &mut fastrand::Rng) -> Said {
    let user = random.u32(..USERS);
    let what = match random.u8(0..5) {
        0 => What::Feature(format!("feature-{}", random.u8(0..20))),
        1 => What::Content(format!("content-{}", random.u8(0..5))),
        2 => What::Error(format!("error-{}", random.u8(0..5))),
        _ => What::PageView,
    };
    Said {
        id: Some(id),
        timestamp_ms: Some(now_ms - random.i64(0..2 * SECOND_MS)),
        user: (!user.is_multiple_of(ANONYMOUS_OF)).then(|| format!("user-{user}")),
        session: Some(format!("session-{user}")),
        account: None,
        what,
        platform: ["web", "ios", "android"][random.usize(0..3)],
        breaks_a_rule: false,
    }
}
