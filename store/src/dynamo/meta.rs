//! The deployment's own record: `META` / `DEPLOYMENT`.

use aws_sdk_dynamodb::types::AttributeValue;
use headcount_core::deployment::{Deployment, WriteShardPlan};
use headcount_core::keys;

use super::DynamoStore;
use super::item::{Attributes, key_item, n, s};
use super::refusal::{put_outcome, sort};
use crate::error::StoreError;
use crate::rows::Put;
use crate::traits::DeploymentStore;

fn read(item: Attributes<'_>) -> Result<Deployment, StoreError> {
    let wrong = |text: String| item.malformed(format!("in WriteShards, {text}"));
    let mut changes = Vec::new();
    for (date, count) in item.map("WriteShards")? {
        let date = date.parse().map_err(|_| wrong(format!("{date:?} is no date")))?;
        let count = count.as_n().ok().and_then(|count| count.parse().ok());
        changes.push((date, count.ok_or_else(|| wrong(format!("the number from {date} on is none")))?));
    }
    Ok(Deployment {
        schema_version: item.number("SchemaVersion")?,
        zone: item.parsed("TimeZone")?,
        project: item.text("Project")?.to_owned(),
        precision: item.number("Precision")?,
        hash_version: item.number("HashVersion")?,
        write_shards: WriteShardPlan::from_changes(changes).map_err(|error| item.malformed(error.to_string()))?,
    })
}

impl DeploymentStore for DynamoStore {
    async fn read_deployment(&self) -> Result<Option<Deployment>, StoreError> {
        let table = &self.tables.metrics;
        let key = key_item(&keys::deployment());
        let request = self.connection.client.get_item().table_name(table).set_key(Some(key)).consistent_read(true);
        let answer = request.send().await.map_err(|error| sort(&error, &self.connection.place, table))?;
        answer.item().map(|item| read(Attributes(item))).transpose()
    }

    async fn create_deployment(&self, deployment: &Deployment) -> Result<Put, StoreError> {
        let changes = deployment.write_shards.changes().map(|(date, count)| (date.to_string(), n(count)));
        let mut item = key_item(&keys::deployment());
        item.extend([
            ("EntityType".to_owned(), s("Deployment")),
            ("SchemaVersion".to_owned(), n(deployment.schema_version)),
            ("TimeZone".to_owned(), s(deployment.zone.name())),
            ("Project".to_owned(), s(&deployment.project)),
            ("Precision".to_owned(), n(deployment.precision)),
            ("HashVersion".to_owned(), n(deployment.hash_version)),
            ("WriteShards".to_owned(), AttributeValue::M(changes.collect())),
        ]);
        let table = &self.tables.metrics;
        let request = self.connection.client.put_item().table_name(table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(PK)");
        put_outcome(request.send().await, &self.connection.place, table)
    }
}
