//! What `headcount cost` prints.

use headcount_follow::ItemOptions;
use serde_json::{Value, json};

use crate::cost::estimate::{Capacity, Estimate, Terms};
use crate::cost::prices::Prices;
use crate::cost::stream::Packing;
use crate::cost::units::Load;
use crate::output::numbers::{decimal, whole};
use crate::output::table::Table;

/// The share of events that come days late in the choice that shows what they cost, at least.
const LATE: f64 = 0.01;

/// A load that was asked for.
pub(super) struct Asked {
    pub(super) load: Load,
    /// Shards that were named; else what the load needs.
    pub(super) shards: Option<u32>,
    /// Processes that produce, where they pack.
    pub(super) producers: f64,
}

/// A choice, and what a month of it costs.
struct Choice {
    name: String,
    load: Load,
    terms: Terms,
    monthly: f64,
}

/// One load with its bill, and the choices to compare.
struct Column {
    load: Load,
    usual: Estimate,
    choices: Vec<Choice>,
}

/// All that is printed.
pub(super) struct Report<'a> {
    prices: &'a Prices,
    columns: Vec<Column>,
}

impl Asked {
    /// What could be chosen instead: what is kept of single events, how producers send, how stream and table are paid.
    fn choices(&self, prices: &Prices, terms: Terms) -> Vec<Choice> {
        let asked = self.load;
        let items = |event_items, user_index| Load { items: ItemOptions { event_items, user_index }, ..asked };
        let figures = items(false, false);
        let packed = Load { packing: Packing::Packed { producers: self.producers }, ..figures };
        let late = Load { late: asked.late.max(LATE), ..figures };
        let days_late = format!("without event items, {} % days late", decimal(late.late * 100.0, 1));
        let choices = [
            ("with event items, listed by user", items(true, true), terms),
            ("with event items, not listed by user", items(true, false), terms),
            ("without event items", figures, terms),
            ("without event items, packed by producers", packed, terms),
            (&days_late, late, terms),
            ("as asked, stream on demand", asked, Terms { stream: Capacity::OnDemand, ..terms }),
            ("as asked, table provisioned", asked, Terms { table: Capacity::Provisioned, ..terms }),
            ("as asked, table without recovery", asked, Terms { recovery: false, ..terms }),
        ];
        let choice = |(name, load, terms): (&str, Load, Terms)| {
            let load = Load { sources: self.shards.unwrap_or_else(|| load.shards_needed()), ..load };
            Choice { name: name.to_owned(), load, terms, monthly: Estimate::of(&load, prices, terms).total() }
        };
        choices.into_iter().map(choice).collect()
    }
}

impl Choice {
    fn json(&self) -> Value {
        let Self { name, load, terms, monthly } = self;
        json!({
            "name": name, "eventItems": load.items.event_items, "userIndex": load.items.user_index,
            "packing": load.packing, "late": load.late, "shards": load.sources,
            "stream": terms.stream, "table": terms.table, "recovery": terms.recovery,
            "monthly": monthly,
        })
    }
}

impl<'a> Report<'a> {
    pub(super) fn new(asked: &[Asked], prices: &'a Prices, terms: Terms) -> Self {
        let column = |asked: &Asked| Column {
            load: asked.load,
            usual: Estimate::of(&asked.load, prices, terms),
            choices: asked.choices(prices, terms),
        };
        Self { prices, columns: asked.iter().map(column).collect() }
    }

    pub(super) fn json(&self) -> Value {
        let column = |column: &Column| {
            let Column { load, usual, choices } = column;
            let (units, runs) = (&usual.units, &usual.runs);
            json!({
                "eventsPerDay": load.events_per_day, "eventsPerSecond": load.rate(),
                "bytes": load.event_bytes, "users": load.users, "newUsers": load.new_users, "invalid": load.invalid,
                "late": load.late, "packing": load.packing, "eventsPerRecord": load.events_per_record(),
                "windowSeconds": load.window_s, "shards": usual.sources, "shardsNeeded": load.shards_needed(),
                "eventsPerBatch": load.events_per_batch(), "eventsPerEntry": load.events_per_entry(),
                "eventItems": load.items.event_items, "userIndex": load.items.user_index,
                "unitsPerEvent": {
                    "writes": usual.writes_per_event(load), "eventItem": units.event_item,
                    "indexCopy": units.index_copy, "partial": units.partial, "latePartial": units.late_partial,
                    "checkpoint": units.checkpoint, "newUsers": units.new_users, "rejected": units.rejected,
                    "aggregatorWrites": runs.writes / load.events_per_day,
                    "reads": usual.reads_per_event(load), "firstSight": units.first_sight,
                    "aggregatorReads": runs.reads / load.events_per_day,
                },
                "proofs": {
                    "readsPerDay": usual.proofs.reads, "secondsPerDay": usual.proofs.seconds,
                    "memoryMb": usual.proofs.memory_mb, "passes": usual.proofs.passes,
                },
                "lines": usual.lines,
                "monthly": usual.total(),
                "choices": choices.iter().map(Choice::json).collect::<Vec<_>>(),
            })
        };
        json!({
            "prices": self.prices,
            "estimates": self.columns.iter().map(column).collect::<Vec<_>>(),
        })
    }

    pub(super) fn text(&self) -> String {
        let Prices { region, date, .. } = self.prices;
        let mut parts = vec![self.table().to_string(), self.choices().to_string()];
        parts.extend(self.columns.first().filter(|_| self.columns.len() == 1).map(where_it_goes));
        parts.push(format!(
            "US dollars a month at list prices of {region}, {date}; --print-prices names their pages.\nAssumed, not measured on AWS: \
             how long the functions run, and what they log. Not counted: transfer, taxes, your own\nqueries, and the profiles of users, \
             which stay: $0.13 a month for each million."
        ));
        parts.join("\n\n")
    }

    fn table(&self) -> Table {
        let mut table = Table::new(self.heads("events a second"));
        let mut row = |what: &str, cell: &dyn Fn(&Column) -> String| {
            table.row(std::iter::once(what.to_owned()).chain(self.columns.iter().map(cell)));
        };
        row("shards", &|column| whole(u64::from(column.usual.sources)));
        row("events a batch", &|column| decimal(column.load.events_per_batch(), 1));
        row("write units an event", &|column| decimal(column.usual.writes_per_event(&column.load), 3));
        row("  event item", &|column| decimal(column.usual.units.event_item, 3));
        row("  copy in the index", &|column| decimal(column.usual.units.index_copy, 3));
        row("  partials", &|column| decimal(column.usual.units.partial, 3));
        if self.columns.iter().any(|column| column.load.late > 0.0) {
            row("  partials of past days", &|column| decimal(column.usual.units.late_partial, 3));
        }
        row("  checkpoints", &|column| decimal(column.usual.units.checkpoint, 3));
        row("  new users", &|column| decimal(column.usual.units.new_users, 3));
        row("  rejected", &|column| decimal(column.usual.units.rejected, 3));
        row("  aggregator", &|column| decimal(column.usual.runs.writes / column.load.events_per_day, 3));
        row("read units an event", &|column| decimal(column.usual.reads_per_event(&column.load), 3));
        row("  known users", &|column| decimal(column.usual.units.first_sight, 3));
        row("  aggregator", &|column| decimal(column.usual.runs.reads / column.load.events_per_day, 3));
        row("prover's memory, MB", &|column| whole(column.usual.proofs.memory_mb));
        row("passes of a proof", &|column| whole(column.usual.proofs.passes));
        row("reads of proofs a day", &|column| whole(column.usual.proofs.reads.round() as u64));
        for service in ["Kinesis", "Lambda", "S3", "DynamoDB", "CloudWatch", "Scheduler"] {
            row(service, &|column| dollars(column.usual.of_service(service)));
        }
        row("a month", &|column| dollars(column.usual.total()));
        table
    }

    fn choices(&self) -> Table {
        let mut table = Table::new(self.heads("a month"));
        let names = self.columns.first().map(|column| &column.choices[..]).unwrap_or_default();
        for (index, Choice { name, .. }) in names.iter().enumerate() {
            let cells = self.columns.iter().map(|column| dollars(column.choices[index].monthly));
            table.row(std::iter::once(name.clone()).chain(cells));
        }
        table
    }

    fn heads(&self, first: &str) -> impl Iterator<Item = String> {
        let rates = self.columns.iter().map(|column| format!("{}/s", decimal(column.load.rate(), 2)));
        std::iter::once(first.to_owned()).chain(rates)
    }
}

/// The lines of one bill, the largest first.
fn where_it_goes(column: &Column) -> String {
    let mut lines: Vec<_> = column.usual.lines.iter().filter(|line| line.monthly >= 0.005).collect();
    lines.sort_by(|a, b| b.monthly.total_cmp(&a.monthly));
    let total = column.usual.total();
    let mut table = Table::new(["service", "what", "amount", "unit", "price", "a month", "share"]).left(1).left(3);
    for line in lines {
        table.row([
            line.service.to_owned(),
            line.what.to_owned(),
            decimal(line.amount, 2),
            line.unit.to_owned(),
            format!("${}", decimal(line.price, 10)),
            dollars(line.monthly),
            format!("{} %", decimal(line.monthly / total * 100.0, 1)),
        ]);
    }
    table.to_string()
}

fn dollars(amount: f64) -> String {
    if amount < 1_000.0 { format!("${amount:.2}") } else { format!("${}", whole(amount.round() as u64)) }
}
