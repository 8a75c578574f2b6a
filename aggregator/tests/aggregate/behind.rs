use headcount_aggregator::follow::{BEHIND_AFTER_MS, HELD_BACK_MS};
use headcount_aggregator::handler::{Handled, handle};
use headcount_aggregator::{Following, follow_behind};
use headcount_core::keys::Follower;
use headcount_core::origin::Source;
use headcount_store::traits::CheckpointStore as _;
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::{Decision, Fault, Operation, Request};
use headcount_testkit::memory::MemoryStore;
use serde_json::json;
use tokio::time::Duration;

use crate::world::{World, day, page_view, soon, source};

const DAY: &str = "2026-03-10";

async fn light(world: &World) -> Following {
    follow_behind(&world.deps(), soon()).await.unwrap()
}

/// The last entry that each follower has of a source.
async fn followed(world: &World, source: &Source) -> [u64; 2] {
    let mut entries = [0; 2];
    for (entry, follower) in entries.iter_mut().zip(Follower::ALL) {
        let found = world.store.read_checkpoint(world.table(), follower, source).await.unwrap();
        *entry = found.map_or(0, |checkpoint| checkpoint.entry);
    }
    entries
}

#[tokio::test(start_paused = true)]
async fn a_source_is_taken_over_once_it_is_behind_for_two_minutes() {
    let world = World::new(DAY);
    world.deliver(&source(0), &[page_view("e1", "ann", world.at(DAY, 9))]).await;
    world.append(&source(0), &[page_view("e2", "bob", world.at(DAY, 9))]).await;
    world.pass(60_000);
    world.append(&source(0), &[page_view("e3", "eve", world.at(DAY, 9))]).await;
    world.pass(BEHIND_AFTER_MS - 60_000);
    let waits = light(&world).await;
    let [found] = &waits.sources[..] else { panic!("{waits:?}") };
    assert_eq!((found.newest, found.figures.entry, found.items.entry), (3, 1, 1), "{waits:?}");
    assert_eq!((found.figures.entries_behind, found.figures.millis_behind), (2, BEHIND_AFTER_MS as u64));

    world.pass(1);
    let done = light(&world).await;
    let [found] = &done.sources[..] else { panic!("{done:?}") };
    assert_eq!((found.figures.entry, found.items.entry, found.figures.millis_behind), (3, 3, 0), "{done:?}");
    assert!(done.behind().next().is_none());
    assert_eq!(followed(&world, &source(0)).await, [3, 3]);
    assert_eq!(world.store.all_events().len(), 3);
    assert_eq!(world.store.all_profiles().len(), 3);
    // The consumer goes on from there.
    world.deliver(&source(0), &[page_view("e4", "ann", world.at(DAY, 10))]).await;
    world.roll_up().await;
    assert_eq!(world.figures(DAY).events_by_type["page_view"], 4);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_at_work_is_not_waited_for_longer_than_it_holds_partials_back() {
    let world = World::new(DAY);
    // Of a day whose partial is written seldom.
    world.append(&source(0), &[page_view("e0", "ann", world.at("2026-03-07", 9))]).await;
    for minute in 1..=HELD_BACK_MS / 60_000 {
        world.pass(60_000);
        world.append(&source(0), &[page_view(&format!("e{minute}"), "ann", world.at(DAY, 9))]).await;
        let waits = light(&world).await;
        assert_eq!(waits.sources[0].figures.entry, 0, "after {minute} minutes: {waits:?}");
    }
    world.pass(1);
    let done = light(&world).await;
    assert_eq!(done.sources[0].figures.entry, done.sources[0].newest, "{done:?}");
    // One that is not at work is waited for as long as any other.
    world.append(&source(0), &[page_view("late", "ann", world.at("2026-03-07", 9))]).await;
    world.pass(BEHIND_AFTER_MS + 1);
    let done = light(&world).await;
    assert_eq!(done.sources[0].figures.entry, done.sources[0].newest, "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_never_used_has_nothing_to_follow() {
    assert_eq!(light(&World::new(DAY)).await, Following::default());
}

#[tokio::test(start_paused = true)]
async fn the_most_behind_comes_first_and_one_that_fails_stops_nobody() {
    let world = World::new(DAY);
    world.deliver(&source(7), &[page_view("first", "ann", world.at(DAY, 9))]).await;
    for n in [2, 0, 1] {
        world.append(&source(n), &[page_view(&format!("e{n}"), "ann", world.at(DAY, 9))]).await;
        world.pass(60_000);
    }
    world.pass(BEHIND_AFTER_MS);
    // One source's checkpoint is refused as invalid; the order of the others shows in their requests.
    let plan = |request: &Request<'_>| match request.operation {
        Operation::WriteCheckpoint if request.keys[0].sk.contains("000000000000") => Decision::fault(Fault::Invalid),
        _ => Decision::default(),
    };
    let mut deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    deps.settings.parallel_requests = 1;
    let following = follow_behind(&deps, soon()).await.unwrap();
    let failed: Vec<_> = following.sources.iter().filter(|source| source.error.is_some()).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!((&*failed[0].source, failed[0].figures.entries_behind), (source(0).as_str(), 1));
    assert_eq!(followed(&world, &source(1)).await, [1, 1]);
    assert_eq!(followed(&world, &source(2)).await, [1, 1]);
    assert_eq!(followed(&world, &source(0)).await, [0, 0]);
    world.roll_up().await;
    assert_eq!(followed(&world, &source(0)).await, [1, 1]);
    assert_eq!(world.figures(DAY).events_by_type["page_view"], 4);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_is_followed_even_if_time_is_up_after_it() {
    let world = World::new(DAY);
    world.deliver(&source(7), &[page_view("first", "ann", world.at(DAY, 9))]).await;
    for n in [2, 0, 1] {
        world.append(&source(n), &[page_view(&format!("e{n}"), "ann", world.at(DAY, 9))]).await;
        world.pass(60_000);
    }
    world.pass(BEHIND_AFTER_MS);
    // Each write of a partial takes most of the time that figures have in a light run.
    let plan = |request: &Request<'_>| match request.operation {
        Operation::WritePartial => Decision { before: Duration::from_secs(30), ..Decision::default() },
        _ => Decision::default(),
    };
    let mut deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    deps.settings.parallel_requests = 1;
    let following = follow_behind(&deps, soon()).await.unwrap();
    let behind: Vec<_> = following.behind().map(|source| source.source.clone()).collect();
    assert_eq!(behind, [source(0).to_string(), source(1).to_string()], "{following:?}");
}

#[tokio::test(start_paused = true)]
async fn the_hourly_run_follows_all_and_rolls_up_what_it_has() {
    let world = World::new(DAY);
    world.deliver(&source(0), &[page_view("e1", "ann", world.at(DAY, 9))]).await;
    world.append(&source(0), &[page_view("e2", "bob", world.at(DAY, 9))]).await;
    world.append(&source(1), &[page_view("e3", "eve", world.at(DAY, 9))]).await;
    // Of one source partials cannot be written: its events are named as not yet in the figures.
    let plan = |request: &Request<'_>| match request.operation {
        Operation::WritePartial if request.keys[0].sk.contains("000000000001") => Decision::fault(Fault::Invalid),
        _ => Decision::default(),
    };
    let deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    let handled = handle(&deps, &json!({}), Duration::from_mins(15)).await.unwrap();
    let Handled::RolledUp(rolled_up) = handled else { panic!("{handled:?}") };
    let behind: Vec<_> = rolled_up.following.behind().collect();
    assert_eq!((behind.len(), &*behind[0].source, behind[0].figures.entries_behind), (1, source(1).as_str(), 1));
    assert_eq!(day(&rolled_up, DAY).sources, 1);
    assert_eq!(world.figures(DAY).active_users, 2);

    let json = serde_json::to_value(&rolled_up).unwrap();
    assert_eq!(json["following"]["sources"][1]["figures"], json!({"entry": 0, "entriesBehind": 1, "millisBehind": 0}));
    world.roll_up().await;
    assert_eq!(world.figures(DAY).active_users, 3);
}

#[tokio::test(start_paused = true)]
async fn heads_say_how_far_each_log_goes() {
    let world = World::new(DAY);
    for n in 0..3 {
        world.deliver(&source(0), &[page_view(&format!("e{n}"), "ann", world.at(DAY, 9))]).await;
    }
    let head = async || world.log().head(&source(0), soon()).await.unwrap();
    assert_eq!(head().await, None);
    light(&world).await;
    assert_eq!(head().await, None, "the light run writes none");
    world.roll_up().await;
    let first = head().await.unwrap();
    assert_eq!((first.entry, first.last.as_str(), first.appended_ms), (3, "3", world.now_ms()));
    // Where the newest entry cannot be read, the checkpoint tells; and a head never goes back.
    world.append(&source(0), &[page_view("damaged", "ann", world.at(DAY, 9))]).await;
    world.damage_header(&source(0), 4).await;
    world.roll_up().await;
    let second = head().await.unwrap();
    assert_eq!((second.entry, second.last.as_str()), (4, "3"), "what nobody can read covers nothing");
    assert_eq!(second.appended_ms, 0, "an earlier entry's time would make later records those of another stream");
    world.lose_entry(&source(0), 4).await;
    world.roll_up().await;
    assert_eq!(head().await, Some(second));
}

#[tokio::test(start_paused = true)]
async fn what_can_deliver_no_more_is_marked_as_finished_until_more_comes() {
    let world = World::new(DAY);
    let import = Source::import(7);
    world.deliver(&source(0), &[page_view("e1", "ann", world.at(DAY, 9))]).await;
    world.append(&import, &[page_view("h1", "old", world.at("2026-03-01", 9))]).await;
    world.roll_up().await;
    let finished = |world: &World| -> Vec<String> {
        let rows = world.store.all_checkpoints();
        rows.into_iter().filter(|row| row.is_finished).map(|row| row.source.to_string()).collect()
    };
    assert_eq!(finished(&world), [import.as_str(), import.as_str()], "both followers', and no shard's");
    // The light run does not look at it any more; the hourly one does.
    world.append(&import, &[page_view("h2", "older", world.at("2026-03-01", 9))]).await;
    world.pass(BEHIND_AFTER_MS + 1);
    let looked = light(&world).await;
    assert_eq!(looked.sources.len(), 1, "{looked:?}");
    world.roll_up().await;
    assert_eq!(followed(&world, &import).await, [2, 2]);
    assert_eq!(finished(&world).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_was_never_bound_is_bound_to_the_log() {
    let world = World::new(DAY);
    world.append(&source(0), &[page_view("e1", "ann", world.at(DAY, 9))]).await;
    assert_eq!(world.store.meta(), None);
    world.roll_up().await;
    assert!(world.store.meta().is_some());
    assert_eq!(world.figures(DAY).active_users, 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_survives_what_dies_in_the_middle() {
    for number in 0..40 {
        let world = World::new(DAY);
        world.deliver(&source(0), &[page_view("e1", "ann", world.at(DAY, 9))]).await;
        for n in 2..5 {
            let views = [page_view(&format!("e{n}"), &format!("u{n}"), world.at(DAY, 9))];
            world.append(&source(n % 2), &views).await;
        }
        world.pass(BEHIND_AFTER_MS + 1);
        let plan = move |request: &Request<'_>| match request.number {
            n if n == number => Decision::fault(if n % 2 == 0 { Fault::CrashAfter } else { Fault::CrashBefore }),
            _ => Decision::default(),
        };
        let store: Faulty<MemoryStore> = Faulty::new(world.store.clone(), plan);
        drop(store.until_crash(follow_behind(&world.deps_over(store.clone(), 1), soon())).await);
        world.roll_up().await;
        let figures = world.figures(DAY);
        let found = (figures.events_by_type["page_view"], figures.active_users, figures.total_users);
        assert_eq!(found, (4, 4, 4), "at request {number}");
        assert!(world.verify(DAY).await.unwrap().passed(), "at request {number}");
    }
}
