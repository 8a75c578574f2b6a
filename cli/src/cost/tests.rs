use headcount_core::limits::DEFAULT_SKETCH_PRECISION;
use headcount_follow::ItemOptions;

use super::estimate::{Capacity, Estimate};
use super::prices::Prices;
use super::proofs::Proofs;
use super::units::{DAY_S, Growing, Load, Partials, Units, write_units};

mod measured;

fn load(rate: f64, window_s: f64) -> Load {
    let events_per_day = rate * DAY_S;
    Load {
        events_per_day,
        event_bytes: 600.0,
        users: events_per_day / 20.0,
        new_users: 0.01,
        invalid: 0.01,
        window_s,
        sources: 1,
        peak: 1.0,
        precision: DEFAULT_SKETCH_PRECISION,
        items: ItemOptions::default(),
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
    assert!(units <= 62.0, "{units} units");
}

#[test]
fn a_small_partial_is_written_for_each_batch_and_a_large_one_every_minute() {
    for (rate, window, bytes, per_event, checkpoints) in [
        // 10 events a batch, 600 a minute.
        (10.0, 1.0, 1_000, 0.1, 0.1),
        (10.0, 1.0, 41_000, 41.0 / 600.0, 1.0 / 600.0),
        // Less than a batch a minute.
        (0.01, 10.0, 41_000, 41.0, 1.0),
        (10.0, 300.0, 41_000, 41.0 / 3_000.0, 1.0 / 3_000.0),
    ] {
        let partials = Partials::of_bytes(&load(rate, window), bytes);
        assert!((partials.per_event - per_event).abs() < 1e-9, "{rate} {window} {bytes}: {partials:?}");
        assert!((partials.checkpoints_per_event - checkpoints).abs() < 1e-9, "{rate} {window} {bytes}: {partials:?}");
    }
    let mean = Partials::of_day(&load(10.0, 10.0));
    assert!(mean.units > 1.0 && mean.units < 62.0, "{mean:?}");
}

#[test]
fn units_are_the_sum_of_their_parts() {
    let partials = Partials { units: 20.0, per_event: 0.2, checkpoints_per_event: 0.002 };
    let units = Units::of(&load(10.0, 10.0), partials);
    for (part, wanted) in [
        (units.event_item, 0.99),
        (units.index_copy, 0.99),
        (units.partial, 0.2),
        (units.checkpoint, 0.012),
        (units.new_users, 0.02),
        (units.rejected, 0.01),
        (units.first_sight, 0.5 * 0.01 + 0.5 * 1.5 / 20.0),
        (units.writes(), 2.222),
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
    let estimate = Estimate::of(&load, &prices, Capacity::Provisioned, Capacity::OnDemand, false);
    let sum: f64 = ["Kinesis", "Lambda", "Scheduler", "S3", "DynamoDB", "CloudWatch"]
        .iter()
        .map(|service| estimate.of_service(service))
        .sum();
    assert!((estimate.total() - sum).abs() < 1e-6, "every line is of a service that is shown");
    assert!(estimate.total() < 100.0, "{:#?}", estimate.lines);
    // Four sources from the first hour on: more partials, and a price by the hour.
    let on_demand = Estimate::of(&load, &prices, Capacity::OnDemand, Capacity::OnDemand, false);
    assert!(on_demand.sources == 4 && on_demand.total() > estimate.total());
}

#[test]
fn proofs_read_what_the_schedule_has_them_read() {
    // Hourly: today at hours 1 to 11, 13, 15, 17, 19, 21 and 24, 175 / 24 of a day. At night 11 days in batches of 5, and today.
    let small = Proofs::of(&load(10.0, 10.0));
    let entries = load(10.0, 10.0).batches_per_day();
    let night = 4.5 / 24.0;
    let days = 175.0 / 24.0 + night + (5.0 + night) + (10.0 + night);
    assert!((small.reads / entries - days).abs() < 1e-6, "{} {days}", small.reads / entries);
    assert!(small.passes == 1 && small.memory_mb == 1_769, "{small:?}");
    // Beyond the budget: today until it is too large, at night yesterday and the day that has closed.
    let large = Proofs::of(&load(1_000.0, 10.0));
    let entries = load(1_000.0, 10.0).batches_per_day();
    let days = 1.0 / 24.0 + night + (1.0 + night) + (10.0 + night);
    assert!((large.reads / entries - days).abs() < 1e-6, "{} {days}", large.reads / entries);
    assert!(large.passes == 1 && large.memory_mb > 6_000, "{large:?}");
    let huge = Proofs::of(&load(10_000.0, 10.0));
    assert!(huge.passes == 7 && huge.memory_mb == 10_240, "{huge:?}");
}

/// Dollars a month for figures and the log, at most.
#[test]
fn without_event_items_a_month_stays_within_what_the_documents_promise() {
    let prices = Prices::read(None).unwrap();
    let items = ItemOptions { event_items: false, user_index: false };
    for (rate, most) in [(10.0, 30.0), (100.0, 45.0), (1_000.0, 160.0), (10_000.0, 1_500.0)] {
        let load = Load { event_bytes: 450.0, items, peak: 2.0, ..load(rate, 10.0) };
        let load = Load { sources: load.shards_needed(), ..load };
        let estimate = Estimate::of(&load, &prices, Capacity::Provisioned, Capacity::OnDemand, false);
        println!("{rate}/s: ${:.2}", estimate.total());
        assert!(estimate.total() <= most, "{rate}/s: {:#?}", estimate.lines);
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
        Estimate::of(&load, &prices, Capacity::Provisioned, Capacity::OnDemand, false)
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
