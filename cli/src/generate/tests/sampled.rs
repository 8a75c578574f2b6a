//! What a sample of a generated day's sessions says of their mean duration.

use chrono::NaiveDate;
use headcount_core::limits::SESSION_SAMPLE_SIZE;
use headcount_core::session_sample::SessionSample;

use super::super::session::Fate;
use super::*;

/// The root mean square of relative errors of the mean duration, at most.
const MOST_OFF: f64 = 0.02;

#[derive(Default)]
struct Day {
    sample: SessionSample,
    events: u64,
    spans: HashMap<Arc<str>, (i64, i64)>,
}

/// The days' valid events. Nothing is made into JSON, which takes most of a generator's time.
fn days(options: &GeneratorOptions) -> Vec<Day> {
    let mut generator = Generator::new(options).unwrap();
    let mut days: HashMap<NaiveDate, Day> = HashMap::new();
    loop {
        generator.plan_ahead();
        let Some(Reverse(line)) = generator.queue.pop() else { break };
        generator.emitted += 1;
        if line.fate != Fate::Fresh {
            continue;
        }
        let (id, at) = (&line.session.id, line.at_ms);
        let day = days.entry(day_of(options.zone, at).unwrap()).or_default();
        day.sample.insert(id, at);
        day.events += 1;
        let span = day.spans.entry(Arc::clone(id)).or_insert((at, at));
        *span = (span.0.min(at), span.1.max(at));
    }
    days.into_values().collect()
}

#[test]
fn the_mean_duration_of_sampled_sessions_is_at_most_two_percent_off() {
    let seed = 20;
    eprintln!("seed {seed}");
    let days = days(&GeneratorOptions { users: 100_000, days: 8, ..options(1_000_000, seed) });
    let (mut squares, mut held) = (0.0, 0);
    for day in &days {
        assert!(day.spans.len() > 2 * SESSION_SAMPLE_SIZE, "{} sessions", day.spans.len());
        let sum: i64 = day.spans.values().map(|(first, last)| last - first).sum();
        let truth = sum as f64 / day.spans.len() as f64;
        let figures = day.sample.figures(day.events);
        let off = figures.average_ms / truth - 1.0;
        let interval = figures.intervals.average_duration;
        eprintln!("{} sessions: {:.2} % off, {interval:?} for {truth:.0}", day.spans.len(), 100.0 * off);
        squares += off * off;
        held += usize::from((interval.low..=interval.high).contains(&truth));
    }
    let root_mean_square = (squares / days.len() as f64).sqrt();
    eprintln!(
        "root mean square error {:.2} %, {held} of {} intervals hold the truth",
        100.0 * root_mean_square,
        days.len()
    );
    assert!(root_mean_square <= MOST_OFF, "{root_mean_square}");
    assert!(held + 1 >= days.len(), "{held} of {} intervals", days.len());
}
