//! What `headcount cost` prints.

use serde_json::{Value, json};

use crate::cost::estimate::{Capacity, Estimate};
use crate::cost::prices::Prices;
use crate::cost::units::Load;
use crate::output::numbers::{decimal, whole};
use crate::output::table::Table;

/// One load with its bills: the usual one, and the others to compare.
struct Column {
    load: Load,
    usual: Estimate,
    /// Both on demand.
    stream_on_demand: Estimate,
    /// Both provisioned.
    table_provisioned: Estimate,
}

/// All that is printed.
pub(super) struct Report<'a> {
    prices: &'a Prices,
    columns: Vec<Column>,
}

impl<'a> Report<'a> {
    pub(super) fn new(loads: &[Load], prices: &'a Prices, extended: bool) -> Self {
        let column = |load: &Load| Column {
            load: *load,
            usual: Estimate::of(load, prices, Capacity::Provisioned, Capacity::OnDemand, extended),
            stream_on_demand: Estimate::of(load, prices, Capacity::OnDemand, Capacity::OnDemand, extended),
            table_provisioned: Estimate::of(load, prices, Capacity::Provisioned, Capacity::Provisioned, extended),
        };
        Self { prices, columns: loads.iter().map(column).collect() }
    }

    pub(super) fn json(&self) -> Value {
        let column = |column: &Column| {
            let Column { load, usual, stream_on_demand, table_provisioned } = column;
            let units = &usual.units;
            json!({
                "eventsPerDay": load.events_per_day, "eventsPerSecond": load.rate(),
                "bytes": load.event_bytes, "users": load.users, "newUsers": load.new_users, "invalid": load.invalid,
                "windowSeconds": load.window_s, "shards": usual.sources, "shardsNeeded": load.shards_needed(),
                "eventsPerBatch": load.events_per_batch(),
                "eventItems": load.items.event_items, "userIndex": load.items.user_index,
                "unitsPerEvent": {
                    "writes": units.writes(), "eventItem": units.event_item, "indexCopy": units.index_copy,
                    "partial": units.partial, "checkpoint": units.checkpoint, "newUsers": units.new_users,
                    "rejected": units.rejected, "reads": units.reads(), "firstSight": units.first_sight,
                    "rollUp": units.roll_up, "ofOnePartial": usual.partials.units,
                },
                "proofs": {
                    "readsPerDay": usual.proofs.reads, "secondsPerDay": usual.proofs.seconds,
                    "memoryMb": usual.proofs.memory_mb, "passes": usual.proofs.passes,
                },
                "lines": usual.lines,
                "monthly": usual.total(),
                "monthlyStreamOnDemand": stream_on_demand.total(),
                "monthlyTableProvisioned": table_provisioned.total(),
            })
        };
        json!({
            "prices": self.prices,
            "estimates": self.columns.iter().map(column).collect::<Vec<_>>(),
        })
    }

    pub(super) fn text(&self) -> String {
        let Prices { region, date, source, .. } = self.prices;
        let mut parts = vec![self.table().to_string()];
        parts.extend(self.columns.first().filter(|_| self.columns.len() == 1).map(where_it_goes));
        parts.push(format!(
            "US dollars a month at list prices of {region}, {date} ({source}).\nAssumed, not measured on AWS: how long the \
             functions run, and what they log. Not counted: transfer, your own queries, taxes."
        ));
        parts.join("\n\n")
    }

    fn table(&self) -> Table {
        let heads = self.columns.iter().map(|column| format!("{}/s", decimal(column.load.rate(), 2)));
        let mut table = Table::new(std::iter::once("events a second".to_owned()).chain(heads));
        let mut row = |what: &str, cell: &dyn Fn(&Column) -> String| {
            table.row(std::iter::once(what.to_owned()).chain(self.columns.iter().map(cell)));
        };
        row("shards", &|column| whole(u64::from(column.usual.sources)));
        row("events a batch", &|column| decimal(column.load.events_per_batch(), 1));
        row("write units an event", &|column| decimal(column.usual.units.writes(), 3));
        row("  event item", &|column| decimal(column.usual.units.event_item, 3));
        row("  copy in the index", &|column| decimal(column.usual.units.index_copy, 3));
        row("  partials", &|column| decimal(column.usual.units.partial, 3));
        row("  checkpoints", &|column| decimal(column.usual.units.checkpoint, 3));
        row("  new users", &|column| decimal(column.usual.units.new_users, 3));
        row("  rejected", &|column| decimal(column.usual.units.rejected, 3));
        row("read units an event", &|column| decimal(column.usual.units.reads(), 3));
        row("  known users", &|column| decimal(column.usual.units.first_sight, 3));
        row("  roll-up", &|column| decimal(column.usual.units.roll_up, 3));
        row("prover's memory, MB", &|column| whole(column.usual.proofs.memory_mb));
        row("passes of a proof", &|column| whole(column.usual.proofs.passes));
        row("reads of proofs a day", &|column| whole(column.usual.proofs.reads.round() as u64));
        for service in ["Kinesis", "Lambda", "S3", "DynamoDB", "CloudWatch"] {
            row(service, &|column| dollars(column.usual.of_service(service)));
        }
        row("a month", &|column| dollars(column.usual.total()));
        row("with the stream on demand", &|column| dollars(column.stream_on_demand.total()));
        row("with the table provisioned", &|column| dollars(column.table_provisioned.total()));
        table
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
