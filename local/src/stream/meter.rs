//! What the stream has accepted and nobody has counted: how many events, since when, and how many more may come.

use std::collections::BTreeMap;
use std::time::Duration;

use headcount_core::origin::SequenceNumber;
use headcount_core::record::OpenedRecord;
use headcount_doors::{Load, Waiting};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::journal::{Backlog, BacklogLane};

/// Events that are counted in a second, until something else was seen.
const FIRST_PACE: f64 = 5_000.0;

/// As many seconds as that weighs.
const FIRST_SECONDS: f64 = 10.0;

/// What was seen weighs half after this time.
const HALF_LIFE_S: f64 = 30.0;

/// Only where events have waited this long does counting go as fast as it can.
const BUSY_AFTER_MS: i64 = 5_000;

/// Events that may always wait, however slow counting is at the moment.
const MIN_WAITING: u64 = 20_000;

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uncounted {
    /// Events that were accepted in all, those of an earlier run that were left included.
    pub(crate) accepted: u64,
    /// Those that are not in the event log yet.
    pub(crate) waiting: u64,
    /// When the oldest of these came, milliseconds since the epoch.
    pub(crate) oldest_ms: Option<i64>,
}

/// Events of one put onto one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) events: u64,
    pub(super) arrived_ms: i64,
}

/// The meter of one stream.
#[derive(Debug)]
pub(crate) struct Meter {
    /// How long counting what waits may take; nothing is refused where it is zero.
    within: Duration,
    clients: Waiting<String>,
    /// The last sequence number of each shard that an earlier run left.
    earlier: BTreeMap<String, String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// By the last sequence number of each put.
    shards: BTreeMap<String, BTreeMap<SequenceNumber, Put>>,
    accepted: u64,
    waiting: u64,
    /// Events and seconds while counting was busy.
    pace: (f64, f64),
    looked: Instant,
}

impl Meter {
    pub(super) fn new(within: Duration, backlog: &Backlog, now_ms: i64) -> Self {
        let pace = (FIRST_PACE * FIRST_SECONDS, FIRST_SECONDS);
        let shards = BTreeMap::new();
        let state = State { shards, accepted: 0, waiting: 0, pace, looked: Instant::now() };
        let last = |lane: &BacklogLane| Some((lane.shard.clone(), lane.records.last()?.sequence.to_string()));
        let earlier = backlog.lanes.iter().filter_map(last).collect();
        let meter = Self { within, clients: Waiting::default(), earlier, state: Mutex::new(state) };
        for lane in &backlog.lanes {
            for record in &lane.records {
                let events = OpenedRecord::open(&record.data).events();
                // How long the process was away is no fault of counting.
                meter.accept(&lane.shard, record.sequence.clone(), Put { events, arrived_ms: now_ms });
            }
        }
        meter
    }

    /// Whether so many events of a client may come.
    pub(super) fn admit(&self, client: &str, events: u64, now_ms: i64) -> bool {
        self.within.is_zero() || self.clients.take(client.to_owned(), events, self.load(now_ms), now_ms)
    }

    /// Events were accepted.
    pub(super) fn accept(&self, shard: &str, last: SequenceNumber, put: Put) {
        let mut state = self.state();
        state.accepted += put.events;
        state.waiting += put.events;
        state.shards.entry(shard.to_owned()).or_default().insert(last, put);
    }

    /// Everything up to these sequence numbers is in the event log.
    pub(crate) fn pass(&self, checkpoints: &BTreeMap<String, String>, now_ms: i64) {
        let mut state = self.state();
        let is_busy = state.oldest_ms().is_some_and(|oldest_ms| now_ms - oldest_ms > BUSY_AFTER_MS);
        let mut passed = 0;
        for (shard, checkpoint) in checkpoints {
            let (Some(puts), Ok(checkpoint)) = (state.shards.get_mut(shard), checkpoint.parse::<SequenceNumber>())
            else {
                continue;
            };
            while let Some(put) = puts.first_entry().filter(|put| *put.key() <= checkpoint) {
                passed += put.remove().events;
            }
        }
        state.waiting -= passed;
        let seconds = state.looked.elapsed().as_secs_f64();
        state.looked = Instant::now();
        if is_busy {
            let kept = 0.5_f64.powf(seconds / HALF_LIFE_S);
            state.pace = (state.pace.0 * kept + passed as f64, state.pace.1 * kept + seconds);
        }
    }

    /// All that an earlier run left is in the event log.
    pub(crate) fn pass_earlier(&self, now_ms: i64) {
        self.pass(&self.earlier, now_ms);
    }

    /// What was accepted, and what of it waits.
    pub(crate) fn uncounted(&self) -> Uncounted {
        let state = self.state();
        Uncounted { accepted: state.accepted, waiting: state.waiting, oldest_ms: state.oldest_ms() }
    }

    /// What waits, and what may.
    pub(crate) fn load(&self, now_ms: i64) -> Load {
        let state = self.state();
        let most = if self.within.is_zero() {
            u64::MAX
        } else {
            let in_time = state.pace.0 / state.pace.1 * self.within.as_secs_f64();
            (in_time as u64).max(MIN_WAITING)
        };
        Load { most, waiting: state.waiting, counted_to_ms: state.oldest_ms().unwrap_or(now_ms) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn oldest_ms(&self) -> Option<i64> {
        let first = |puts: &BTreeMap<SequenceNumber, Put>| Some(puts.first_key_value()?.1.arrived_ms);
        self.shards.values().filter_map(first).min()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::stream::journal::Accepted;

    const MINUTE: Duration = Duration::from_mins(1);

    fn meter(within: Duration) -> Meter {
        Meter::new(within, &Backlog::default(), 0)
    }

    fn checkpoint(shard: &str, number: u64) -> BTreeMap<String, String> {
        BTreeMap::from([(shard.to_owned(), number.to_string())])
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_what_was_accepted_and_not_passed() {
        let meter = meter(MINUTE);
        meter.accept("a", 20.into(), Put { events: 5, arrived_ms: 2_000 });
        meter.accept("a", 9.into(), Put { events: 7, arrived_ms: 1_000 });
        meter.accept("b", 10.into(), Put { events: 1, arrived_ms: 3_000 });
        assert_eq!(meter.uncounted(), Uncounted { accepted: 13, waiting: 13, oldest_ms: Some(1_000) });
        meter.pass(&checkpoint("a", 10), 4_000);
        assert_eq!(meter.uncounted(), Uncounted { accepted: 13, waiting: 6, oldest_ms: Some(2_000) });
        assert_eq!((meter.load(5_000).waiting, meter.load(5_000).counted_to_ms), (6, 2_000));
        meter.pass(&checkpoint("a", 20), 4_000);
        meter.pass(&checkpoint("b", 20), 4_000);
        assert_eq!(meter.uncounted(), Uncounted { accepted: 13, waiting: 0, oldest_ms: None });
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_earlier_run_left_waits_until_it_is_passed() {
        let record = |number: u64| Accepted {
            sequence: number.into(),
            arrival_ms: 0,
            partition_key: String::new(),
            data: b"{\"a\":1}\n{\"a\":2}".to_vec(),
        };
        let lane = BacklogLane { arn: String::new(), shard: "a".to_owned(), records: vec![record(3), record(9)] };
        let meter = Meter::new(MINUTE, &Backlog { lanes: vec![lane] }, 7_000);
        meter.accept("a", 20.into(), Put { events: 1, arrived_ms: 8_000 });
        assert_eq!(meter.uncounted(), Uncounted { accepted: 5, waiting: 5, oldest_ms: Some(7_000) });
        meter.pass_earlier(9_000);
        assert_eq!(meter.uncounted(), Uncounted { accepted: 5, waiting: 1, oldest_ms: Some(8_000) });
    }

    #[tokio::test(start_paused = true)]
    async fn as_much_may_wait_as_is_counted_in_time() {
        let meter = meter(MINUTE);
        let first = meter.load(0).most;
        assert_eq!(first, (FIRST_PACE * 60.0) as u64);
        // A trickle says nothing of how fast it could be.
        for second in 1..1_000 {
            meter.accept("a", second.into(), Put { events: 1, arrived_ms: second as i64 * 1_000 });
            advance(Duration::from_secs(1)).await;
            meter.pass(&checkpoint("a", second), second as i64 * 1_000 + 500);
        }
        assert_eq!(meter.load(0).most, first);
        // A thousand a second with more waiting.
        let from = 1_000;
        meter.accept("b", u64::MAX.into(), Put { events: 1, arrived_ms: 0 });
        for second in from..from + 600 {
            meter.accept("a", second.into(), Put { events: 1_000, arrived_ms: 0 });
            advance(Duration::from_secs(1)).await;
            meter.pass(&checkpoint("a", second), 100_000);
        }
        let most = meter.load(0).most;
        assert!((59_000..61_000).contains(&most), "{most}");
        // Nothing at all: the least.
        for _ in 0..10 {
            advance(MINUTE).await;
            meter.pass(&BTreeMap::new(), 200_000);
        }
        assert_eq!(meter.load(0).most, MIN_WAITING);
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_cannot_take_all_of_it() {
        let bounded = meter(MINUTE);
        let most = bounded.load(0).most;
        let mut number = 0;
        let mut fill = |client: &str| {
            let mut taken = 0;
            while bounded.admit(client, 1_000, 5) {
                number += 1;
                taken += 1_000;
                bounded.accept("a", number.into(), Put { events: 1_000, arrived_ms: 5 });
            }
            taken
        };
        assert_eq!((fill("flood"), fill("flood")), (most / 2, 0));
        assert!(fill("quiet") >= most / 4 - 1_000);
        assert!(meter(Duration::ZERO).admit("any", u64::MAX, 0));
    }
}
