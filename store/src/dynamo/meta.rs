//! The table's own record: `META` / `DEPLOYMENT`.

use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use headcount_core::deployment::{Deployment, DeploymentError, SCHEMA_VERSION, TableId, TableMeta};
use headcount_core::keys;

use super::DynamoStore;
use super::attributes::{Attributes, key_item, n, s};
use super::refusal::put_outcome;
use crate::error::StoreError;
use crate::rows::Put;
use crate::traits::MetaStore;

/// The schema version comes first: of a record of another one nothing else can be expected.
fn read(item: Attributes<'_>) -> Result<TableMeta, StoreError> {
    let found: u32 = item.number("SchemaVersion")?;
    let other = match found {
        SCHEMA_VERSION => None,
        found if found < SCHEMA_VERSION => Some(DeploymentError::OlderSchema { found }),
        found => Some(DeploymentError::NewerSchema { found }),
    };
    if let Some(error) = other {
        return Err(StoreError::Unusable { detail: error.to_string() });
    }
    Ok(TableMeta {
        deployment: Deployment {
            id: item.text("Id")?.to_owned(),
            schema_version: found,
            zone: item.parsed("TimeZone")?,
            project: item.text("Project")?.to_owned(),
            precision: item.number("Precision")?,
            hash_version: item.number("HashVersion")?,
            log_retention_days: item.number("LogRetentionDays")?,
        },
        table: TableId(item.number("Table")?),
    })
}

impl DynamoStore {
    fn put_meta(&self, TableMeta { deployment, table }: &TableMeta) -> PutItemFluentBuilder {
        let mut item = key_item(&keys::deployment());
        item.extend([
            ("EntityType".to_owned(), s("Deployment")),
            ("Id".to_owned(), s(&deployment.id)),
            ("SchemaVersion".to_owned(), n(deployment.schema_version)),
            ("TimeZone".to_owned(), s(deployment.zone.name())),
            ("Project".to_owned(), s(&deployment.project)),
            ("Precision".to_owned(), n(deployment.precision)),
            ("HashVersion".to_owned(), n(deployment.hash_version)),
            ("LogRetentionDays".to_owned(), n(deployment.log_retention_days)),
            ("Table".to_owned(), n(table.0)),
        ]);
        self.put(&self.tables.metrics, item)
    }
}

impl MetaStore for DynamoStore {
    async fn read_meta(&self) -> Result<Option<TableMeta>, StoreError> {
        let item = self.get(&self.tables.metrics, &keys::deployment()).await?;
        item.as_ref().map(Attributes).map(read).transpose()
    }

    async fn create_meta(&self, meta: &TableMeta) -> Result<Put, StoreError> {
        let request = self.put_meta(meta).condition_expression("attribute_not_exists(PK)");
        put_outcome(request.send().await, &self.connection.endpoint, &self.tables.metrics)
    }

    async fn replace_meta(&self, meta: &TableMeta, replaced: TableId) -> Result<Put, StoreError> {
        let request = self.put_meta(meta).condition_expression("#table = :replaced");
        let request = request.expression_attribute_names("#table", "Table");
        let request = request.expression_attribute_values(":replaced", n(replaced.0));
        put_outcome(request.send().await, &self.connection.endpoint, &self.tables.metrics)
    }
}
