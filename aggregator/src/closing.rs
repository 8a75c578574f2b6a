//! The end of a day: verified against its events, its session figures made exact.

use chrono::NaiveDate;
use headcount_core::metrics::{DailyMetrics, Figures, SessionFigures};
use headcount_store::traits::AggregatorStore;

use crate::calendar_window::expired_since;
use crate::day::Run;
use crate::verify::{Verification, verify_day};

/// What closing a day adds to its figures.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) verified: bool,
    sessions: Option<Sessions>,
}

/// Exact figures of a day's sessions.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sessions {
    average_ms: f64,
    figures: SessionFigures,
}

/// How an attempt to close a day ended.
pub(crate) enum Attempt {
    /// It can be closed with this.
    Closed(Closing, Option<Verification>),
    /// Its events could not be read: it stays open, and the next run tries again.
    Failed(String),
}

/// Verifies a day that takes no more events. `known` are its figures from when it was closed before, if they were made
/// of the same partials: where verifying is switched off, or the events expire, they are carried over.
pub(crate) async fn close<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    known: Option<&DailyMetrics>,
) -> Attempt {
    if !run.deps.settings.verify_at_close || expired_since(run.zone(), date, run.now_ms).is_some() {
        let sessions = known
            .filter(|day| day.figures.estimate.sessions_exact)
            .map(|day| Sessions { average_ms: day.figures.average_session_duration, figures: day.figures.sessions });
        let verified = known.is_some_and(|day| day.figures.verified);
        return Attempt::Closed(Closing { verified, sessions }, None);
    }
    match verify_day(run, date).await {
        Ok((verification, tally)) => {
            let closing = Closing {
                verified: verification.passed(),
                sessions: tally.sessions.durations().map(|durations| exact(&durations)),
            };
            Attempt::Closed(closing, Some(verification))
        }
        Err(error) => Attempt::Failed(error.to_string()),
    }
}

impl Closing {
    /// Puts exact session figures in the place of estimated ones. Where a source was set aside, the estimate stays: it
    /// is of the same sources as the other figures.
    pub(crate) fn apply(&self, figures: &mut Figures) {
        if figures.estimate.sessions_exact || figures.estimate.sources_set_aside > 0 {
            return;
        }
        if let Some(sessions) = self.sessions {
            figures.average_session_duration = sessions.average_ms;
            figures.sessions = sessions.figures;
            figures.estimate.sessions_exact = true;
        }
    }
}

/// `durations` in milliseconds, ascending.
fn exact(durations: &[u64]) -> Sessions {
    let sum: f64 = durations.iter().map(|duration| *duration as f64).sum();
    let count = durations.len();
    // The same nearest rank as a sample's: the shortest duration that this share does not exceed.
    let rank = |share: f64| durations.get(((share * count as f64).ceil() as usize).max(1) - 1).copied().unwrap_or(0);
    Sessions {
        average_ms: if count == 0 { 0.0 } else { sum / count as f64 },
        figures: SessionFigures { count: count as u64, p50: rank(0.50), p95: rank(0.95) },
    }
}

#[cfg(test)]
mod tests {
    use headcount_core::session_sample::SessionSample;

    use super::*;

    #[test]
    fn exact_figures_are_those_of_a_sample_that_holds_every_session() {
        for count in [0u64, 1, 2, 19, 20, 21, 1_000] {
            let mut sample = SessionSample::default();
            let mut durations = Vec::new();
            for n in 0..count {
                let duration = n * n % 7_919;
                sample.insert(&format!("s-{n}"), 1_000_000);
                sample.insert(&format!("s-{n}"), 1_000_000 + duration as i64);
                durations.push(duration);
            }
            durations.sort_unstable();
            let exact = exact(&durations);
            assert_eq!(exact.figures.count, sample.sessions() as u64, "{count}");
            assert_eq!(exact.figures.p50, sample.percentile_ms(0.50), "{count}");
            assert_eq!(exact.figures.p95, sample.percentile_ms(0.95), "{count}");
            assert!((exact.average_ms - sample.average_duration_ms()).abs() < 1e-6, "{count}");
        }
    }
}
