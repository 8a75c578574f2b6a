//! A day's partials become one: page by page as they are read, so that a day of many sources needs no more memory than one of
//! few.

use chrono::NaiveDate;
use headcount_core::merged::Merged;
use headcount_core::partial::PartialRecord;
use headcount_store::traits::AggregatorStore;
use rayon::prelude::*;

use crate::compute;
use crate::error::AggregateError;
use crate::run::Run;

/// What a day's partials say, alone and together.
#[derive(Default)]
pub(crate) struct MergedDay {
    pub(crate) sources: usize,
    /// The sum of their versions.
    pub(crate) version_sum: u64,
    pub(crate) merged: Merged,
}

impl MergedDay {
    /// With one more page.
    fn with(mut self, records: Vec<PartialRecord>) -> Self {
        let page = records.par_iter().map(Merged::of).reduce_with(Merged::join).unwrap_or_default();
        self.merged = self.merged.join(page);
        self.sources += records.len();
        self.version_sum += records.iter().map(|record| record.version).sum::<u64>();
        self
    }
}

impl<S: AggregatorStore> Run<'_, S> {
    /// Reads and merges a day's partials. A damaged one is named, and the others go on.
    pub(crate) async fn merged(&self, date: NaiveDate) -> Result<MergedDay, AggregateError> {
        let (mut day, mut after) = (MergedDay::default(), None);
        loop {
            let (records, next) = self.partials_page(date, after.as_ref()).await?;
            day = compute::run(self.deps.settings.compute, move || day.with(records)).await?;
            after = next;
            if after.is_none() {
                day.merged.set_aside.sort_by(|a, b| a.source.cmp(&b.source));
                return Ok(day);
            }
        }
    }
}
