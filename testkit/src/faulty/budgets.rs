//! How the faulty store fulfils the trait of budgets.

use headcount_core::budget::{BudgetScope, Month};
use headcount_core::keys;
use headcount_store::error::StoreError;
use headcount_store::rows::{AlarmRow, BudgetItem, BudgetRow, Cursor, Page, Put};
use headcount_store::traits::BudgetStore;

use super::Faulty;
use super::answers::listing;
use super::plan::Operation;

impl<S: BudgetStore + Clone + 'static> BudgetStore for Faulty<S> {
    async fn put_budget(&self, row: &BudgetRow) -> Result<Put, StoreError> {
        let (keys, row) = (vec![keys::budget(&row.budget.scope)], row.clone());
        self.request(Operation::PutBudget, keys, |inner, _| async move { inner.put_budget(&row).await }).await
    }

    async fn delete_budget(&self, scope: &BudgetScope) -> Result<Put, StoreError> {
        let (keys, scope) = (vec![keys::budget(scope)], scope.clone());
        self.request(Operation::DeleteBudget, keys, |inner, _| async move { inner.delete_budget(&scope).await }).await
    }

    async fn budgets_page(&self, month: Month, after: Option<&Cursor>) -> Result<Page<BudgetItem>, StoreError> {
        let after = after.cloned();
        let act = move |inner: S, _| async move { inner.budgets_page(month, after.as_ref()).await };
        self.request(Operation::BudgetsPage, listing(keys::BUDGETS), act).await
    }

    async fn claim_alarm(&self, row: &AlarmRow, stale_ms: i64) -> Result<Put, StoreError> {
        let (keys, row) = (vec![keys::budget_alarm(row.month, &row.scope)], row.clone());
        let act = move |inner: S, _| async move { inner.claim_alarm(&row, stale_ms).await };
        self.request(Operation::ClaimAlarm, keys, act).await
    }

    async fn finish_alarm(&self, row: &AlarmRow, raised_ms: i64) -> Result<Put, StoreError> {
        let (keys, row) = (vec![keys::budget_alarm(row.month, &row.scope)], row.clone());
        let act = move |inner: S, _| async move { inner.finish_alarm(&row, raised_ms).await };
        self.request(Operation::FinishAlarm, keys, act).await
    }
}
