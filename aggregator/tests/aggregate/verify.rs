use headcount_aggregator::{AggregateError, verify};
use headcount_core::counters::Counters;
use headcount_core::deployment::TableId;
use headcount_core::origin::Source;
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::Quiet;
use headcount_testkit::memory::PartialPart;
use serde_json::json;

use crate::world::{HOUR_MS, World, date, feature_use, page_view, soon, source};

const DAY: &str = "2026-03-10";

async fn world_with_two_sources() -> World {
    let world = World::new(DAY);
    let at = world.at(DAY, 9);
    world.deliver(&source(0), &[page_view("e1", "ann", at)]).await;
    world.deliver(&source(0), &[feature_use("e2", "search", at), page_view("e1", "ann", at)]).await;
    world.deliver(&source(1), &[page_view("e3", "bob", at)]).await;
    world.reject(&source(1), 2).await;
    world
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_right_passes() {
    let world = world_with_two_sources().await;
    let found = world.verify(DAY).await.unwrap();
    assert!(found.passed(), "{found:?}");
    assert_eq!((found.sources.len(), found.events(), found.in_flight(), found.repeated), (2, 3, 0, 0));
    let nothing = world.verify("2026-03-09").await.unwrap();
    assert!(nothing.passed() && nothing.sources.is_empty());
    assert_eq!(
        serde_json::to_value(&found).unwrap()["sources"][1],
        json!({
            "source": source(1).as_str(), "asOf": 2, "events": 1, "inFlight": 0, "damaged": null, "damagedEntries": [],
            "differences": [],
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_event_is_found_by_source_and_counter() {
    let world = world_with_two_sources().await;
    world.lose_entry(&source(0), 2).await;
    // Behind the gap, so that it is none at the end of the log.
    world.deliver(&source(0), &[page_view("e4", "eve", world.at(DAY, 9))]).await;
    let found = world.verify(DAY).await.unwrap();
    assert!(!found.passed());
    let [failed] = &found.sources.iter().filter(|source| !source.passed()).collect::<Vec<_>>()[..] else {
        panic!("{found:?}")
    };
    assert_eq!(failed.source, source(0).as_str());
    let search = failed.differences.iter().find(|found| found.counter == "featureUsage.search").unwrap();
    assert_eq!((search.stored, search.recounted), (1, 0));
    assert!(failed.differences.iter().any(|found| found.counter == "events"));
    assert_eq!((failed.damaged_entries.len(), failed.damaged_entries[0].entry), (1, 2));
    assert!(failed.damaged_entries[0].detail.contains("missing"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_entry_at_the_end_is_found_by_its_counters() {
    let world = world_with_two_sources().await;
    world.lose_entry(&source(0), 2).await;
    let found = world.verify(DAY).await.unwrap();
    assert!(!found.passed() && found.sources[1].passed(), "{found:?}");
    assert!(found.sources[0].differences.iter().any(|found| found.counter == "events"));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_entry_is_named_by_source_and_number() {
    let world = world_with_two_sources().await;
    world.append(&source(1), &[page_view("e5", "eve", world.at(DAY, 9))]).await;
    world.damage_entry(&source(1), 3).await;
    let rolled_up = world.roll_up().await;
    let passed_over = &rolled_up.following.sources[1].damaged;
    assert_eq!((passed_over.len(), passed_over[0].entry), (1, 3), "{rolled_up:?}");
    let found = world.verify(DAY).await.unwrap();
    assert!(found.sources[0].passed() && !found.passed());
    let damaged = &found.sources[1].damaged_entries;
    assert_eq!((damaged.len(), damaged[0].entry), (1, 3), "{found:?}");
    assert!(damaged[0].detail.contains("checksum"), "{damaged:?}");
    assert_eq!(found.sources[1].differences, [], "what cannot be read was not counted");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_counter_of_any_kind_is_found() {
    type Change = fn(&mut Counters);
    let wrong: [(&str, Change); 4] = [
        ("events", |counters| counters.events += 1),
        ("rejected", |counters| counters.add_rejected(1)),
        ("duplicates", |counters| counters.add_duplicates(1)),
        ("eventsByHour.09", |counters| counters.by_hour[9] -= 1),
    ];
    for (name, change) in wrong {
        let world = world_with_two_sources().await;
        world.change_partial(DAY, &source(1), |partial| change(&mut partial.counters)).await;
        let found = world.verify(DAY).await.unwrap();
        assert!(found.sources[0].passed() && !found.passed(), "{name}");
        let differences: Vec<_> = found.sources[1].differences.iter().map(|found| &*found.counter).collect();
        assert_eq!(differences, [name]);
    }
}

#[tokio::test(start_paused = true)]
async fn users_and_sessions_that_nobody_saw_are_found() {
    let world = world_with_two_sources().await;
    world.change_partial(DAY, &source(0), |partial| partial.users.insert("nobody")).await;
    world.change_partial(DAY, &source(1), |partial| partial.sessions.insert("no session", 1)).await;
    let found = world.verify(DAY).await.unwrap();
    let [users, sessions] = [0, 1].map(|n| &found.sources[n].differences[0]);
    assert_eq!((&*users.counter, users.stored, users.recounted), ("users", 2, 1));
    assert_eq!((&*sessions.counter, sessions.stored, sessions.recounted), ("sessions", 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lost_partial_is_found() {
    let world = world_with_two_sources().await;
    // Partials of another table count as absent.
    let mut meta = world.store.meta().unwrap();
    meta.table = TableId(1);
    let checkpoints = world.store.all_checkpoints();
    world.store.set_meta(meta);
    for row in checkpoints {
        let write = headcount_store::traits::CheckpointStore::write_checkpoint;
        write(&world.store, world.table(), row.follower, &row.source, &row.checkpoint).await.unwrap();
    }
    let found = world.verify(DAY).await.unwrap();
    assert_eq!((found.passed(), found.sources.len()), (false, 2));
    let events = found.sources[0].differences.iter().find(|found| found.counter == "events").unwrap();
    assert_eq!((events.stored, events.recounted), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn events_in_entries_that_are_not_followed_are_in_flight() {
    let world = world_with_two_sources().await;
    let at = world.at(DAY, 10);
    world.append(&source(0), &[page_view("later", "eve", at)]).await;
    world.append(&source(5), &[page_view("a", "eve", at), page_view("b", "eve", at)]).await;
    let found = world.verify(DAY).await.unwrap();
    assert!(found.passed(), "{found:?}");
    assert_eq!((found.events(), found.in_flight()), (3, 3));
    let new = found.sources.iter().find(|found| found.source == source(5).as_str()).unwrap();
    assert_eq!((new.in_flight, new.as_of), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_memory_missed_is_told() {
    let world = world_with_two_sources().await;
    // The memory of another process knows nothing of other sources.
    let world = world.with_cold_consumer();
    let at = world.at(DAY, 9);
    let again = [page_view("e1", "ann", at), page_view("e1", "ann", at + 1), page_view("e3", "bob", at)];
    world.deliver(&source(2), &again).await;
    let found = world.verify(DAY).await.unwrap();
    assert!(found.passed(), "{found:?}");
    assert_eq!((found.events(), found.repeated), (6, 2), "with another timestamp it is another event");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_source_does_not_pass() {
    for part in [PartialPart::Counters, PartialPart::Users, PartialPart::Sessions, PartialPart::Checksum] {
        let world = world_with_two_sources().await;
        world.store.damage_partial(date(DAY), &source(1), part);
        let found = world.verify(DAY).await.unwrap();
        assert!(!found.passed() && found.sources[0].passed(), "{part:?}");
        assert!(found.sources[1].damaged.is_some(), "{part:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_entries_of_a_day_are_found_in_a_long_log() {
    let world = World::new("2026-03-08");
    // Three days of an entry every two hours; each holds an event of its time, some a late one of the 9th.
    for n in 0..36i64 {
        let at = world.at("2026-03-08", 0) + n * 2 * HOUR_MS;
        let mut views = vec![page_view(&format!("e{n}"), &format!("u{}", n % 5), at)];
        if n % 7 == 0 && n > 24 {
            views.push(page_view(&format!("late{n}"), "late", world.at("2026-03-09", 1)));
        }
        world.turn_to("2026-03-08");
        world.pass(at - world.now_ms());
        world.deliver(&source(0), &views).await;
    }
    world.roll_up().await;
    for (day, events) in [("2026-03-08", 12), ("2026-03-09", 14), ("2026-03-10", 12)] {
        let found = world.verify(day).await.unwrap();
        assert!(found.passed() && found.events() == events, "{day}: {found:?}");
    }
    // Whichever entry of the search is damaged, no other one is left out.
    for entry in [1, 13, 18, 19, 36] {
        let copy = World::new("2026-03-11");
        for n in 0..36i64 {
            let at = copy.at("2026-03-08", 0) + n * 2 * HOUR_MS;
            copy.turn_to("2026-03-08");
            copy.pass(at - copy.now_ms());
            copy.deliver(&source(0), &[page_view(&format!("e{n}"), "ann", at)]).await;
        }
        copy.damage_header(&source(0), entry).await;
        let found = copy.verify("2026-03-09").await.unwrap();
        let is_of_the_day = (13..=24).contains(&entry);
        assert_eq!(found.events(), 12 - u64::from(is_of_the_day), "entry {entry}: {found:?}");
        assert!(!is_of_the_day || !found.passed(), "entry {entry}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_whose_entries_expire_is_refused() {
    let world = world_with_two_sources().await;
    // Entries live 90 days; until a day earlier they are counted.
    world.turn_to("2026-06-06");
    assert!(world.verify(DAY).await.unwrap().passed());
    world.turn_to("2026-06-09");
    let error = world.verify(DAY).await.unwrap_err();
    assert!(matches!(&error, AggregateError::Expired { date: found, .. } if *found == date(DAY)), "{error}");
    assert!(
        error.to_string().contains("stay as they are") && error.to_string().contains("appended on 2026-03-10"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_imported_file_is_read_whole() {
    let world = World::new(DAY);
    let import = Source::import(3);
    world.deliver(&import, &[page_view("h1", "ann", world.at("2020-01-01", 1))]).await;
    world.deliver(&import, &[page_view("h2", "bob", world.at("2020-01-02", 1))]).await;
    world.deliver(&import, &[page_view("h3", "bob", world.at("2020-01-01", 2))]).await;
    let found = world.verify("2020-01-01").await.unwrap();
    assert!(found.passed() && found.events() == 2, "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written() {
    let world = world_with_two_sources().await;
    let store = Faulty::new(world.store.clone(), Quiet);
    verify(&world.deps_over(store.clone(), 1), date(DAY), soon()).await.unwrap();
    let writes = store.requests().into_keys().filter(|operation| {
        let name = format!("{operation:?}");
        ["Put", "Write", "Mark", "Create"].iter().any(|verb| name.starts_with(verb))
    });
    assert_eq!(writes.count(), 0);
}
