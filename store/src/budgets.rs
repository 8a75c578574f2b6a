//! The budgets of AI cost and their alarms, read whole.

use std::collections::BTreeMap;

use headcount_core::budget::{Budget, BudgetScope, Month};
use headcount_runtime::retry::{Jitter, retry};
use tokio::time::Instant;

use crate::error::StoreError;
use crate::rows::{AlarmRow, BudgetItem};
use crate::traits::BudgetStore;

/// All budgets, and the alarms of some months.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    /// In the order of their keys.
    pub budgets: Vec<Budget>,
    /// Alarms that were claimed or raised, by month and scope.
    pub alarms: BTreeMap<(Month, BudgetScope), AlarmRow>,
}

/// The budgets that the table has, and the alarms of `month` and of later months.
///
/// # Errors
/// [`StoreError`]: the table does not answer until `deadline`, or the listing does not end by then.
pub async fn read<S: BudgetStore>(
    store: &S,
    month: Month,
    jitter: &Jitter,
    deadline: Instant,
) -> Result<Budgets, StoreError> {
    let (mut found, mut after) = (Budgets::default(), None);
    loop {
        let page = retry(jitter, deadline, || store.budgets_page(month, after.as_ref())).await?;
        for item in page.items {
            match item {
                BudgetItem::Budget(row) => found.budgets.push(row.budget),
                BudgetItem::Alarm(row) => drop(found.alarms.insert((row.month, row.scope.clone()), row)),
            }
        }
        if page.next.is_none() {
            return Ok(found);
        }
        if page.next == after || Instant::now() >= deadline {
            let detail = "the budgets cannot be listed to their end in time: ask again".to_owned();
            return Err(StoreError::Throttled { detail });
        }
        after = page.next;
    }
}
