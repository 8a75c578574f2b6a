//! What was seen of a deployment. A bound of -1 in Lambda's words is none, as is one that is not told.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use headcount_consumer::config::EVENTS_TABLE;

/// All of it, each as far as it could be seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) stream: Stream,
    /// The table of the events.
    pub(crate) table: String,
    /// Mappings of the stream to functions; `None` where there is no Lambda to ask, as on one machine.
    pub(crate) mappings: Option<Vec<Mapping>>,
    /// The aggregator, where it is known which function it is.
    pub(crate) aggregator: Option<Function>,
    /// The prover, where it is known which function it is.
    pub(crate) prover: Prover,
    pub(crate) load: Option<Load>,
    /// Days that the deployment's log keeps an entry, as it was made; none where nothing was counted yet.
    pub(crate) log_days: Option<u32>,
    /// What yesterday's and today's events tell of users.
    pub(crate) days: Vec<DayEvents>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) retention_hours: i64,
    pub(crate) is_on_demand: bool,
    pub(crate) open_shards: i64,
    pub(crate) is_encrypted: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Mapping {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) parallelization: i64,
    pub(crate) max_retries: Option<i64>,
    pub(crate) max_age_s: Option<i64>,
    /// The failure destination's ARN.
    pub(crate) destination: Option<String>,
    pub(crate) reports_failures: bool,
    pub(crate) bisects: bool,
    pub(crate) batch_size: i64,
    pub(crate) window_s: i64,
    pub(crate) function: Function,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) timeout_s: i64,
    pub(crate) variables: BTreeMap<String, String>,
}

/// What proves days.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Prover {
    /// Nothing tells, as without a stack.
    #[default]
    Unknown,
    /// The stack has none, or no schedule that starts it: its `what` names what is missing.
    Missing(&'static str),
    /// This function, by a schedule.
    Scheduled(Function),
}

/// The busiest hour of the last days, as the daily figures have it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    /// Events a second, on average over that hour.
    pub(crate) peak_rate: f64,
}

/// A day's events, as its figures have them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DayEvents {
    pub(crate) date: NaiveDate,
    pub(crate) events: u64,
    /// Those that count for no user.
    pub(crate) without_user: u64,
}

impl Seen {
    /// Whether the function writes to the table that is looked at.
    pub(crate) fn writes(&self, function: &Function) -> bool {
        function.variable(EVENTS_TABLE) == Some(&*self.table)
    }
}

impl Function {
    /// A variable that is set to something.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}
