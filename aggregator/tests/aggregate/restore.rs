use headcount_aggregator::prove::{Asked, prove_days};
use headcount_aggregator::restore::{RestoreProgress, Restored, Step, restore};
use headcount_aggregator::{AggregateError, roll_up};
use headcount_core::metrics::DailyMetrics;
use headcount_testkit::memory::MemoryStore;

use crate::world::{World, date, other_deployment, page_view, soon, source};

const DAYS: [&str; 3] = ["2026-03-08", "2026-03-09", "2026-03-10"];

/// Events of two sources on three days; an event of another source is in the log twice.
async fn count(world: &World, from: usize, to: usize) {
    for n in from..to {
        let day = DAYS[n % 3];
        let (id, user) = (format!("e{n}"), format!("user-{}", n % 7));
        world.deliver(&source(n as u32 % 2), &[page_view(&id, &user, world.at(day, 1) + n as i64)]).await;
    }
    world.reject(&source(0), 2).await;
}

async fn prove_all(world: &World) {
    let dates = DAYS.iter().map(|day| date(day)).collect();
    let proven = prove_days(&world.deps(), &Asked::Dates(dates), soon()).await.unwrap();
    assert!(proven.is_clean(), "{proven:?}");
}

async fn restored(world: &World) -> (Restored, Vec<RestoreProgress>) {
    let mut told = Vec::new();
    let restored = restore(&world.deps(), |progress| told.push(progress), soon()).await.unwrap();
    assert!(restored.is_complete(), "{restored:?}");
    (restored, told)
}

/// All that people see: figures, event items, rejected items, first days.
fn seen(store: &MemoryStore) -> impl PartialEq + std::fmt::Debug + use<> {
    let dailies = store.all_dailies().into_iter().map(|row| (row.date, DailyMetrics::from_object(&row.data).unwrap()));
    let profiles: Vec<_> = store.all_profiles().into_iter().map(|profile| (profile.user_id, profile.date)).collect();
    (dailies.collect::<Vec<_>>(), store.all_events(), store.all_rejected(), profiles)
}

#[tokio::test(start_paused = true)]
async fn a_table_that_was_set_back_or_lost_is_made_whole() {
    for seed in 0..12 {
        let world = World::new("2026-03-10");
        count(&world, 0, 9).await;
        world.roll_up().await;
        let early = world.store.snapshot();
        count(&world, 9, 20).await;
        prove_all(&world).await;
        let middle = world.store.snapshot();
        count(&world, 20, 31).await;
        world.roll_up().await;
        let before = (seen(&world.store), world.table());
        match seed {
            0 => world.store.clear(),
            1 => world.store.restore(&[early], seed),
            2 => {}
            _ => world.store.restore(&[early, middle, world.store.snapshot()], seed),
        }
        let (done, told) = restored(&world).await;
        assert_eq!((done.events, done.proofs, done.from_proofs.len(), done.unproven.len()), (31, 3, 0, 0));
        assert!(done.cut().next().is_none());
        assert_ne!(world.table(), before.1);
        assert_eq!(seen(&world.store), before.0, "seed {seed}");
        for day in DAYS {
            assert!(world.verify(day).await.unwrap().passed(), "{day}");
        }
        assert!(told.is_sorted_by_key(|progress| progress.step));
        for step in [Step::Figures, Step::Items] {
            let last = told.iter().rfind(|progress| progress.step == step).unwrap();
            assert_eq!((last.done, last.events), (last.of, last.of_events), "{step:?}");
            assert_eq!((last.of, last.of_events), (done.entries, 31));
        }
        // Again, and it goes on from there.
        restored(&world).await;
        assert_eq!(seen(&world.store), before.0, "seed {seed}, again");
        let world = world.with_cold_consumer();
        count(&world, 31, 33).await;
        assert_eq!(world.roll_up().await.failed().count(), 0);
        assert_eq!(world.figures(DAYS[1]).events_by_type["page_view"], 11);
    }
}

#[tokio::test(start_paused = true)]
async fn of_expired_days_the_proof_tells_the_figures() {
    for is_cleared in [true, false] {
        let world = World::new("2026-03-10");
        count(&world, 0, 12).await;
        let early = world.store.snapshot();
        count(&world, 12, 31).await;
        prove_all(&world).await;
        roll_up(&world.deps(), None, soon()).await.unwrap();
        let before: Vec<_> = DAYS.iter().map(|day| world.figures(day)).collect();
        let sketches = world.store.all_sketches();
        // All but the newest entries of each source are gone.
        world.turn_to("2026-06-20");
        for n in 0..2 {
            world.deliver(&source(n), &[page_view(&format!("new-{n}"), "ann", world.now_ms())]).await;
            for entry in 1..=if n == 0 { 18 } else { 14 } {
                world.lose_entry(&source(n), entry).await;
            }
        }
        // One of an expired day comes after its proof.
        world.deliver(&source(0), &[page_view("late", "late", world.at(DAYS[0], 2))]).await;
        if is_cleared {
            world.store.clear();
        } else {
            world.store.restore(&[early], 1);
        }
        let (done, _) = restored(&world).await;
        assert_eq!(done.from_proofs, DAYS.map(date));
        assert_eq!((done.cut().count(), done.unproven.len()), (2, 0), "{:?}", done.sources);
        for (day, before) in DAYS.iter().zip(&before).skip(1) {
            let mut after = world.figures(day);
            if is_cleared {
                // Their profiles went with the entries.
                (after.new_signups_24h, after.total_users) = (before.new_signups_24h, before.total_users);
                assert_eq!(after.active_users, before.active_users);
            }
            assert_eq!((after.active_users, after.sessions), (before.active_users, before.sessions), "{day}");
            assert_eq!(after.events_by_type, before.events_by_type, "{day}");
        }
        let late = world.figures(DAYS[0]);
        assert_eq!(late.events_by_type["page_view"], before[0].events_by_type["page_view"] + 1);
        assert_eq!(late.active_users, before[0].active_users + 1);
        let after = world.store.all_sketches();
        for before in sketches.iter().skip(1).filter(|row| row.date == date(DAYS[1]) || row.date == date(DAYS[2])) {
            let after = after.iter().find(|after| after.date == before.date).unwrap();
            assert_eq!((&after.users, &after.sessions), (&before.users, &before.sessions));
        }
        assert!(matches!(world.verify(DAYS[1]).await, Err(AggregateError::Expired { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_deployment_or_with_a_foreign_one_nothing_is_touched() {
    let world = World::new("2026-03-10");
    let refused = restore(&world.deps(), |_| {}, soon()).await.unwrap_err();
    assert_eq!(refused, AggregateError::NoDeployment);
    count(&world, 0, 3).await;
    let meta = headcount_core::deployment::TableMeta { deployment: other_deployment(), table: world.table() };
    world.store.set_meta(meta.clone());
    let refused = restore(&world.deps(), |_| {}, soon()).await.unwrap_err();
    assert!(matches!(refused, AggregateError::Deployment(_)), "{refused}");
    assert_eq!(world.store.meta(), Some(meta));
}
