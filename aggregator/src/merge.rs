//! A day's partials become one: page by page as they are read, so that a day of many sources needs no more memory than one of
//! few.

use std::sync::Arc;

use chrono::NaiveDate;
use headcount_core::exact::ProvenDay;
use headcount_core::merged::Merged;
use headcount_core::partial::PartialRecord;
use headcount_store::traits::AggregatorStore;
use rayon::prelude::*;

use crate::error::AggregateError;
use crate::run::Run;

/// What a day's partials say, alone and together.
#[derive(Default)]
pub(crate) struct MergedDay {
    pub(crate) sources: usize,
    /// The sum of the entries that they are folded up to.
    pub(crate) as_of_sum: u64,
    pub(crate) merged: Merged,
    /// The day's proof, read before them.
    pub(crate) proof: Option<Arc<ProvenDay>>,
}

impl MergedDay {
    /// With one more page.
    fn with(mut self, records: Vec<PartialRecord>) -> Self {
        let proof = self.proof.as_deref();
        let page = records.par_iter().map(|record| Merged::of(record, proof)).reduce_with(Merged::join);
        self.merged = self.merged.join(page.unwrap_or_default());
        self.sources += records.len();
        self.as_of_sum += records.iter().map(|record| record.as_of).sum::<u64>();
        self
    }
}

impl<S: AggregatorStore> Run<'_, S> {
    /// Reads a day's proof, and then reads and merges its partials. A damaged one is named, and the others go on.
    pub(crate) async fn merged(&self, date: NaiveDate) -> Result<MergedDay, AggregateError> {
        let proof = self.proof(date).await?.map(Arc::new);
        let (mut day, mut after) = (MergedDay { proof, ..MergedDay::default() }, None);
        loop {
            let (records, next) = self.partials_page(date, after.as_ref()).await?;
            day = self.deps.settings.compute.run(move || day.with(records)).await?;
            after = next;
            if after.is_none() {
                day.merged.set_aside.sort_by(|a, b| a.source.cmp(&b.source));
                return Ok(day);
            }
        }
    }
}
