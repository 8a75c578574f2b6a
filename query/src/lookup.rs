//! Batched look-ups by date, each key asked for until it is answered.

use std::collections::VecDeque;
use std::future::Future;

use chrono::NaiveDate;
use headcount_store::error::StoreError;
use headcount_store::retry::{Jitter, retry};
use headcount_store::rows::Lookup;
use headcount_store::traits::MAX_BATCH_GETS;
use tokio::time::Instant;

/// Looks all of `dates` up by `request`, at most [`MAX_BATCH_GETS`] at once; what is there, in no particular order.
pub(crate) async fn look_up<T, F>(
    dates: &[NaiveDate],
    jitter: &Jitter,
    deadline: Instant,
    request: impl Fn(Vec<NaiveDate>) -> F,
) -> Result<Vec<T>, StoreError>
where
    F: Future<Output = Result<Vec<Lookup<T>>, StoreError>>,
{
    let mut waiting: VecDeque<NaiveDate> = dates.iter().copied().collect();
    let mut found = Vec::new();
    // Requests in a row that left something out.
    let mut fruitless = 0;
    while !waiting.is_empty() {
        if fruitless > 0 && !jitter.pause_until(fruitless - 1, deadline).await {
            let detail = "a batched read was answered in part again and again".to_owned();
            return Err(StoreError::Throttled { detail });
        }
        let count = waiting.len().min(MAX_BATCH_GETS);
        let asked: Vec<_> = waiting.drain(..count).collect();
        let mut answers = retry(jitter, deadline, || request(asked.clone())).await?.into_iter();
        let left = waiting.len();
        for date in asked {
            match answers.next().unwrap_or(Lookup::Unprocessed) {
                Lookup::Found(row) => found.push(row),
                Lookup::Absent => {}
                Lookup::Unprocessed => waiting.push_back(date),
            }
        }
        fruitless = if waiting.len() > left { fruitless + 1 } else { 0 };
    }
    Ok(found)
}
