use std::collections::BTreeMap;

use headcount_core::limits::DEFAULT_SKETCH_PRECISION;
use headcount_follow::ItemOptions;

use super::estimate::{Capacity, Estimate, Terms};
use super::prices::Prices;
use super::proofs::Proofs;
use super::stream::{Packing, packed};
use super::units::{DAY_S, Growing, Load, Partials, START_MS, Units, write_units};
use crate::generate::{Generator, GeneratorOptions};

mod handlers;
mod measured;
mod world;

fn load(rate: f64, window_s: f64) -> Load {
    let events_per_day = rate * DAY_S;
    Load {
        events_per_day,
        event_bytes: 600.0,
        users: events_per_day / 20.0,
        new_users: 0.01,
        invalid: 0.01,
        late: 0.0,
        window_s,
        sources: 1,
        peak: 1.0,
        precision: DEFAULT_SKETCH_PRECISION,
        items: ItemOptions::default(),
        packing: Packing::Single,
    }
}

#[test]
fn a_unit_is_begun_for_each_kilobyte() {
    for (bytes, units) in [(0.0, 1.0), (1_024.0, 1.0), (1_025.0, 2.0), (27_000.0, 27.0)] {
        assert!((write_units(bytes) - units).abs() < 1e-9, "{bytes}");
    }
}

#[test]
fn a_batch_is_what_the_window_gathers_up_to_what_it_may_hold() {
    for (rate, window, sources, events) in [
        (10.0, 10.0, 1, 100.0),
        (10.0, 10.0, 4, 25.0),
        (0.01, 10.0, 1, 1.0),
        (10.0, 0.0, 1, 1.0),
        // 6 MB with the base64 and envelopes of events of 600 bytes.
        (1_000.0, 10.0, 1, 5_470.0),
    ] {
        let load = Load { sources, ..load(rate, window) };
        assert!((load.events_per_batch() - events).abs() < 1e-6, "{rate} {window}: {}", load.events_per_batch());
    }
    let small = Load { event_bytes: 100.0, ..load(10_000.0, 300.0) };
    assert!(small.events_per_batch() <= 10_000.0);
}

#[test]
fn shards_follow_records_and_bytes() {
    for (rate, bytes, peak, shards) in
        [(10.0, 450.0, 2.0, 1), (1_000.0, 450.0, 1.0, 1), (1_000.0, 450.0, 2.0, 2), (1_000.0, 4_000.0, 1.0, 4)]
    {
        let load = Load { event_bytes: bytes, peak, ..load(rate, 10.0) };
        assert_eq!(load.shards_needed(), shards, "{rate} {bytes} {peak}");
    }
}

#[test]
fn a_partial_grows_until_it_is_dense_and_full() {
    let mut growing = Growing::new(14);
    let mut sizes = Vec::new();
    for users in [1, 1_000, 20_000, 150_000, 3_000_000] {
        growing.grow_to(users);
        sizes.push(growing.bytes());
    }
    assert!(sizes.is_sorted() || sizes[3] < 48_000, "{sizes:?}");
    assert!(sizes[0] < 1_024 && sizes[3] < 48_000 && sizes[3] == sizes[4], "{sizes:?}");
    let mut by_default = Growing::new(DEFAULT_SKETCH_PRECISION);
    by_default.grow_to(3_000_000);
    let units = write_units(by_default.bytes() as f64);
    assert!(units <= 64.0, "{units} units");
}

#[test]
fn a_small_partial_is_written_for_each_batch_and_a_large_one_every_minute() {
    for (rate, window, bytes, per_event, checkpoints) in [
        // 10 events a batch, and one more batch than a minute has until all are written.
        (10.0, 1.0, 1_000, 0.1, 0.1),
        (10.0, 1.0, 41_000, 41.0 / 610.0, 1.0 / 610.0),
        // Less than a batch in two minutes: the aggregator writes it.
        (0.005, 10.0, 41_000, 41.0, 1.0),
        (10.0, 300.0, 41_000, 41.0 / 3_000.0, 1.0 / 3_000.0),
    ] {
        let partials = Partials::of_bytes(&load(rate, window), bytes, bytes);
        assert!((partials.per_event - per_event).abs() < 1e-9, "{rate} {window} {bytes}: {partials:?}");
        assert!((partials.checkpoints_per_event - checkpoints).abs() < 1e-9, "{rate} {window} {bytes}: {partials:?}");
    }
    let mean = Partials::of_day(&load(10.0, 10.0));
    assert!(mean.per_event > 1.0 / 700.0 && mean.per_event < 64.0 / 700.0, "{mean:?}");
}

#[test]
fn units_are_the_sum_of_their_parts() {
    let partials =
        Partials { per_event: 0.2, late_per_event: 0.1, checkpoints_per_event: 0.002, ..Partials::default() };
    let units = Units::of(&load(10.0, 10.0), partials);
    for (part, wanted) in [
        (units.event_item, 0.99),
        (units.index_copy, 0.99),
        (units.partial, 0.2),
        (units.late_partial, 0.1),
        (units.checkpoint, 0.012),
        (units.new_users, 0.02),
        (units.rejected, 0.02),
        (units.first_sight, 0.5 * 0.01 + 0.5 * 1.5 / 20.0),
        (units.writes(), 2.332),
    ] {
        assert!((part - wanted).abs() < 1e-9, "{part} {wanted}");
    }
    let large = Units::of(&Load { event_bytes: 1_000.0, ..load(10.0, 10.0) }, partials);
    assert!((large.event_item - 1.98).abs() < 1e-9 && (large.rejected - 0.02).abs() < 1e-9);
    for (event_items, user_index, item, copy) in [(true, false, 0.99, 0.0), (false, true, 0.0, 0.0)] {
        let load = Load { items: ItemOptions { event_items, user_index }, ..load(10.0, 10.0) };
        let units = Units::of(&load, partials);
        assert!((units.event_item - item).abs() < 1e-9 && (units.index_copy - copy).abs() < 1e-9, "{units:?}");
    }
}

#[test]
fn ten_events_a_second_cost_less_than_a_hundred_dollars_recovery_included() {
    let prices = Prices::read(None).unwrap();
    let load = Load { event_bytes: 450.0, ..load(10.0, 10.0) };
    let estimate = Estimate::of(&load, &prices, Terms::default());
    let sum: f64 = ["Kinesis", "Lambda", "Scheduler", "S3", "DynamoDB", "CloudWatch"]
        .iter()
        .map(|service| estimate.of_service(service))
        .sum();
    assert!((estimate.total() - sum).abs() < 1e-6, "every line is of a service that is shown");
    assert!(estimate.total() < 100.0, "{:#?}", estimate.lines);
    // Four sources from the first hour on: more partials, and a price by the hour.
    let on_demand = Estimate::of(&load, &prices, Terms { stream: Capacity::OnDemand, ..Terms::default() });
    assert!(on_demand.sources == 4 && on_demand.total() > estimate.total());
}

#[test]
fn proofs_read_what_the_schedule_has_them_read() {
    // Runs come at minute 35; `log2` of the entries of 90 days is how many headers tell where a day begins.
    let of = |rate, late, searched: f64| {
        let load = Load { late, ..load(rate, 10.0) };
        let proofs = Proofs::of(&load, 90.0);
        let days = move |log: f64, walks: f64| (log, (proofs.reads - walks * searched) / load.entries_per_day());
        (proofs, days)
    };
    let check = |what: &str, (expected, found): (f64, f64)| {
        assert!((expected - found).abs() < 1e-6, "{what}: {found} days, not {expected}");
    };
    let hour = |hour: f64| (hour + 35.0 / 60.0) / 24.0;
    // Today each time it has grown by a tenth, but for the night, which proves yesterday as well.
    let grown = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 23].map(|at| hour(f64::from(at)));
    let (small, days) = of(10.0, 0.0, 20.0);
    check("on time", days(grown.iter().sum::<f64>() + 1.0 + hour(4.0), 17.0));
    assert!(small.passes == 1 && small.memory_mb == 1_769, "{small:?}");
    // With late events, today and five days before it together, and then the other three that take some.
    let (_, days) = of(10.0, 0.01, 20.0);
    check("late", days(grown.iter().sum::<f64>() + 5.0 + 8.0 + 2.0 * hour(4.0), 18.0));
    // Beyond the budget: today until it is too large, at night yesterday and the day that has closed.
    let (large, days) = of(1_000.0, 0.01, 21.0);
    check("large", days(hour(0.0) + 0.0 + 1.0 + 10.0 + 3.0 * hour(4.0), 4.0));
    assert!(large.passes == 1 && large.memory_mb > 6_000, "{large:?}");
    let (huge, _) = of(10_000.0, 0.0, 0.0);
    assert!(huge.passes == 7 && huge.memory_mb == 10_240, "{huge:?}");
}

/// Dollars a month for figures and the log, at most; and what late traffic may add.
#[test]
fn without_event_items_a_month_stays_within_what_the_documents_promise() {
    let prices = Prices::read(None).unwrap();
    let items = ItemOptions { event_items: false, user_index: false };
    let of = |rate, late, packing| {
        let load = Load { event_bytes: 450.0, items, peak: 2.0, late, packing, ..load(rate, 10.0) };
        Estimate::of(&Load { sources: load.shards_needed(), ..load }, &prices, Terms::default())
    };
    for (rate, most) in [(10.0, 30.0), (100.0, 45.0), (1_000.0, 160.0), (10_000.0, 1_500.0)] {
        let (on_time, late) = (of(rate, 0.0, Packing::Single), of(rate, 0.01, Packing::Single));
        println!("{rate}/s: ${:.2}, late ${:.2}", on_time.total(), late.total());
        assert!(on_time.total() <= most, "{rate}/s: {:#?}", on_time.lines);
        assert!(late.total() <= on_time.total() * 1.2, "{rate}/s: {:#?}", late.lines);
    }
    let packed = of(10_000.0, 0.0, Packing::Packed { producers: 10.0 });
    println!("10,000/s packed, {} shards: ${:.2}", packed.sources, packed.total());
    assert!(packed.total() < 900.0, "{:#?}", packed.lines);
}

#[test]
fn generated_events_pack_as_the_estimate_says() {
    let options = GeneratorOptions { events: 20_000, days: 1, ..GeneratorOptions::new(START_MS) };
    let mut groups: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for line in Generator::new(&options).unwrap() {
        let event: serde_json::Value = serde_json::from_str(&line.json).unwrap_or_default();
        let user = event["userId"].as_str().map_or(0, |user| user.bytes().map(u64::from).sum::<u64>());
        groups.entry(user % 32).or_default().push(line.json);
    }
    for of_record in [1, 2, 5, 10, 31, 100, 300] {
        let (mut json, mut bytes) = (0, 0);
        for record in groups.values().filter_map(|lines| lines.chunks_exact(of_record).next()) {
            let lines = record.join("\n");
            json += lines.len();
            // As the producer compresses.
            bytes += zstd::bulk::compress(lines.as_bytes(), 3).unwrap().len();
        }
        let (measured, formula) = (bytes as f64 / json as f64, packed(of_record as f64));
        println!("{of_record} events a record: {measured:.3}, {formula:.3} by the estimate");
        assert!((measured / formula - 1.0).abs() < 0.2, "{of_record}: {measured}, {formula} by the estimate");
    }
}

#[test]
fn without_event_items_a_thousand_events_a_second_cost_less_than_two_hundred_dollars() {
    let prices = Prices::read(None).unwrap();
    let figures_only = ItemOptions { event_items: false, user_index: false };
    let load = |rate, items| Load { event_bytes: 450.0, items, peak: 2.0, ..load(rate, 10.0) };
    let monthly = |rate, items| {
        let load = load(rate, items);
        let load = Load { sources: load.shards_needed(), ..load };
        Estimate::of(&load, &prices, Terms::default())
    };
    let (with, without) = (monthly(1_000.0, ItemOptions::default()), monthly(1_000.0, figures_only));
    assert!(without.total() < with.total() / 10.0, "{} {}", without.total(), with.total());
    assert!(without.total() < 200.0, "{:#?}", without.lines);
}

#[test]
fn prices_that_are_none_name_the_remedy() {
    let path = std::env::temp_dir().join(format!("headcount-{}-prices.toml", std::process::id()));
    std::fs::write(&path, "region = 1").unwrap();
    let failure = Prices::read(Some(&path)).unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();
    assert!(failure.contains("--print-prices"), "{failure}");
    let failure = Prices::read(Some(&path)).unwrap_err().to_string();
    assert!(failure.contains("cannot be read"), "{failure}");
}
