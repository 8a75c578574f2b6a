use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::*;

/// A quarter past some hour.
const START_MS: i64 = 1_800_000_000_000 / 3_600_000 * 3_600_000 + 15 * 60_000;

/// A clock that goes with tokio's, and by `shift` milliseconds beside it.
fn paused_clock(shift: &Arc<AtomicI64>) -> Clock {
    let (began, shift) = (Instant::now(), Arc::clone(shift));
    Clock::from_fn(move || START_MS + began.elapsed().as_millis() as i64 + shift.load(Ordering::Relaxed))
}

fn hourly(first_after: Option<Duration>) -> ScheduleOptions {
    ScheduleOptions { first_after, clock: paused_clock(&Arc::default()), ..ScheduleOptions::hourly("test") }
}

/// A schedule whose runs succeed, and the minutes after the start at which they began.
fn minutes(options: ScheduleOptions) -> (Schedule, watch::Receiver<Vec<u64>>) {
    let (began, (seen, minutes)) = (Instant::now(), watch::channel(Vec::new()));
    let schedule = Schedule::start(options, move || {
        seen.send_modify(|minutes: &mut Vec<u64>| minutes.push(began.elapsed().as_secs() / 60));
        async { Ok::<_, LocalError>(()) }
    });
    (schedule.unwrap(), minutes)
}

async fn first(minutes: &mut watch::Receiver<Vec<u64>>, count: usize) -> Vec<u64> {
    minutes.wait_for(|minutes| minutes.len() >= count).await.unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn it_runs_on_the_hour() {
    let (schedule, mut at) = minutes(hourly(None));
    assert_eq!(first(&mut at, 3).await, [45, 105, 165]);
    schedule.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_run_may_come_soon() {
    let (schedule, mut at) = minutes(hourly(Some(Duration::from_mins(2))));
    assert_eq!(first(&mut at, 3).await, [2, 45, 105]);
    schedule.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_finds_its_hour() {
    for (shift_min, expected) in [(-120, [45, 105]), (-30, [15, 75]), (40, [5, 65])] {
        let shift = Arc::new(AtomicI64::new(0));
        let clock = paused_clock(&shift);
        let (schedule, mut at) = minutes(ScheduleOptions { clock, ..ScheduleOptions::hourly("test") });
        tokio::time::sleep(Duration::from_secs(30)).await;
        shift.store(shift_min * 60_000, Ordering::Relaxed);
        assert_eq!(first(&mut at, 2).await, expected, "set by {shift_min} minutes");
        schedule.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn runs_never_overlap_and_times_that_pass_meanwhile_are_not_made_up_for() {
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let schedule = Schedule::start(hourly(Some(Duration::ZERO)), move || {
        let (under_way, most) = (Arc::clone(&under_way), Arc::clone(&seen));
        async move {
            most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_mins(130)).await;
            under_way.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, LocalError>(())
        }
    })
    .unwrap();
    let began = Instant::now();
    let (one, two) = tokio::join!(schedule.run_now(), schedule.run_now());
    one.unwrap();
    two.unwrap();
    schedule.runs().wait_for(|runs| runs.ended == 3).await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 1);
    // Run 1 is asked for together with the first; run 2 and 3 begin at the hours after an end: 165 and 345.
    assert_eq!(began.elapsed().as_secs() / 60, 345 + 130);
    schedule.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_or_panics_is_said_and_tried_again() {
    let mut run = 0;
    let schedule = Schedule::start(hourly(None), move || {
        run += 1;
        async move {
            match run {
                1 => Err("no table"),
                2 => panic!("scripted"),
                _ => Ok(()),
            }
        }
    })
    .unwrap();
    let refused = schedule.run_now().await.unwrap_err().to_string();
    assert!(refused.contains("the test failed: no table"), "{refused}");
    assert!(schedule.run_now().await.unwrap_err().to_string().contains("panicked"));
    let mut runs = schedule.runs();
    let seen = runs.wait_for(|runs| runs.ended == 3).await.unwrap().clone();
    assert_eq!((seen.failed, seen.problem), (2, None));
    schedule.run_now().await.unwrap();
    schedule.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_during_a_run_gets_a_run_of_its_own() {
    let (begun, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (seen, gate) = (Arc::clone(&begun), Arc::clone(&go));
    let schedule = Schedule::start(hourly(Some(Duration::ZERO)), move || {
        seen.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            Ok::<_, LocalError>(())
        }
    })
    .unwrap();
    while begun.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let later = async {
        for _ in 0..2 {
            tokio::task::yield_now().await;
            go.notify_one();
            while begun.load(Ordering::SeqCst) < 2 {
                tokio::task::yield_now().await;
            }
        }
    };
    let (asked, ()) = tokio::join!(schedule.run_now(), later);
    asked.unwrap();
    assert_eq!(begun.load(Ordering::SeqCst), 2);
    schedule.stop().await;
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_the_run_under_way_but_does_not_wait_for_ever() {
    for (takes, finished) in [(10, 1), (3600, 0)] {
        let schedule = Schedule::start(hourly(Some(Duration::ZERO)), move || async move {
            sleep(Duration::from_secs(takes)).await;
            Ok::<_, LocalError>(())
        })
        .unwrap();
        let runs = schedule.runs();
        sleep(Duration::from_secs(1)).await;
        schedule.stop().await;
        assert_eq!(runs.borrow().ended, finished, "a run of {takes} s");
    }
}

#[tokio::test]
async fn an_interval_out_of_bounds_is_refused() {
    for interval in [Duration::ZERO, MAX_INTERVAL + Duration::from_millis(1)] {
        let options = ScheduleOptions { interval, ..ScheduleOptions::hourly("test") };
        let refused = Schedule::start(options, || async { Ok::<_, LocalError>(()) }).unwrap_err().to_string();
        assert!(refused.contains("interval"), "{refused}");
    }
}
