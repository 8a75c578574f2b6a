//! A month's bill, line by line.

use headcount_core::limits::DEFAULT_LOG_RETENTION_DAYS;
use serde::Serialize;

use super::prices::Prices;
use super::proofs::{ITEM_UNITS, Proofs};
use super::units::{INDEX_COPY, Load, Partials, Units, item_bytes};

/// Hours of a month, as AWS's own calculator has them.
const MONTH_HOURS: f64 = 730.0;

/// Days of a month.
const MONTH_DAYS: f64 = MONTH_HOURS / 24.0;

const MILLION: f64 = 1e6;
const GB: f64 = 1024.0 * 1024.0 * 1024.0;

/// Bytes that the table's storage adds to each item, and to each copy in an index.
const STORED_OVERHEAD: f64 = 100.0;

/// Days that an event is stored: its 90, half a day until its own day ends, and some until expiry finds it.
const STORED_DAYS: f64 = 92.0;

/// Days of a long retention beyond the first, which is free.
const EXTENDED_DAYS: f64 = 6.0;

/// Open shards of a new stream on demand.
const ON_DEMAND_SOURCES: u32 = 4;

/// The consumer: its memory in GB, seconds of an invocation and of an event in it. Assumed, not measured on AWS.
const CONSUMER_GB: f64 = 0.5;
const INVOCATION_S: f64 = 0.1;
const EVENT_S: f64 = 0.000_15;

/// The aggregator: its memory in GB, seconds of an hourly run, and of the light run of every minute. Assumed.
const AGGREGATOR_GB: f64 = 1.0;
const RUN_S: f64 = 10.0;
const LIGHT_RUN_S: f64 = 0.2;

/// Light runs an hour.
const LIGHT_RUNS: f64 = 60.0;

/// Days that the event log keeps its entries.
const LOGGED_DAYS: f64 = DEFAULT_LOG_RETENTION_DAYS as f64;

/// Bytes of an event in the log, of each byte of its JSON: compressed together with its neighbours. A test measures it on generated
/// events: in batches of 100, and in larger ones.
pub(crate) const COMPRESSED_SMALL: f64 = 0.15;
pub(crate) const COMPRESSED_LARGE: f64 = 0.13;

/// Events of a batch from which on it compresses as a large one does.
pub(crate) const LARGE_BATCH: f64 = 1_000.0;

/// Bytes logged for an invocation: its line, its metrics, and what Lambda itself writes. Assumed.
const LOGGED: f64 = 2_000.0;

/// Metrics of the deployment: ours, those of rejected events apart by some reasons, and the six counts of the mapping
/// (`EventCount`), which are billed as custom ones. They cost by the hours in which they are sent.
const METRICS: f64 = 26.0;

/// Alarms; one over an expression costs as many as it has metrics.
const ALARMS: f64 = 26.0;

/// The share of provisioned capacity that is used at the peak.
const UTILIZATION: f64 = 0.7;

/// How the stream is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Capacity {
    /// By the hour, for what is reserved.
    Provisioned,
    /// By use.
    OnDemand,
}

/// One line of the bill.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    pub(crate) service: &'static str,
    pub(crate) what: &'static str,
    pub(crate) amount: f64,
    pub(crate) unit: &'static str,
    pub(crate) price: f64,
    pub(crate) monthly: f64,
}

/// A month of one load, stream and table each paid in one way.
#[derive(Clone, Debug)]
pub(crate) struct Estimate {
    pub(crate) sources: u32,
    pub(crate) units: Units,
    pub(crate) partials: Partials,
    pub(crate) proofs: Proofs,
    pub(crate) lines: Vec<Line>,
}

impl Estimate {
    /// Of this load, at these prices.
    pub(crate) fn of(load: &Load, prices: &Prices, stream: Capacity, table: Capacity, extended: bool) -> Self {
        let sources = match stream {
            Capacity::Provisioned => load.sources,
            Capacity::OnDemand => load.shards_needed().max(ON_DEMAND_SOURCES),
        };
        let load = Load { sources, ..*load };
        let partials = Partials::of_day(&load);
        let units = Units::of(&load, partials);
        let proofs = Proofs::of(&load);
        let mut bill = Bill { load: &load, prices, units: &units, proofs: &proofs, lines: Vec::new() };
        bill.stream(stream, extended);
        bill.functions();
        bill.log();
        bill.table(table);
        bill.proving(table);
        bill.watching();
        Self { sources, units, partials, proofs, lines: bill.lines }
    }

    /// Dollars a month.
    pub(crate) fn total(&self) -> f64 {
        self.lines.iter().map(|line| line.monthly).sum()
    }

    /// Dollars a month of one service.
    pub(crate) fn of_service(&self, service: &str) -> f64 {
        self.lines.iter().filter(|line| line.service == service).map(|line| line.monthly).sum()
    }
}

/// Bytes of the log for a byte of JSON, in batches of so many events.
pub(crate) fn compressed(events_per_batch: f64) -> f64 {
    if events_per_batch < LARGE_BATCH { COMPRESSED_SMALL } else { COMPRESSED_LARGE }
}

struct Bill<'a> {
    load: &'a Load,
    prices: &'a Prices,
    units: &'a Units,
    proofs: &'a Proofs,
    lines: Vec<Line>,
}

impl Bill<'_> {
    fn add(&mut self, service: &'static str, what: &'static str, amount: f64, unit: &'static str, price: f64) {
        self.lines.push(Line { service, what, amount, unit, price, monthly: amount * price });
    }

    fn events(&self) -> f64 {
        self.load.events_per_day * MONTH_DAYS
    }

    fn stream(&mut self, capacity: Capacity, extended: bool) {
        let prices = self.prices.kinesis;
        let shard_hours = f64::from(self.load.sources) * MONTH_HOURS;
        match capacity {
            Capacity::Provisioned => {
                self.add("Kinesis", "shards", shard_hours, "shard hours", prices.shard_hour);
                // One event a record; a record of up to 25 KB is one unit.
                let puts = self.events() * (self.load.event_bytes / 25_600.0).ceil() / MILLION;
                self.add("Kinesis", "records in", puts, "million", prices.put_million);
                if extended {
                    self.add("Kinesis", "retention to 7 days", shard_hours, "shard hours", prices.extended_shard_hour);
                }
            }
            Capacity::OnDemand => {
                self.add("Kinesis", "stream", MONTH_HOURS, "hours", prices.on_demand_stream_hour);
                // Each record is rounded up to 1 KB on its way in.
                let written = self.events() * (self.load.event_bytes / 1_024.0).ceil() * 1_024.0 / GB;
                self.add("Kinesis", "data in", written, "GB", prices.on_demand_in_gb);
                let read = self.events() * self.load.event_bytes / GB;
                self.add("Kinesis", "data out", read, "GB", prices.on_demand_out_gb);
                if extended {
                    let kept = written / MONTH_DAYS * EXTENDED_DAYS;
                    self.add("Kinesis", "retention to 7 days", kept, "GB", prices.on_demand_extended_gb);
                }
            }
        }
    }

    fn functions(&mut self) {
        let prices = self.prices.lambda;
        let batches = self.load.batches_per_day() * MONTH_DAYS;
        let work = batches * INVOCATION_S + self.events() * EVENT_S;
        self.add("Lambda", "consumer, invocations", batches / MILLION, "million", prices.request_million);
        self.add("Lambda", "consumer, time", work * CONSUMER_GB, "GB seconds", prices.gb_second);
        let time = MONTH_HOURS * (RUN_S + LIGHT_RUNS * LIGHT_RUN_S);
        self.add("Lambda", "aggregator, time", time * AGGREGATOR_GB, "GB seconds", prices.gb_second);
        let runs = MONTH_HOURS * (2.0 + LIGHT_RUNS) / MILLION;
        self.add("Scheduler", "hourly and light runs", runs, "million", self.prices.scheduler.invocation_million);
    }

    fn log(&mut self) {
        let prices = self.prices.s3;
        let entries = self.load.batches_per_day() * MONTH_DAYS;
        self.add("S3", "entries of the event log", entries / MILLION, "million puts", prices.put_million);
        // Each run lists the streams, the shards of each, and what is new in each shard.
        let listings = MONTH_HOURS * LIGHT_RUNS * (2.0 + f64::from(self.load.sources));
        self.add("S3", "listings of the event log", listings / MILLION, "million", prices.put_million);
        let compressed = compressed(self.load.events_per_batch());
        let logged = self.load.events_per_day * LOGGED_DAYS * self.load.event_bytes * compressed / GB;
        self.add("S3", "event log of 90 days", logged, "GB", prices.storage_gb);
    }

    fn table(&mut self, capacity: Capacity) {
        let (prices, units) = (self.prices.dynamodb, *self.units);
        match capacity {
            Capacity::OnDemand => {
                let millions = self.events() / MILLION;
                for (what, units) in [
                    ("writes: event items", units.event_item),
                    ("writes: copies in the index", units.index_copy),
                    ("writes: partials", units.partial),
                    ("writes: checkpoints", units.checkpoint),
                    ("writes: new users", units.new_users),
                    ("writes: rejected", units.rejected),
                ] {
                    self.add("DynamoDB", what, units * millions, "million units", prices.write_million);
                }
                for (what, units) in [("reads: known users", units.first_sight), ("reads: roll-up", units.roll_up)] {
                    self.add("DynamoDB", what, units * millions, "million units", prices.read_million);
                }
            }
            Capacity::Provisioned => {
                let peak = self.load.rate() * self.load.peak / UTILIZATION * MONTH_HOURS;
                self.add("DynamoDB", "write capacity", peak * units.writes(), "unit hours", prices.write_unit_hour);
                self.add("DynamoDB", "read capacity", peak * units.reads(), "unit hours", prices.read_unit_hour);
            }
        }
        let Load { items, event_bytes, events_per_day, .. } = *self.load;
        let events = if items.event_items { events_per_day * STORED_DAYS } else { 0.0 };
        let copies = if items.user_index { events } else { 0.0 };
        let of_items = events * (item_bytes(event_bytes) + STORED_OVERHEAD) / GB;
        let of_copies = copies * (INDEX_COPY + STORED_OVERHEAD) / GB;
        self.add("DynamoDB", "events of 90 days", of_items + of_copies, "GB", prices.storage_gb);
        // Backups are billed by the size of the table and its local indexes; ours is a global one:
        // https://aws.amazon.com/dynamodb/pricing/on-demand/
        self.add("DynamoDB", "recovery", of_items, "GB", prices.recovery_gb);
    }

    fn proving(&mut self, capacity: Capacity) {
        let Proofs { memory_mb, reads, stored, seconds, .. } = *self.proofs;
        let time = seconds * MONTH_DAYS * memory_mb as f64 / 1_024.0;
        self.add("Lambda", "prover, time", time, "GB seconds", self.prices.lambda.gb_second);
        let reads = reads * MONTH_DAYS / MILLION;
        self.add("S3", "reads of the event log by proofs", reads, "million", self.prices.s3.get_million);
        let puts = stored * MONTH_DAYS / MILLION;
        self.add("S3", "proofs", puts, "million puts", self.prices.s3.put_million);
        // A provisioned table has room for so few.
        if capacity == Capacity::OnDemand {
            let units = puts * ITEM_UNITS;
            self.add("DynamoDB", "writes: proofs", units, "million units", self.prices.dynamodb.write_million);
        }
    }

    fn watching(&mut self) {
        let prices = self.prices.cloudwatch;
        let logged = self.load.batches_per_day() * MONTH_DAYS * LOGGED / GB;
        self.add("CloudWatch", "logs", logged, "GB", prices.logs_gb);
        self.add("CloudWatch", "metrics", METRICS, "metrics", prices.metric);
        self.add("CloudWatch", "alarms", ALARMS, "alarms", prices.alarm);
    }
}
