//! Budgets of AI cost and their alarms: `BUDGETS` / `BUDGET#<scope>` and `ALARM#<month>#<scope>`.

use headcount_core::budget::{Budget, BudgetScope, Month};
use headcount_core::keys;

use super::DynamoStore;
use super::attributes::{Attributes, key_item, n, s};
use super::refusal::put_outcome;
use crate::error::StoreError;
use crate::rows::{AlarmRow, BudgetItem, BudgetRow, Cursor, Page, Put};
use crate::traits::BudgetStore;

fn read(item: Attributes<'_>) -> Result<BudgetItem, StoreError> {
    let sk = item.text("SK")?;
    if let Some(scope) = keys::parse_budget(sk) {
        let budget = Budget { scope, monthly_nanos: item.number("MonthlyNanos")? };
        return Ok(BudgetItem::Budget(BudgetRow { budget, updated_ms: item.number("UpdatedAt")? }));
    }
    let (month, scope) = keys::parse_budget_alarm(sk).ok_or_else(|| item.malformed("its key names no budget"))?;
    Ok(BudgetItem::Alarm(AlarmRow {
        month,
        scope,
        amount_nanos: item.number("AmountNanos")?,
        claim: item.number("Claim")?,
        claimed_ms: item.number("ClaimedAt")?,
        raised_ms: if item.has("RaisedAt") { Some(item.number("RaisedAt")?) } else { None },
    }))
}

impl BudgetStore for DynamoStore {
    async fn put_budget(&self, row: &BudgetRow) -> Result<Put, StoreError> {
        let mut item = key_item(&keys::budget(&row.budget.scope));
        item.extend([
            ("EntityType".to_owned(), s("Budget")),
            ("MonthlyNanos".to_owned(), n(row.budget.monthly_nanos)),
            ("UpdatedAt".to_owned(), n(row.updated_ms)),
        ]);
        let table = &self.tables.metrics;
        let request = self.put(table, item);
        put_outcome(request.send().await, &self.connection.endpoint, table)
    }

    async fn delete_budget(&self, scope: &BudgetScope) -> Result<Put, StoreError> {
        let table = &self.tables.metrics;
        let request = self.connection.client.delete_item().table_name(table);
        let request = request.set_key(Some(key_item(&keys::budget(scope))));
        let request = request.condition_expression("attribute_exists(PK)");
        put_outcome(request.send().await, &self.connection.endpoint, table)
    }

    async fn budgets_page(&self, month: Month, after: Option<&Cursor>) -> Result<Page<BudgetItem>, StoreError> {
        let table = &self.tables.metrics;
        let query = self
            .query(table, keys::BUDGETS, " AND SK >= :from", after)
            .expression_attribute_values(":from", s(keys::budget_alarms(month)));
        self.page(table, query, |item| read(item).map(Some)).await
    }

    async fn claim_alarm(&self, row: &AlarmRow, stale_ms: i64) -> Result<Put, StoreError> {
        let mut item = key_item(&keys::budget_alarm(row.month, &row.scope));
        item.extend([
            ("EntityType".to_owned(), s("BudgetAlarm")),
            ("AmountNanos".to_owned(), n(row.amount_nanos)),
            ("Claim".to_owned(), n(row.claim)),
            ("ClaimedAt".to_owned(), n(row.claimed_ms)),
        ]);
        let table = &self.tables.metrics;
        let request = self.put(table, item)
            .condition_expression(
                "attribute_not_exists(PK) OR AmountNanos < :amount OR Claim = :claim OR (attribute_not_exists(RaisedAt) AND \
                 ClaimedAt < :stale)",
            )
            .expression_attribute_values(":amount", n(row.amount_nanos))
            .expression_attribute_values(":claim", n(row.claim))
            .expression_attribute_values(":stale", n(stale_ms));
        put_outcome(request.send().await, &self.connection.endpoint, table)
    }

    async fn finish_alarm(&self, row: &AlarmRow, raised_ms: i64) -> Result<Put, StoreError> {
        let table = &self.tables.metrics;
        let request = self
            .connection
            .client
            .update_item()
            .table_name(table)
            .set_key(Some(key_item(&keys::budget_alarm(row.month, &row.scope))))
            .condition_expression("Claim = :claim")
            .update_expression("SET RaisedAt = :raised")
            .expression_attribute_values(":claim", n(row.claim))
            .expression_attribute_values(":raised", n(raised_ms));
        put_outcome(request.send().await, &self.connection.endpoint, table)
    }
}
