//! Proofs and what they make of a day's figures.

use headcount_aggregator::prove::{Asked, ProofRun, prove_days};
use headcount_aggregator::verify::StoredProof;
use headcount_core::metrics::Figures;
use headcount_store::traits::ProofStore;
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::{Decision, Fault, Operation, Request};

use crate::world::{HOUR_MS, World, date, day, feature_use, page_view, soon, source};

const DAY: &str = "2026-03-10";

impl World {
    async fn prove(&self, asked: &Asked) -> ProofRun {
        prove_days(&self.deps(), asked, soon()).await.unwrap()
    }

    async fn prove_day(&self) -> ProofRun {
        self.prove(&Asked::Dates(vec![date(DAY)])).await
    }
}

/// Two shards and a duplicate that only the log can tell: it met another process on another shard.
async fn world_with_a_duplicate() -> World {
    let world = World::new(DAY);
    let at = world.at(DAY, 9);
    world.deliver(&source(0), &[page_view("e1", "ann", at), page_view("e2", "ann", at + HOUR_MS)]).await;
    world.deliver(&source(0), &[feature_use("e3", "search", at)]).await;
    let world = world.with_cold_consumer();
    world.deliver(&source(1), &[page_view("e1", "ann", at), page_view("e4", "bob", at)]).await;
    world
}

fn counted(figures: &Figures) -> (u64, u64, u64, u64) {
    let events = figures.events_by_type.values().sum();
    (events, figures.duplicates, figures.active_users, figures.sessions.count)
}

#[tokio::test(start_paused = true)]
async fn a_proof_makes_the_days_figures_exact() {
    let world = world_with_a_duplicate().await;
    world.roll_up().await;
    let live = world.figures(DAY);
    assert_eq!((counted(&live), live.verified), ((5, 0, 2, 2), false), "live, the duplicate counts again");
    assert!(live.proof.is_none() && live.estimate.users_relative_standard_error > 0.0);

    let run = world.prove_day().await;
    assert!(run.is_clean(), "{run:?}");
    assert_eq!((run.days[0].number, run.days[0].events, run.days[0].duplicates), (Some(1), 4, 1));
    let proven = world.figures(DAY);
    assert_eq!((counted(&proven), proven.verified), ((4, 1, 2, 2), true));
    assert_eq!(proven.average_session_duration.to_bits(), (HOUR_MS as f64 / 2.0).to_bits());
    assert!(proven.estimate.users_relative_standard_error == 0.0 && proven.estimate.sessions_exact);
    let note = proven.proof.unwrap();
    assert_eq!((note.events_since, note.users_by.features["search"], note.users_by.platforms["web"]), (0, 1, 2));

    let found = world.verify(DAY).await.unwrap();
    assert!(found.passed() && found.proof == StoredProof::Same, "{found:?}");
    assert_eq!(found.repeated, 1);
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_a_proof_is_added_to_it() {
    let world = world_with_a_duplicate().await;
    world.prove_day().await;
    world
        .deliver(
            &source(1),
            &[page_view("e5", "eve", world.at(DAY, 10)), feature_use("e6", "export", 1 + world.at(DAY, 9))],
        )
        .await;
    // A source that the proof does not know.
    world.deliver(&source(2), &[page_view("e7", "eve", world.at(DAY, 11))]).await;
    world.roll_up().await;
    let figures = world.figures(DAY);
    assert_eq!((counted(&figures), figures.verified), ((7, 1, 3, 3), false), "the duplicate stays out");
    assert_eq!((figures.feature_usage["search"], figures.feature_usage["export"]), (1, 1));
    assert_eq!(figures.proof.unwrap().events_since, 3);
    assert_eq!(world.verify(DAY).await.unwrap().proof, StoredProof::Earlier);

    let run = world.prove_day().await;
    assert_eq!(run.days[0].number, Some(2));
    let figures = world.figures(DAY);
    assert_eq!((counted(&figures), figures.verified), ((7, 1, 3, 3), true));
    let proof = world.log().proof(date(DAY), soon()).await.unwrap().unwrap();
    assert_eq!((proof.proven.number, proof.sources.len()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn only_days_that_changed_are_proven() {
    let world = world_with_a_duplicate().await;
    let run = world.prove(&Asked::WithinBudget).await;
    assert_eq!(run.days.iter().map(|day| day.date).collect::<Vec<_>>(), [date(DAY)]);
    assert_eq!(world.prove(&Asked::WithinBudget).await.days, []);
    assert_eq!(world.prove(&Asked::AllOpen).await.days, []);
    // Late events of a day long past wait for the night.
    world.turn_to("2026-03-14");
    world.deliver(&source(0), &[page_view("late", "zoe", world.at(DAY, 9))]).await;
    assert_eq!(world.prove(&Asked::WithinBudget).await.days, []);
    let run = world.prove(&Asked::AllOpen).await;
    assert_eq!((run.days[0].date, run.days[0].events), (date(DAY), 5));
    // Nor is more than the budget proven by the hour.
    let mut small = world.clone();
    small.settings.proof_budget = 1;
    small.deliver(&source(0), &[page_view("a", "zoe", world.at("2026-03-14", 9)), page_view("b", "zoe", 1)]).await;
    assert_eq!(small.prove(&Asked::WithinBudget).await.days.len(), 1, "one event fits");
    small.deliver(&source(0), &[page_view("c", "zoe", world.at("2026-03-14", 9))]).await;
    assert_eq!(small.prove(&Asked::WithinBudget).await.days, []);
}

#[tokio::test(start_paused = true)]
async fn a_proof_names_a_partial_that_is_not_what_the_log_says() {
    let world = world_with_a_duplicate().await;
    world.change_partial(DAY, &source(1), |partial| partial.counters.events += 7).await;
    let run = world.prove_day().await;
    assert!(!run.is_clean());
    let named = &run.days[0].differences[&source(1)];
    assert_eq!((&*named[0].counter, named[0].stored, named[0].recounted), ("events", 9, 2));
    assert_eq!(counted(&world.figures(DAY)).0, 4, "the proof does not rest on partials");
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_misses_entries_is_stored_and_not_applied() {
    let world = world_with_a_duplicate().await;
    world.lose_entry(&source(0), 1).await;
    world.deliver(&source(0), &[page_view("e8", "ann", world.at(DAY, 9))]).await;
    // The first entry of all: a gap before it is not to be told from expiry, the second one's is.
    world.lose_entry(&source(0), 2).await;
    world.deliver(&source(1), &[page_view("e9", "ann", world.at(DAY, 9))]).await;
    world.damage_entry(&source(1), 1).await;
    let run = world.prove_day().await;
    assert!(!run.is_clean() && run.days[0].damaged > 0, "{run:?}");
    let figures = world.figures(DAY);
    assert!(!figures.verified && figures.proof.is_none());
    assert_eq!(counted(&figures).0, 7, "the partials had counted what is lost now");
    let stored = world.store.read_proof(world.table(), date(DAY)).await.unwrap().unwrap();
    assert!(!stored.is_whole());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_dies_anywhere_is_made_up_for_by_the_next() {
    for step in 0..12 {
        let world = world_with_a_duplicate().await;
        let plan = move |request: &Request<'_>| match request.operation {
            Operation::PutProof | Operation::PutProvenSources | Operation::PutDaily | Operation::PutSketches
                if request.number >= step =>
            {
                Decision::fault(Fault::Invalid)
            }
            _ => Decision::default(),
        };
        let deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
        let broken = prove_days(&deps, &Asked::Dates(vec![date(DAY)]), soon()).await;
        if let Ok(run) = &broken {
            assert!(!run.is_clean() || counted(&world.figures(DAY)).0 == 4, "{run:?}");
        }
        let run = world.prove_day().await;
        assert!(run.is_clean(), "{step}: {run:?}");
        assert_eq!(counted(&world.figures(DAY)), (4, 1, 2, 2), "{step}");
        assert!(world.verify(DAY).await.unwrap().passed(), "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_rolled_up_anew_keeps_its_proof() {
    let world = world_with_a_duplicate().await;
    world.prove_day().await;
    let proven = world.figures(DAY);
    let again = world.roll_up_named(&[DAY]).await;
    assert_eq!(day(&again, DAY).outcome, headcount_aggregator::roll_up::Outcome::Unchanged);
    assert_eq!(world.figures(DAY), proven);
}

#[tokio::test(start_paused = true)]
async fn figures_that_a_run_did_not_write_are_written_the_next_night() {
    let world = world_with_a_duplicate().await;
    world.turn_to("2026-03-25");
    world.prove_day().await;
    assert!(world.figures(DAY).is_final);
    world.deliver(&source(2), &[page_view("e7", "eve", world.at(DAY, 11))]).await;
    let plan = |request: &Request<'_>| match request.operation {
        Operation::PutDaily => Decision::fault(Fault::Invalid),
        _ => Decision::default(),
    };
    let deps = world.deps_over(Faulty::new(world.store.clone(), plan), 1);
    let run = prove_days(&deps, &Asked::Nightly, soon()).await.unwrap();
    assert_eq!((run.days[0].number, run.is_clean()), (Some(2), false));
    assert_eq!(counted(&world.figures(DAY)).0, 4);
    assert_eq!(world.prove(&Asked::Nightly).await.days, [], "it is proven");
    let figures = world.figures(DAY);
    assert_eq!((counted(&figures), figures.is_final), ((5, 1, 3, 3), true));
    assert!(world.prove(&Asked::Nightly).await.roll_up.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_day_is_proven_again_though_another_source_is_gone_from_the_log() {
    let world = world_with_a_duplicate().await;
    let retired = source(9);
    world.deliver(&retired, &[page_view("old", "eve", world.at("2026-03-09", 11))]).await;
    assert_eq!(world.prove_day().await.days[0].number, Some(1));
    world.lose_entry(&retired, 1).await;
    world.deliver(&source(1), &[page_view("e5", "eve", world.at(DAY, 10))]).await;
    let run = world.prove_day().await;
    assert_eq!((run.days[0].number, run.days[0].events), (Some(2), 5));
    assert!(world.figures(DAY).verified);
}
