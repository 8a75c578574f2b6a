use std::collections::BTreeSet;

use headcount_aggregator::scan::{ScanProgress, Scanned};
use headcount_aggregator::scan_user;
use headcount_core::calendar::days;
use headcount_core::origin::Source;

use crate::world::{World, date, page_view, soon, source};

async fn scan(world: &World, user: &str, from: &str, to: &str) -> (Scanned, ScanProgress) {
    let log = world.log();
    let deployment = log.deployment(soon()).await.unwrap().unwrap();
    let dates: BTreeSet<_> = days(date(from), date(to)).collect();
    let mut last = ScanProgress::default();
    let on_progress = |progress| last = progress;
    let found = scan_user(&log, &deployment, &world.settings, user, &dates, on_progress, soon()).await.unwrap();
    (found, last)
}

fn ids(scanned: &Scanned) -> Vec<&str> {
    scanned.events.iter().map(|event| &*event.id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_users_events_are_found_wherever_they_were_appended() {
    let world = World::new("2026-03-01");
    for (n, today) in ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-20"].into_iter().enumerate() {
        world.turn_to(today);
        let views = [
            page_view(&format!("a{n}"), "ann", world.at(today, 9)),
            page_view(&format!("b{n}"), "bob", 1 + world.at(today, 9)),
        ];
        world.deliver(&source(n as u32 % 2), &views).await;
    }
    let late = [page_view("imported", "ann", world.at("2026-03-02", 10))];
    world.deliver(&Source::import(1), &late).await;
    // In the log twice, and shown once.
    let world = world.with_cold_consumer();
    world.deliver(&Source::redrive("batch"), &[page_view("a1", "ann", world.at("2026-03-02", 9))]).await;

    let (found, progress) = scan(&world, "ann", "2026-03-01", "2026-03-02").await;
    assert_eq!(ids(&found), ["imported", "a1", "a0"], "the newest first");
    assert!(!found.is_cut && found.damaged.is_empty());
    assert_eq!((progress.sources, progress.of_sources, progress.found), (4, 4, 3));
    // Of the shards neither what came long after is read.
    assert_eq!(progress.entries, 2 + 1 + 1 + 1, "{progress:?}");
    assert_eq!(ids(&scan(&world, "bob", "2026-03-03", "2026-03-31").await.0), ["b3", "b2"]);
    assert_eq!(ids(&scan(&world, "nobody", "2026-03-01", "2026-03-31").await.0), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_named() {
    let world = World::new("2026-03-01");
    for n in 0..3 {
        world.deliver(&source(0), &[page_view(&format!("a{n}"), "ann", world.at("2026-03-01", 9) + n)]).await;
    }
    world.damage_entry(&source(0), 2).await;
    let (found, _) = scan(&world, "ann", "2026-03-01", "2026-03-01").await;
    assert_eq!((ids(&found), &found.damaged), (vec!["a2", "a0"], &vec![(source(0).to_string(), 2)]));
}
