//! After the append: the table is brought up to date, as far as the invocation's time allows. **The answer never waits for
//! the table**, and does not depend on it.

use std::sync::Arc;

use headcount_core::deployment::Deployment;
use headcount_core::origin::Source;
use headcount_follow::figures::Write;
use headcount_follow::{Appended, Backlog, FollowError, Followed, Setup, Table};
use headcount_runtime::telemetry;
use headcount_store::error::StoreError;
use headcount_store::meta::{OpenError, bind};
use headcount_store::traits::FollowStore;
use parking_lot::Mutex;
use tokio::time::{Duration, Instant, timeout_at};

use crate::deps::Deps;
use crate::tail::Tail;

/// How long figures may be followed in one invocation.
pub const FIGURES_TIME: Duration = Duration::from_secs(20);

/// How long items may be followed in one invocation.
pub const ITEMS_TIME: Duration = Duration::from_secs(10);

/// How long both together may be followed while the stream is behind: appending comes first.
pub const HURRIED_TIME: Duration = Duration::from_secs(1);

/// How old the newest record of a batch may be before the stream counts as behind.
pub const BEHIND_AFTER: Duration = Duration::from_secs(30);

/// How long a table that did not answer is tried in one invocation, until it answers again.
pub const PROBE_TIME: Duration = Duration::from_millis(250);

/// What is kept free of an invocation's time for its answer.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);

/// The table as this process knows it.
#[derive(Debug, Default)]
pub struct TableState(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    table: Option<Arc<Table>>,
    is_failing: bool,
    is_short: bool,
}

impl TableState {
    /// Whether the last request failed, other than for want of write units.
    pub fn is_failing(&self) -> bool {
        self.0.lock().is_failing
    }

    /// Whether the table did not take all items when it was given some last. Figures need few units: they do not give up
    /// their time for that.
    fn is_short(&self) -> bool {
        self.0.lock().is_short
    }

    fn note_items(&self, is_short: bool) {
        self.0.lock().is_short = is_short;
    }

    fn table(&self) -> Option<Arc<Table>> {
        self.0.lock().table.clone()
    }

    fn note(&self, is_failing: bool) {
        self.0.lock().is_failing = is_failing;
    }

    fn forget(&self) {
        *self.0.lock() = State::default();
    }

    fn set(&self, table: Arc<Table>) {
        *self.0.lock() = State { table: Some(table), ..State::default() };
    }
}

/// Until when each follower may work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowTime {
    /// The follower of figures.
    pub figures: Instant,
    /// The follower of items, which comes second.
    pub items: Instant,
}

impl FollowTime {
    /// The times of an invocation that is killed at `deadline` and whose newest record is `age` old.
    pub fn of(deadline: Instant, age: Duration) -> Self {
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        let end = deadline.checked_sub(ANSWER_MARGIN.min(left / 10)).unwrap_or(deadline);
        if age > BEHIND_AFTER {
            let end = end.min(now + HURRIED_TIME);
            return Self { figures: now + (end - now) / 2, items: end };
        }
        let figures = end.min(now + FIGURES_TIME);
        Self { figures, items: end.min(figures + ITEMS_TIME) }
    }
}

/// The table did not answer in the time that it has.
pub(crate) fn no_answer() -> StoreError {
    StoreError::Unknown { detail: "no answer from the table in the time that it has".to_owned() }
}

impl<S: FollowStore> Deps<S> {
    /// The table, bound to the log's deployment. After a failure it is only probed until it answers again.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub async fn table(&self, deployment: &Deployment, deadline: Instant) -> Result<Arc<Table>, OpenError> {
        if let Some(table) = self.table.table() {
            return Ok(table);
        }
        let until = if self.table.is_failing() { deadline.min(Instant::now() + PROBE_TIME) } else { deadline };
        // A request that hangs must not hold up the append.
        let bound = timeout_at(until, bind(&self.store, deployment, self.draw_table_id(), &self.jitter, until));
        match bound.await.unwrap_or_else(|_| Err(no_answer().into())) {
            Ok(id) => {
                let table = Arc::new(Table { deployment: deployment.clone(), id });
                self.table.set(table.clone());
                Ok(table)
            }
            Err(error) => {
                self.table.note(true);
                Err(error)
            }
        }
    }

    /// Follows the log of `source` from `fresh` on. What fails is logged and left to the next run of any follower.
    pub(crate) async fn follow(
        &self,
        table: &Table,
        source: &Source,
        fresh: &[Appended<'_>],
        tail: &Tail,
        time: FollowTime,
    ) {
        let setup = Setup { log: &self.log, store: &self.store, table, clock: &self.clock, jitter: &self.jitter };
        let began = Instant::now();
        let probe =
            |until: Instant| if self.table.is_failing() { until.min(Instant::now() + PROBE_TIME) } else { until };
        let tail = Some(tail.entry);
        let until = probe(time.figures);
        let figures = self.figures.follow(setup, source, fresh, tail, Write::WhenDue, until).await;
        self.note(source, "figures", figures);
        let until = if self.table.is_short() { time.items.min(Instant::now() + PROBE_TIME) } else { probe(time.items) };
        let items = self.items.follow(setup, source, fresh, tail, Backlog::Leave, until).await;
        let is_short = items.as_ref().is_err_and(FollowError::is_of_table);
        self.note(source, "items", items);
        self.table.note_items(is_short);
        metrics::histogram!(telemetry::FOLLOW_TIME).record(began.elapsed().as_secs_f64() * 1_000.0);
    }

    fn note(&self, source: &Source, follower: &'static str, followed: Result<Followed, FollowError>) {
        match followed {
            Ok(followed) => {
                self.table.note(false);
                if followed.is_behind {
                    tracing::info!(%source, follower, entry = followed.entry, "entries wait to be followed");
                }
            }
            Err(error) => {
                tracing::warn!(%source, follower, %error, "a follower stopped; the next run goes on from where it was");
                metrics::counter!(telemetry::FAILED_FOLLOWS).increment(1);
                match error {
                    FollowError::OtherTable => self.table.forget(),
                    FollowError::Store(StoreError::Throttled { .. }) => self.table.note(false),
                    error => self.table.note(error.is_of_table()),
                }
            }
        }
    }
}
