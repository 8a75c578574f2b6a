//! A month's bill, line by line.

use headcount_core::limits::DEFAULT_LOG_RETENTION_DAYS;
use serde::Serialize;

use super::prices::Prices;
use super::proofs::Proofs;
use super::rollups::Runs;
use super::stream::{EVENT_S, packed};
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

/// The consumer: its memory in GB, and seconds of an invocation besides its events. Assumed, not measured on AWS.
const CONSUMER_GB: f64 = 0.5;
const INVOCATION_S: f64 = 0.1;

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

/// Events of an entry from which on it compresses as a large one does.
pub(crate) const LARGE_ENTRY: f64 = 1_000.0;

/// Bytes that an entry's header has for each further day that late events bring. Their frames compress as packed records do.
const DAY_HEADER: f64 = 130.0;

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

/// How stream and table are paid, and what they keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) stream: Capacity,
    pub(crate) table: Capacity,
    /// Whether the stream keeps records for 7 days.
    pub(crate) extended: bool,
    /// Whether any second of the table can be restored.
    pub(crate) recovery: bool,
}

impl Default for Terms {
    /// As the template has them.
    fn default() -> Self {
        Self { stream: Capacity::Provisioned, table: Capacity::OnDemand, extended: false, recovery: true }
    }
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
    pub(crate) proofs: Proofs,
    pub(crate) runs: Runs,
    pub(crate) lines: Vec<Line>,
}

impl Estimate {
    /// Of this load, at these prices.
    pub(crate) fn of(load: &Load, prices: &Prices, terms: Terms) -> Self {
        let sources = match terms.stream {
            Capacity::Provisioned => load.sources,
            Capacity::OnDemand => load.shards_needed().max(ON_DEMAND_SOURCES),
        };
        let load = Load { sources, ..*load };
        let partials = Partials::of_day(&load);
        let units = Units::of(&load, partials);
        let proofs = Proofs::of(&load, LOGGED_DAYS);
        let runs = Runs::of(&load, partials, &proofs);
        let mut bill = Bill { load: &load, prices, units: &units, lines: Vec::new() };
        bill.stream(terms);
        bill.functions();
        bill.log(&runs, &proofs);
        bill.table(terms, &runs);
        bill.proving(&proofs);
        bill.watching();
        Self { sources, units, proofs, runs, lines: bill.lines }
    }

    /// Write units an event, the aggregator's among them.
    pub(crate) fn writes_per_event(&self, load: &Load) -> f64 {
        self.units.writes() + self.runs.writes / load.events_per_day
    }

    /// Read units an event, the aggregator's among them.
    pub(crate) fn reads_per_event(&self, load: &Load) -> f64 {
        self.units.first_sight + self.runs.reads / load.events_per_day
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

/// Bytes of the log for a byte of JSON, in entries of so many events.
pub(crate) fn compressed(events_per_entry: f64) -> f64 {
    if events_per_entry < LARGE_ENTRY { COMPRESSED_SMALL } else { COMPRESSED_LARGE }
}

/// Bytes of an event in the log.
pub(crate) fn logged_bytes(load: &Load) -> f64 {
    let entry = load.events_per_entry();
    let on_time = load.event_bytes * compressed(entry);
    let (late, days) = (entry * load.late, load.late_days(entry));
    if days <= 0.0 {
        return on_time;
    }
    // A day's events are a frame of their own, which is small.
    let of_frames = late * load.event_bytes * packed((late / days).max(1.0));
    on_time * (1.0 - load.late) + (days * DAY_HEADER + of_frames) / entry
}

struct Bill<'a> {
    load: &'a Load,
    prices: &'a Prices,
    units: &'a Units,
    lines: Vec<Line>,
}

impl Bill<'_> {
    fn add(&mut self, service: &'static str, what: &'static str, amount: f64, unit: &'static str, price: f64) {
        self.lines.push(Line { service, what, amount, unit, price, monthly: amount * price });
    }

    fn events(&self) -> f64 {
        self.load.events_per_day * MONTH_DAYS
    }

    fn stream(&mut self, Terms { stream, extended, .. }: Terms) {
        let prices = &self.prices.kinesis;
        let shard_hours = f64::from(self.load.sources) * MONTH_HOURS;
        let record_bytes = self.load.record_bytes();
        match stream {
            Capacity::Provisioned => {
                self.add("Kinesis", "shards", shard_hours, "shard hours", prices.shard_hour);
                let units = self.events() * self.load.payload_units() / MILLION;
                self.add("Kinesis", "records in", units, "million units", prices.put_million);
                if extended {
                    self.add("Kinesis", "retention to 7 days", shard_hours, "shard hours", prices.extended_shard_hour);
                }
            }
            Capacity::OnDemand => {
                self.add("Kinesis", "stream", MONTH_HOURS, "hours", prices.on_demand_stream_hour);
                let records = self.events() / self.load.events_per_record();
                // Each record is rounded up to 1 KB on its way in.
                let written = records * (record_bytes / 1_024.0).ceil() * 1_024.0 / GB;
                self.add("Kinesis", "data in", written, "GB", prices.on_demand_in_gb);
                let read = records * record_bytes / GB;
                self.add("Kinesis", "data out", read, "GB", prices.on_demand_out_gb);
                if extended {
                    let kept = written / MONTH_DAYS * EXTENDED_DAYS;
                    self.add("Kinesis", "retention to 7 days", kept, "GB", prices.on_demand_extended_gb);
                }
            }
        }
    }

    fn functions(&mut self) {
        let prices = &self.prices.lambda;
        let batches = self.load.batches_per_day() * MONTH_DAYS;
        let work = batches * INVOCATION_S + self.events() * EVENT_S;
        self.add("Lambda", "consumer, invocations", batches / MILLION, "million", prices.request_million);
        self.add("Lambda", "consumer, time", work * CONSUMER_GB, "GB seconds", prices.gb_second);
        let time = MONTH_HOURS * (RUN_S + LIGHT_RUNS * LIGHT_RUN_S);
        self.add("Lambda", "aggregator, time", time * AGGREGATOR_GB, "GB seconds", prices.gb_second);
        let runs = MONTH_HOURS * (2.0 + LIGHT_RUNS) / MILLION;
        self.add("Scheduler", "hourly and light runs", runs, "million", self.prices.scheduler.invocation_million);
    }

    fn log(&mut self, runs: &Runs, proofs: &Proofs) {
        let prices = &self.prices.s3;
        let entries = self.load.entries_per_day() * MONTH_DAYS;
        self.add("S3", "entries of the event log", entries / MILLION, "million puts", prices.put_million);
        let of_month = |requests: f64| requests * MONTH_DAYS / MILLION;
        self.add("S3", "listings, heads and proofs", of_month(runs.puts), "million", prices.put_million);
        self.add("S3", "reads by the aggregator's runs", of_month(runs.gets), "million", prices.get_million);
        self.add("S3", "reads of the event log by proofs", of_month(proofs.reads), "million", prices.get_million);
        let logged = self.load.events_per_day * LOGGED_DAYS * logged_bytes(self.load) / GB;
        self.add("S3", "event log of 90 days", logged, "GB", prices.storage_gb);
    }

    fn table(&mut self, Terms { table, recovery, .. }: Terms, runs: &Runs) {
        let (prices, units) = (&self.prices.dynamodb, *self.units);
        match table {
            Capacity::OnDemand => {
                let millions = self.events() / MILLION;
                for (what, units) in [
                    ("writes: event items", units.event_item),
                    ("writes: copies in the index", units.index_copy),
                    ("writes: partials", units.partial),
                    ("writes: partials of past days", units.late_partial),
                    ("writes: checkpoints", units.checkpoint),
                    ("writes: new users", units.new_users),
                    ("writes: rejected", units.rejected),
                ] {
                    self.add("DynamoDB", what, units * millions, "million units", prices.write_million);
                }
                let known = units.first_sight * millions;
                self.add("DynamoDB", "reads: known users", known, "million units", prices.read_million);
                let of_month = |units: f64| units * MONTH_DAYS / MILLION;
                self.add("DynamoDB", "reads: aggregator", of_month(runs.reads), "million units", prices.read_million);
                self.add(
                    "DynamoDB",
                    "writes: aggregator",
                    of_month(runs.writes),
                    "million units",
                    prices.write_million,
                );
            }
            // It has room for the aggregator's.
            Capacity::Provisioned => {
                let peak = self.load.rate() * self.load.peak / UTILIZATION * MONTH_HOURS;
                self.add("DynamoDB", "write capacity", peak * units.writes(), "unit hours", prices.write_unit_hour);
                self.add("DynamoDB", "read capacity", peak * units.first_sight, "unit hours", prices.read_unit_hour);
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
        if recovery {
            self.add("DynamoDB", "recovery", of_items, "GB", prices.recovery_gb);
        }
    }

    fn proving(&mut self, proofs: &Proofs) {
        let time = proofs.seconds * MONTH_DAYS * proofs.memory_mb as f64 / 1_024.0;
        self.add("Lambda", "prover, time", time, "GB seconds", self.prices.lambda.gb_second);
    }

    fn watching(&mut self) {
        let prices = &self.prices.cloudwatch;
        let logged = self.load.batches_per_day() * MONTH_DAYS * LOGGED / GB;
        self.add("CloudWatch", "logs", logged, "GB", prices.logs_gb);
        self.add("CloudWatch", "metrics", METRICS, "metrics", prices.metric);
        self.add("CloudWatch", "alarms", ALARMS, "alarms", prices.alarm);
    }
}
