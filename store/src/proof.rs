//! A day's proof, read whole.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use headcount_core::deployment::TableId;
use headcount_core::exact::ProvenDay;
use headcount_runtime::retry::{Jitter, retry};
use tokio::time::Instant;

use crate::error::StoreError;
use crate::traits::ProofStore;

/// The proof of a day that the table has, with its sources; `None` where there is none.
///
/// # Errors
/// [`StoreError`]: the table does not answer until `deadline`, or the listing of the sources does not end by then.
pub async fn read<S: ProofStore>(
    store: &S,
    table: TableId,
    date: NaiveDate,
    jitter: &Jitter,
    deadline: Instant,
) -> Result<Option<ProvenDay>, StoreError> {
    let Some(proven) = retry(jitter, deadline, || store.read_proof(table, date)).await? else { return Ok(None) };
    let (mut sources, mut after) = (BTreeMap::new(), None);
    loop {
        let request = || store.proven_sources_page(date, proven.number, after.as_ref());
        let page = retry(jitter, deadline, request).await?;
        sources.extend(page.items);
        if page.next.is_none() {
            return Ok(Some(ProvenDay { proven, sources }));
        }
        if page.next == after || Instant::now() >= deadline {
            let detail = format!("the sources of the proof of {date} cannot be listed to their end in time: ask again");
            return Err(StoreError::Throttled { detail });
        }
        after = page.next;
    }
}
