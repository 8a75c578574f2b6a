//! Users' first days: `USER#<userId>` / `PROFILE`, listed by day in the index.

use aws_sdk_dynamodb::types::Select;
use chrono::NaiveDate;
use headcount_core::keys;

use super::DynamoStore;
use super::attributes::{key_item, n, s};
use super::refusal::put_outcome;
use super::request::{Wanted, cursor, read_found, start_key};
use super::schema::INDEX;
use crate::error::StoreError;
use crate::rows::{Cursor, FirstDay, Lookup, Put};
use crate::traits::UserStore;

impl UserStore for DynamoStore {
    async fn first_days(&self, user_ids: &[&str]) -> Result<Vec<Lookup<NaiveDate>>, StoreError> {
        let keys: Vec<_> = user_ids.iter().map(|user_id| keys::profile(user_id)).collect();
        let wanted = Wanted { attribute: Some("FirstDay"), consistent: false };
        let found = self.get_batch(&self.tables.events, &keys, wanted).await?;
        read_found(found, |item| item.parsed("FirstDay"))
    }

    async fn put_first_day(&self, first_day: &FirstDay) -> Result<Put, StoreError> {
        let date = first_day.date.to_string();
        let profile = keys::profile(&first_day.user_id);
        let mut item = key_item(&profile);
        item.extend([
            ("EntityType".to_owned(), s("User")),
            ("FirstDay".to_owned(), s(&date)),
            ("FirstSeen".to_owned(), n(first_day.seen_ms)),
            ("GSI1PK".to_owned(), s(keys::new_users(first_day.date))),
            ("GSI1SK".to_owned(), s(profile.pk)),
        ]);
        let table = &self.tables.events;
        let request = self
            .put(table, item)
            .condition_expression("attribute_not_exists(PK) OR FirstDay > :day")
            .expression_attribute_values(":day", s(date));
        put_outcome(request.send().await, &self.connection.endpoint, table)
    }

    async fn new_users_page(
        &self,
        date: NaiveDate,
        after: Option<&Cursor>,
    ) -> Result<(u64, Option<Cursor>), StoreError> {
        let table = &self.tables.events;
        let query = self
            .connection
            .client
            .query()
            .table_name(table)
            .index_name(INDEX)
            .select(Select::Count)
            .key_condition_expression("GSI1PK = :partition")
            .expression_attribute_values(":partition", s(keys::new_users(date)))
            .set_exclusive_start_key(start_key(after));
        let answer = self.send(table, query).await?;
        let count = u64::try_from(answer.count()).unwrap_or(0);
        Ok((count, cursor(answer.last_evaluated_key.as_ref())?))
    }
}
