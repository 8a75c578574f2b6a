//! Budgets that are used up: each raises its alarm in the next run, once, whatever dies in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use headcount_aggregator::budgets::{BudgetCheck, RaisedAlarm, STALE_MS};
use headcount_aggregator::prove::{Asked, prove_days};
use headcount_aggregator::topic::Topic;
use headcount_aggregator::{Alarms, Deps, RollUp, roll_up};
use headcount_core::budget::{Budget, BudgetScope, Month};
use headcount_core::counters::Counters;
use headcount_runtime::aws::ConnectOptions;
use headcount_store::rows::{BudgetItem, BudgetRow, Put};
use headcount_store::traits::{AggregatorStore, BudgetStore as _};
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::{Decision, Fault, Operation, Request};
use headcount_testkit::faulty::seeded::{Rates, SeededFaults};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{Duration, Instant};

use crate::world::{HOUR_MS, World, date, soon, source};

const DOLLAR: u64 = 1_000_000_000;
const MINUTE_MS: i64 = 60_000;

/// A request to a language model for an account.
fn asked(id: &str, account: &str, dollars: f64, at_ms: i64) -> Value {
    json!({
        "eventId": id, "userId": "ann", "eventType": "ai_request", "timestamp": at_ms, "accountId": account,
        "eventData": {"model": "m", "cost": dollars, "feature": "summary"},
        "metadata": {"platform": "backend", "userAgent": "test", "ipAddress": "203.0.113.9"},
    })
}

fn account() -> BudgetScope {
    BudgetScope::account("acme").unwrap()
}

async fn set(world: &World, scope: BudgetScope, dollars: u64) {
    let budget = Budget { scope, monthly_nanos: dollars * DOLLAR };
    let row = BudgetRow { budget, updated_ms: world.now_ms() };
    assert_eq!(world.store.put_budget(&row).await, Ok(Put::Written));
}

fn deps<S: AggregatorStore>(world: &World, store: S, seed: u64) -> Deps<S> {
    world.deps_over(store, seed).with_alarms(Alarms::Log)
}

async fn check(world: &World) -> BudgetCheck {
    roll_up(&deps(world, world.store.clone(), 1), None, soon()).await.unwrap().budgets
}

/// Scopes, amounts and costs of what was raised, in dollars.
fn raised(check: &BudgetCheck) -> Vec<(&str, u64, f64)> {
    assert_eq!(check.error, None);
    let shown = |alarm: &RaisedAlarm| (alarm.amount_nanos / DOLLAR, alarm.spent_nanos as f64 / 1e9);
    check.raised.iter().map(|alarm| (&*alarm.scope, shown(alarm).0, shown(alarm).1)).collect()
}

/// A world on the hour whose account has a budget of $50 of which $40 are spent, some of it the day before.
async fn nearly_used_up() -> World {
    let world = World::new("2026-03-10");
    set(&world, account(), 50).await;
    world.deliver(&source(0), &[asked("a", "acme", 25.0, world.at("2026-03-09", 9))]).await;
    world.deliver(&source(1), &[asked("b", "acme", 15.0, world.at("2026-03-10", 9))]).await;
    world.deliver(&source(1), &[asked("z", "zenith", 70.0, world.at("2026-03-10", 9))]).await;
    assert_eq!(check(&world).await, BudgetCheck::default());
    world
}

/// The same, crossed a quarter of an hour later.
async fn crossed() -> World {
    let world = nearly_used_up().await;
    world.pass(15 * MINUTE_MS);
    world.deliver(&source(0), &[asked("c", "acme", 10.5, world.now_ms())]).await;
    world.pass(45 * MINUTE_MS);
    world
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_crossed_in_the_middle_of_an_hour_raises_its_alarm_in_the_next_run_once() {
    let world = crossed().await;
    let found = check(&world).await;
    assert_eq!(raised(&found), [("account acme", 50, 50.5)]);
    // 25 a day: one complete day, 25.5 today, and 21 days at the rate.
    let alarm = &found.raised[0];
    assert_eq!(
        (&*alarm.month, alarm.forecast_nanos, alarm.is_lower_bound),
        ("2026-03", (25 + 21 * 25) * DOLLAR + 25_500_000_000, false)
    );
    for hour in 0..48 {
        world.pass(HOUR_MS);
        if hour % 5 == 0 {
            world.deliver(&source(2), &[asked(&format!("d{hour}"), "acme", 1.0, world.now_ms())]).await;
        }
        assert_eq!(check(&world).await, BudgetCheck::default(), "hour {hour}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_scope_has_an_alarm_of_its_own_and_nothing_is_written_below_the_amount() {
    let world = crossed().await;
    for (scope, dollars) in [
        (BudgetScope::Project, 120),
        (BudgetScope::feature("summary").unwrap(), 121),
        (BudgetScope::feature("acme").unwrap(), 1),
        (BudgetScope::account("zenith").unwrap(), 70),
    ] {
        set(&world, scope, dollars).await;
    }
    let store = Faulty::new(world.store.clone(), |_: &Request<'_>| Decision::default());
    let found = roll_up(&deps(&world, store.clone(), 1), None, soon()).await.unwrap().budgets;
    let expected = [("account acme", 50, 50.5), ("account zenith", 70, 70.0), ("project", 120, 120.5)];
    assert_eq!(raised(&found), expected);
    let requests = store.requests();
    assert_eq!((requests[&Operation::ClaimAlarm], requests[&Operation::FinishAlarm]), (3, 3));
    // Once raised, a budget costs a run its part of the listing, and no write: 8 items on pages of 3.
    world.pass(HOUR_MS);
    roll_up(&deps(&world, store.clone(), 2), None, soon()).await.unwrap();
    assert_eq!((store.requests()[&Operation::ClaimAlarm], store.requests()[&Operation::BudgetsPage]), (3, 2 + 3));
}

#[tokio::test(start_paused = true)]
async fn runs_by_hand_and_of_named_dates_leave_the_alarm_to_the_schedule() {
    let world = crossed().await;
    assert_eq!(world.roll_up().await.budgets, BudgetCheck::default());
    let named = [date("2026-03-10")];
    let by_name = roll_up(&deps(&world, world.store.clone(), 1), Some(&named), soon()).await.unwrap();
    assert_eq!(by_name.budgets, BudgetCheck::default());
    assert_eq!(raised(&check(&world).await).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_runs_at_once_one_raises_it() {
    for seed in 0..40 {
        let world = crossed().await;
        let storm = Faulty::new(world.store.clone(), SeededFaults::new(seed, Rates::stormy()));
        let (first, second) = (deps(&world, storm.clone(), seed), deps(&world, storm, seed + 1_000));
        let (first, second) = tokio::join!(roll_up(&first, None, soon()), roll_up(&second, None, soon()));
        let all: Vec<_> = [first.unwrap(), second.unwrap()].into_iter().flat_map(|run| run.budgets.raised).collect();
        assert_eq!(all.len(), 1, "seed {seed}: {all:?}");
        world.pass(HOUR_MS);
        assert_eq!(check(&world).await, BudgetCheck::default(), "seed {seed}");
    }
}

/// Rolls up until the process dies at this request.
async fn die(world: &World, operation: Operation, fault: &Fault) {
    let (fault, died) = (fault.clone(), Arc::new(AtomicU32::new(0)));
    let plan = move |request: &Request<'_>| {
        if request.operation == operation && died.fetch_add(1, Ordering::SeqCst) == 0 {
            return Decision::fault(fault.clone());
        }
        Decision::default()
    };
    let store = Faulty::new(world.store.clone(), plan);
    let deps = deps(world, store.clone(), 5);
    assert!(store.until_crash(roll_up(&deps, None, soon())).await.is_err(), "{operation:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_dies_between_the_claim_and_the_note_loses_no_alarm() {
    // Where it dies, and whether the alarm waits for the claim to be stale, and whether it is raised again.
    for (operation, fault, waits, again) in [
        (Operation::ClaimAlarm, Fault::CrashBefore, false, true),
        (Operation::ClaimAlarm, Fault::CrashAfter, true, true),
        (Operation::FinishAlarm, Fault::CrashBefore, true, true),
        (Operation::FinishAlarm, Fault::CrashAfter, false, false),
    ] {
        let world = crossed().await;
        die(&world, operation, &fault).await;
        let at_once = check(&world).await;
        assert_eq!(at_once.raised.len(), usize::from(again && !waits), "{operation:?} {fault:?}");
        world.pass(STALE_MS + 1);
        let later = check(&world).await;
        assert_eq!(later.raised.len(), usize::from(again && waits), "{operation:?} {fault:?}");
        world.pass(HOUR_MS);
        assert_eq!(check(&world).await, BudgetCheck::default(), "{operation:?} {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_neither_loses_nor_repeats_the_alarm() {
    for operation in [Operation::ClaimAlarm, Operation::FinishAlarm] {
        let world = crossed().await;
        let lost = AtomicU32::new(0);
        let store = Faulty::new(world.store.clone(), move |request: &Request<'_>| {
            if request.operation == operation && lost.fetch_add(1, Ordering::SeqCst) == 0 {
                return Decision::fault(Fault::UnknownAfter);
            }
            Decision::default()
        });
        let found = roll_up(&deps(&world, store, 1), None, soon()).await.unwrap().budgets;
        assert_eq!(raised(&found), [("account acme", 50, 50.5)], "{operation:?}");
        world.pass(HOUR_MS);
        assert_eq!(check(&world).await, BudgetCheck::default(), "{operation:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_larger_amount_alarms_when_it_is_crossed_too_and_a_smaller_one_does_not() {
    let world = crossed().await;
    assert_eq!(raised(&check(&world).await), [("account acme", 50, 50.5)]);
    set(&world, account(), 30).await;
    assert_eq!(check(&world).await, BudgetCheck::default());
    set(&world, account(), 60).await;
    assert_eq!(check(&world).await, BudgetCheck::default(), "it is not crossed yet");
    world.deliver(&source(0), &[asked("more", "acme", 9.5, world.now_ms())]).await;
    assert_eq!(raised(&check(&world).await), [("account acme", 60, 60.0)]);
    set(&world, account(), 55).await;
    assert_eq!(check(&world).await, BudgetCheck::default());
    world.store.delete_budget(&account()).await.unwrap();
    assert_eq!(check(&world).await, BudgetCheck::default());
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_lowers_the_cost_and_events_that_raise_it_again_change_nothing() {
    let world = nearly_used_up().await;
    // Sent twice to two processes: the live figures count it twice, the proof once.
    let (store, now_ms) = (&world.store, world.now_ms());
    let twice = asked("twice", "acme", 6.0, now_ms);
    world.deliver(&source(0), std::slice::from_ref(&twice)).await;
    let world = world.clone().with_cold_consumer();
    world.deliver(&source(3), &[twice]).await;
    assert_eq!(raised(&check(&world).await), [("account acme", 50, 52.0)]);
    let prove = async || prove_days(&deps(&world, store.clone(), 3), &Asked::AllOpen, soon()).await.unwrap();
    assert!(prove().await.days.iter().any(|day| day.number.is_some()));
    let proven = world.figures("2026-03-10");
    assert_eq!((proven.verified, proven.ai_usage.by_account["acme"].cost_nanos), (true, 21 * DOLLAR));
    assert_eq!(check(&world).await, BudgetCheck::default(), "below the amount again");
    world.pass(HOUR_MS);
    world.deliver(&source(0), &[asked("more", "acme", 10.0, world.now_ms())]).await;
    assert_eq!(check(&world).await, BudgetCheck::default(), "and above: it was raised before");
    prove().await;
    assert_eq!(check(&world).await, BudgetCheck::default());
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_raises_the_cost_above_the_amount_raises_the_alarm_in_the_next_run() {
    let world = World::new("2026-03-10");
    set(&world, account(), 50).await;
    world.deliver(&source(0), &[asked("a", "acme", 49.0, world.at("2026-03-10", 9))]).await;
    world.deliver(&source(0), &[asked("b", "acme", 2.0, world.at("2026-03-10", 10))]).await;
    // What the table counted is less than what the log says.
    world.change_partial("2026-03-10", &source(0), |partial| partial.counters = Counters::default()).await;
    assert_eq!(check(&world).await, BudgetCheck::default());
    prove_days(&deps(&world, world.store.clone(), 3), &Asked::AllOpen, soon()).await.unwrap();
    assert_eq!(raised(&check(&world).await), [("account acme", 50, 51.0)]);
    assert_eq!(check(&world).await, BudgetCheck::default());
}

#[tokio::test(start_paused = true)]
async fn the_last_hour_of_a_month_is_compared_in_the_first_of_the_next_and_each_month_alarms_anew() {
    let world = World::new("2026-03-31");
    set(&world, account(), 50).await;
    world.deliver(&source(0), &[asked("a", "acme", 40.0, world.at("2026-03-31", 9))]).await;
    assert_eq!(check(&world).await, BudgetCheck::default());
    world.pass(11 * HOUR_MS + 30 * MINUTE_MS);
    world.deliver(&source(0), &[asked("b", "acme", 20.0, world.now_ms())]).await;
    world.pass(45 * MINUTE_MS);
    let found = check(&world).await;
    assert_eq!(raised(&found), [("account acme", 50, 60.0)]);
    assert_eq!((&*found.raised[0].month, found.raised[0].forecast_nanos), ("2026-03", 60 * DOLLAR), "it is over");
    world.pass(HOUR_MS);
    world.deliver(&source(0), &[asked("c", "acme", 50.0, world.now_ms())]).await;
    let found = check(&world).await;
    assert_eq!((raised(&found), &*found.raised[0].month), (vec![("account acme", 50, 50.0)], "2026-04"));
    world.turn_to("2026-04-02");
    assert_eq!(check(&world).await, BudgetCheck::default());
    let page = world.store.budgets_page(Month::of(date("2026-03-01")), None).await.unwrap();
    assert_eq!(page.items.iter().filter(|item| matches!(item, BudgetItem::Alarm(_))).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn budgets_that_cannot_be_read_stop_nothing_and_the_next_run_looks_again() {
    let world = crossed().await;
    let store = Faulty::new(world.store.clone(), |request: &Request<'_>| match request.operation {
        Operation::BudgetsPage => Decision::fault(Fault::Invalid),
        _ => Decision::default(),
    });
    let rolled_up = roll_up(&deps(&world, store, 1), None, soon()).await.unwrap();
    assert!(rolled_up.failed().next().is_none() && rolled_up.budgets.error.is_some(), "{rolled_up:?}");
    assert_eq!(world.figures("2026-03-10").ai_usage.by_account["acme"].cost_nanos, 25_500_000_000);
    assert_eq!(raised(&check(&world).await).len(), 1);
}

const ARN: &str = "arn:aws:sns:us-east-1:123456789012:headcount-alarms";

/// What SNS answers to `Publish` (<https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>).
const TAKEN: (&str, &str) = (
    "200 OK",
    "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>567910cd-659e-55d4-8ccb-5aaf14679dc0\
     </MessageId></PublishResult></PublishResponse>",
);

/// What it answers to a role that may not (<https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html>).
const FORBIDDEN: (&str, &str) = (
    "403 Forbidden",
    "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type><Code>AuthorizationError</Code>\
     <Message>not authorized to perform: SNS:Publish</Message></Error></ErrorResponse>",
);

/// Gives these answers, one after the other, each on a connection of its own; what it was asked.
async fn topic_that(listener: TcpListener, answers: Vec<(&'static str, &'static str)>) -> Vec<String> {
    let mut asked = Vec::new();
    for (status, body) in answers {
        let (mut socket, _) = listener.accept().await.unwrap();
        let (mut request, mut part) = (Vec::new(), [0; 4096]);
        loop {
            let read = socket.read(&mut part).await.unwrap();
            request.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&request).to_lowercase();
            let Some((head, sent)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
            if sent.len() >= length.unwrap_or(0) {
                break;
            }
        }
        asked.push(String::from_utf8(request).unwrap());
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
    }
    asked
}

async fn run_with(world: &World, topic: &Topic) -> RollUp {
    let deps = world.deps_over(world.store.clone(), 1).with_alarms(Alarms::Topic(topic.clone()));
    // Tries that fail end with it.
    let rolled_up = roll_up(&deps, None, Instant::now() + Duration::from_secs(2)).await.unwrap();
    assert_eq!(rolled_up.failed().next(), None, "{rolled_up:?}");
    rolled_up
}

#[tokio::test]
async fn a_topic_that_cannot_be_told_fails_no_roll_up_and_is_told_by_a_later_run_once() {
    let world = crossed().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let topic = Topic::connect(ARN.to_owned(), &ConnectOptions::local(format!("http://{addr}"))).await;
    let away = run_with(&world, &topic).await.budgets;
    assert!(away.raised.is_empty() && away.error.as_deref().unwrap().contains(ARN), "{away:?}");
    assert_eq!(world.figures("2026-03-10").ai_usage.by_account["acme"].cost_nanos, 25_500_000_000);

    let listener = TcpListener::bind(addr).await.unwrap();
    let answering = tokio::spawn(topic_that(listener, vec![FORBIDDEN, TAKEN]));
    world.pass(HOUR_MS);
    let refused = run_with(&world, &topic).await.budgets;
    let error = refused.error.unwrap();
    assert!(
        refused.raised.is_empty() && error.contains("AuthorizationError") && error.contains("account acme"),
        "{error}"
    );
    world.pass(HOUR_MS);
    assert_eq!(raised(&run_with(&world, &topic).await.budgets), [("account acme", 50, 50.5)]);
    for _ in 0..2 {
        world.pass(HOUR_MS);
        assert_eq!(run_with(&world, &topic).await.budgets, BudgetCheck::default());
    }
    let asked = answering.await.unwrap();
    let body = asked[1].split_once("\r\n\r\n").unwrap().1;
    for part in ["Action=Publish", "TopicArn=arn%3Aaws%3Asns%3Aus-east-1", "account%20acme", "%2450.50%20of%20%2450.00"]
    {
        assert!(body.contains(part), "{part}: {body}");
    }
}
