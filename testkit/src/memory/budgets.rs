//! How the store in memory keeps budgets and their alarms.

use headcount_core::budget::{BudgetScope, Month};
use headcount_core::keys;
use headcount_store::error::StoreError;
use headcount_store::rows::{AlarmRow, BudgetItem, BudgetRow, Cursor, Page, Put};
use headcount_store::traits::BudgetStore;

use super::MemoryStore;
use super::answers::{begin, cursor, put_if};

impl BudgetStore for MemoryStore {
    async fn put_budget(&self, row: &BudgetRow) -> Result<Put, StoreError> {
        self.ask()?.budgets.insert(keys::budget(&row.budget.scope), BudgetItem::Budget(row.clone()));
        Ok(Put::Written)
    }

    async fn delete_budget(&self, scope: &BudgetScope) -> Result<Put, StoreError> {
        let removed = self.ask()?.budgets.remove(&keys::budget(scope));
        Ok(if removed.is_some() { Put::Written } else { Put::Refused })
    }

    async fn budgets_page(&self, month: Month, after: Option<&Cursor>) -> Result<Page<BudgetItem>, StoreError> {
        let from = keys::budget_alarms(month);
        let items = self.ask()?;
        let rest = items.budgets.range(begin(keys::BUDGETS, after)).filter(|(key, _)| key.sk >= from);
        Ok(self.page(rest.map(|(key, item)| (key, item.clone())), cursor))
    }

    async fn claim_alarm(&self, row: &AlarmRow, stale_ms: i64) -> Result<Put, StoreError> {
        let budgets = &mut self.ask()?.budgets;
        let key = keys::budget_alarm(row.month, &row.scope);
        let is_free = match budgets.get(&key) {
            Some(BudgetItem::Alarm(there)) => {
                there.amount_nanos < row.amount_nanos
                    || there.claim == row.claim
                    || (there.raised_ms.is_none() && there.claimed_ms < stale_ms)
            }
            _ => true,
        };
        Ok(put_if(is_free, || {
            budgets.insert(key, BudgetItem::Alarm(AlarmRow { raised_ms: None, ..row.clone() }));
        }))
    }

    async fn finish_alarm(&self, row: &AlarmRow, raised_ms: i64) -> Result<Put, StoreError> {
        let mut items = self.ask()?;
        match items.budgets.get_mut(&keys::budget_alarm(row.month, &row.scope)) {
            Some(BudgetItem::Alarm(there)) if there.claim == row.claim => {
                there.raised_ms = Some(raised_ms);
                Ok(Put::Written)
            }
            _ => Ok(Put::Refused),
        }
    }
}
