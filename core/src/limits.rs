//! Every bound of the domain, named, with its unit and its source.

/// Events in one record, after decompression. More than this and the whole record is rejected.
pub const MAX_EVENTS_PER_RECORD: usize = 10_000;

/// Bytes of one record after decompression (4 MiB): what a decompression bomb may cost.
pub const MAX_RECORD_BYTES: usize = 4 << 20;

/// Rejected events of one record that are kept as items of their own; the rest are counted in one further item.
pub const MAX_REJECTED_ITEMS_PER_RECORD: usize = 100;

/// Bytes of a rejected payload that are kept.
pub const MAX_REJECTED_PAYLOAD_BYTES: usize = 8 << 10;

/// Problems that are listed for one rejected event.
pub const MAX_PROBLEMS_PER_EVENT: usize = 50;

/// Bytes of an `eventId`.
pub const MAX_EVENT_ID_BYTES: usize = 128;

/// Bytes of a `userId`, `sessionId` or `accountId`; users become parts of DynamoDB keys.
pub const MAX_IDENTITY_BYTES: usize = 256;

/// Event types that a deployment may configure beside the five built-in ones.
pub const MAX_CUSTOM_EVENT_TYPES: usize = 50;

/// Bytes of a configured event type's name.
pub const MAX_EVENT_TYPE_BYTES: usize = 64;

/// Characters that a sanitized string keeps.
pub const MAX_STRING_CHARS: usize = 1_000;

/// Items that a sanitized array keeps.
pub const MAX_ARRAY_ITEMS: usize = 100;

/// Fields of one object inside `eventData` or `metadata`, and of these two themselves.
pub const MAX_OBJECT_FIELDS: usize = 200;

/// Bytes of one field name. DynamoDB allows 64 KiB, and no empty name.
pub const MAX_FIELD_NAME_BYTES: usize = 255;

/// Levels of nesting inside `eventData` and `metadata`, these two included. DynamoDB stores at most 32 levels, and
/// the item's `Data` map is one of them.
pub const MAX_NESTING: usize = 20;

/// Bytes of a sanitized event as compact JSON. A DynamoDB item holds 400 KB; numbers and nesting cost it more than
/// they cost JSON, never as much as four times.
pub const MAX_EVENT_BYTES: usize = 64 << 10;

/// Largest magnitude of a number that DynamoDB stores.
pub const MAX_NUMBER_MAGNITUDE: f64 = 9.99e125;

/// Smallest magnitude above zero of a number that DynamoDB stores.
pub const MIN_NUMBER_MAGNITUDE: f64 = 1e-130;

/// US dollars that one `ai_request` may cost.
pub const MAX_COST_USD: f64 = 1_000_000.0;

/// Bytes of the name of a price table in an event.
pub const MAX_PRICED_BY_BYTES: usize = 64;

/// Bytes of a price table: ten times the one that `LiteLLM` publishes.
pub const MAX_PRICE_TABLE_BYTES: usize = 16 << 20;

/// Tokens that one `ai_request` may state in one field.
pub const MAX_TOKENS: u64 = 1_000_000_000;

/// Nano-dollars that a budget may allow a month: a billion dollars.
pub const MAX_BUDGET_NANOS: u64 = 1_000_000_000 * 1_000_000_000;

/// Budgets of a deployment. All of them are read by every hourly run.
pub const MAX_BUDGETS: usize = 200;

/// Names that one counter map keeps apart; beyond, counts go to [`crate::counters::OTHER`].
pub const MAX_COUNTER_NAMES: usize = 100;

/// Bytes of a name in a counter map; longer ones are cut on a character boundary.
pub const MAX_COUNTER_NAME_BYTES: usize = 100;

/// Milliseconds before its arrival that an event may lie, unless configured otherwise: 7 days.
pub const DEFAULT_LATENESS_MS: i64 = 7 * DAY_MS;

/// Milliseconds after its arrival that an event may lie: clocks of producers are not exact.
pub const MAX_EARLINESS_MS: i64 = 15 * 60 * 1_000;

/// Milliseconds of a day of 24 hours.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Sessions that a day's sample keeps. Their mean duration has a relative standard error of 1.3 % on an ordinary day of
/// 25,000 sessions; the sample takes about 40 KB of a partial.
pub const SESSION_SAMPLE_SIZE: usize = 4_096;

/// Precision of a new deployment's user sketches (2^16 registers, standard error 0.41 %).
pub const DEFAULT_SKETCH_PRECISION: u8 = 16;

/// Precision of the sketches of active accounts (2^12 registers, standard error 1.6 %, at most 3 KB of a partial). Accounts are
/// far fewer than users, and few of them are counted exactly.
pub const ACCOUNT_SKETCH_PRECISION: u8 = 12;

/// Days that an event's item lives, counted from the end of its day.
pub const EVENT_TTL_DAYS: i64 = 90;

/// Days that a rejected item lives, counted from the end of its arrival day.
pub const REJECTED_TTL_DAYS: i64 = 30;

/// Days that a partial lives, counted from the end of its day. Longer than the events it was made of.
pub const PARTIAL_TTL_DAYS: i64 = 120;

/// Days that the log keeps an entry, unless configured otherwise (`EventRetentionDays`).
pub const DEFAULT_LOG_RETENTION_DAYS: u32 = 90;
