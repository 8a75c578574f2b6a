//! Proofs of large days, which take several passes over the log: what is counted is kept beside the log between two passes, so that a
//! run that ends, or dies, is gone on with by the next. Positions and partials are those of the moment when the first run began.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use bytes::Bytes;
use chrono::NaiveDate;
use headcount_log::slices::SliceName;
use headcount_log::{Append, LogError};
use headcount_proof::{Pass, Passes, SavedError, passes_for};
use headcount_store::traits::AggregatorStore;
use serde::Serialize;
use tokio::time::{Duration, Instant};

use crate::count::{Computed, Inputs};
use crate::error::AggregateError;
use crate::run::Run;

/// How hard slices are compressed: hashes hardly shrink.
const COMPRESSION: i32 = 1;

/// How far the proof of a large day is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// Passes over the log that are counted.
    pub passes: u64,
    /// Of how many.
    pub of: u64,
}

/// What became of a proof in slices.
pub(crate) enum Sliced {
    /// Every pass is counted.
    Whole(Box<Computed>),
    /// Some are.
    Unfinished(Unfinished),
}

/// Counts a day that takes several passes, from where an earlier run ended. It stops before a pass that would not end in time.
pub(crate) async fn compute_in_slices<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    events: u64,
) -> Result<Sliced, AggregateError> {
    let number = run.deps.log.proof(date, run.deadline).await?.map_or(0, |proof| proof.proven.number) + 1;
    run.deps.log.delete_slices(date, number - 1, run.deadline).await?;
    let day = Day { run, date, dates: BTreeSet::from([date]), events, number };
    let (mut inputs, mut passes) = day.begin().await?;
    let mut pass_took = None;
    while !passes.is_done() {
        if !day.is_time_for_pass(pass_took) {
            return Ok(Sliced::Unfinished(Unfinished { passes: passes.done(), of: passes.passes() }));
        }
        let (began, of) = (Instant::now(), passes.passes());
        let next = match passes.pass(&inputs.proving(run, &day.dates, events)).await? {
            Pass::Counted(next) => next,
            Pass::TooMany { events } => Passes::new(&inputs.proving(run, &day.dates, events), 2 * of)?,
        };
        (inputs, passes) = if next.is_done() { (inputs, next) } else { day.keep(inputs, next).await? };
        pass_took = Some(began.elapsed());
    }
    let mut computed = inputs.computed(passes.proven()?);
    Ok(Sliced::Whole(Box::new(computed.pop().expect("the date that was asked for is computed"))))
}

/// A large day.
struct Day<'a, 'r, S> {
    run: &'a Run<'r, S>,
    date: NaiveDate,
    /// The date alone.
    dates: BTreeSet<NaiveDate>,
    /// Its events, about.
    events: u64,
    /// The number that its next proof gets.
    number: u64,
}

impl<S: AggregatorStore> Day<'_, '_, S> {
    /// A pass takes as long as the one before; the first of a run should have half of the run's time.
    fn is_time_for_pass(&self, pass_took: Option<Duration>) -> bool {
        let Run { began, deadline, .. } = *self.run;
        let left = deadline.saturating_duration_since(Instant::now());
        match pass_took {
            Some(took) => left > took + took / 4,
            None => left >= deadline.saturating_duration_since(began) / 2,
        }
    }

    /// Goes on from the newest slice, or begins anew and notes that in a first one.
    async fn begin(&self) -> Result<(Inputs, Passes), AggregateError> {
        if let Some(known) = self.newest().await? {
            return Ok(known);
        }
        let inputs = Inputs::take(self.run, &self.dates).await?;
        let proving = inputs.proving(self.run, &self.dates, self.events);
        let passes = Passes::new(&proving, passes_for(self.events, proving.memory))?;
        self.keep(inputs, passes).await
    }

    /// What the newest slice holds.
    async fn newest(&self) -> Result<Option<(Inputs, Passes)>, AggregateError> {
        let Run { deps, deadline, .. } = *self.run;
        loop {
            let newest = deps.log.newest_slice(self.date, deadline).await?;
            let Some(name) = newest.filter(|name| name.number >= self.number) else { return Ok(None) };
            // Deleted since: a later one, or the proof, is there.
            let Some(slice) = deps.log.slice(self.date, name, deadline).await? else {
                self.run.check_time(|| format!("the proof of {} went on", self.date))?;
                continue;
            };
            match self.read(&slice) {
                Ok(known) => return Ok(Some(known)),
                Err(error) => {
                    tracing::warn!(date = %self.date, %error, "the proof of a large day begins anew");
                    deps.log.delete_slices(self.date, name.number, deadline).await?;
                }
            }
        }
    }

    /// Puts the slice of what is counted. Where somebody else did so meanwhile, theirs is gone on with: it may count up to other
    /// positions.
    async fn keep(&self, inputs: Inputs, mut passes: Passes) -> Result<(Inputs, Passes), AggregateError> {
        let Run { deps, deadline, .. } = *self.run;
        let name = SliceName { number: self.number, passes: passes.passes(), done: passes.done() };
        let slice = write(&inputs, &mut passes).map_err(|error| unwritable(self.date, &error))?;
        match deps.log.put_slice(self.date, name, slice, deadline).await? {
            Append::Created => Ok((inputs, passes)),
            Append::Exists => Ok(self.newest().await?.unwrap_or((inputs, passes))),
        }
    }

    fn read(&self, slice: &[u8]) -> Result<(Inputs, Passes), SavedError> {
        let unreadable = |error: &dyn std::fmt::Display| SavedError::new(error);
        let bytes = zstd::stream::decode_all(slice).map_err(|error| unreadable(&error))?;
        let (inputs, saved) = postcard::take_from_bytes::<Inputs>(&bytes).map_err(|error| unreadable(&error))?;
        let passes = Passes::load(&inputs.proving(self.run, &self.dates, self.events), saved)?;
        Ok((inputs, passes))
    }
}

fn write(inputs: &Inputs, passes: &mut Passes) -> io::Result<Bytes> {
    let mut writer = zstd::stream::write::Encoder::new(Vec::new(), COMPRESSION)?;
    writer.include_checksum(true)?;
    postcard::to_io(inputs, &mut writer).map_err(io::Error::other)?;
    passes.save(&mut writer)?;
    writer.flush()?;
    Ok(writer.finish()?.into())
}

fn unwritable(date: NaiveDate, error: &io::Error) -> LogError {
    LogError::Unusable { detail: format!("what is counted of {date} cannot be written ({error}): report this") }
}
