//! What goes into the table and comes back: one struct for each kind of item.

use chrono::NaiveDate;
use headcount_core::budget::{Budget, BudgetScope, Month};
use headcount_core::event::{Event, Object};
use headcount_core::exact::ProvenSource;
use headcount_core::keys::{self, Follower, ItemKey};
use headcount_core::origin::{Origin, SequenceNumber, Source};
use headcount_core::rejection::Rejection;

/// An event with what its item carries besides. Equal entries of the log make equal items: the times come from the entry.
#[derive(Clone, Debug, PartialEq)]
pub struct EventItem<'a> {
    /// The event.
    pub event: Event<'a>,
    /// The date it belongs to.
    pub date: NaiveDate,
    /// `CreatedAt` and `UpdatedAt`: when its entry was appended, milliseconds since the epoch.
    pub created_ms: i64,
    /// `TTL`, seconds since the epoch.
    pub expires_s: i64,
    /// Whether the user's index lists it.
    pub is_indexed: bool,
}

impl EventItem<'_> {
    /// The item's key.
    pub fn key(&self) -> ItemKey {
        keys::event(self.date, self.event.timestamp_ms, &self.event.id)
    }
}

/// What a look-up of one key found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// It is there.
    Found(T),
    /// It is certainly not there.
    Absent,
    /// The request did not get to this key: unknown, not absent.
    Unprocessed,
}

/// A rejected occurrence with what its item carries besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedItem {
    /// Reasons, payload, count.
    pub rejection: Rejection,
    /// Where it came from.
    pub origin: Origin,
    /// The day of its arrival.
    pub arrival_date: NaiveDate,
    /// When it arrived, milliseconds since the epoch.
    pub arrived_ms: i64,
    /// `TTL`, seconds since the epoch.
    pub expires_s: i64,
}

impl RejectedItem {
    /// The item's key.
    pub fn key(&self) -> ItemKey {
        keys::rejected(self.arrival_date, self.arrived_ms, &self.origin)
    }
}

/// How far a follower has brought the table up to date with one source's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last entry that it followed.
    pub entry: u64,
    /// The newest sequence number that this entry covers.
    pub last: SequenceNumber,
}

/// A checkpoint as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRow {
    /// Whose.
    pub follower: Follower,
    /// Of which source.
    pub source: Source,
    /// How far.
    pub checkpoint: Checkpoint,
    /// Whether the source is marked as finished with this entry.
    pub is_finished: bool,
}

/// A user's first day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstDay {
    /// The user.
    pub user_id: String,
    /// The earliest date with an event of this user.
    pub date: NaiveDate,
    /// When the earliest known event of that date happened, milliseconds since the epoch.
    pub seen_ms: i64,
}

/// What became of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// Written.
    Written,
    /// What is there forbids it: newer, earlier, or another version.
    Refused,
}

/// Where to go on reading: the key attributes after which the next page begins, as the service gave them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Vec<(String, String)>);

/// One page of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What the page holds.
    pub items: Vec<T>,
    /// Where the next page begins; `None` where this is the last.
    pub next: Option<Cursor>,
}

/// A date's metrics as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct DailyRow {
    /// The date.
    pub date: NaiveDate,
    /// The `Data` map.
    pub data: Object,
    /// What it was made of.
    pub made_of: MadeOf,
    /// `CreatedAt`, milliseconds since the epoch.
    pub created_ms: i64,
    /// `UpdatedAt`, milliseconds since the epoch.
    pub updated_ms: i64,
}

/// What a day's figures were made of, in the order in which it is compared: what is larger is newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MadeOf {
    /// The sum of the entries up to which the day's own partials are folded.
    pub day: u64,
    /// The number of the day's proof; 0 where there is none.
    pub proof: u64,
    /// The sum of the `day` sums of the 30 days that end with this one, whose sketches its monthly figure unites.
    pub month: u64,
}

/// A date's merged sketches as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SketchesRow {
    /// The date.
    pub date: NaiveDate,
    /// The user sketch's bytes.
    pub users: Vec<u8>,
    /// The session sample's bytes.
    pub sessions: Vec<u8>,
    /// The account sketch's bytes.
    pub accounts: Vec<u8>,
    /// The bytes of how long requests to language models took.
    pub latencies: Vec<u8>,
    /// The sum of the entries up to which the day's partials are folded.
    pub made_of_day: u64,
    /// `UpdatedAt`, milliseconds since the epoch.
    pub updated_ms: i64,
}

/// One source of a proof as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvenSourceRow {
    /// The date that is proven.
    pub date: NaiveDate,
    /// The proof's number.
    pub number: u64,
    /// The source.
    pub source: Source,
    /// How far it is counted.
    pub proven: ProvenSource,
    /// `TTL`, seconds since the epoch.
    pub expires_s: i64,
}

impl ProvenSourceRow {
    /// The item's key.
    pub fn key(&self) -> ItemKey {
        keys::proven_source(self.date, self.number, &self.source)
    }
}

/// A date's number of new users as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotalRow {
    /// The date.
    pub date: NaiveDate,
    /// New users of that date.
    pub new_users: u64,
    /// What the date's figures were made of when this was counted.
    pub made_of: MadeOf,
}

/// A budget as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetRow {
    /// The budget.
    pub budget: Budget,
    /// When it was set, milliseconds since the epoch.
    pub updated_ms: i64,
}

/// The alarm of a budget in a month, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmRow {
    /// The month.
    pub month: Month,
    /// The budget's scope.
    pub scope: BudgetScope,
    /// The amount that was reached, nano-dollars.
    pub amount_nanos: u64,
    /// A number that the run drew which raises it: the same one may claim it again.
    pub claim: u64,
    /// When it was claimed, milliseconds since the epoch.
    pub claimed_ms: i64,
    /// When it was raised for certain, milliseconds since the epoch; none where that run has not said so, or died.
    pub raised_ms: Option<i64>,
}

/// An item of the partition of budgets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BudgetItem {
    /// A budget.
    Budget(BudgetRow),
    /// An alarm.
    Alarm(AlarmRow),
}
