//! Setting up: the tables made where they are missing, and what an existing one has that ours would not.

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{
    BillingMode, ContinuousBackupsStatus, GlobalSecondaryIndexDescription, KeySchemaElement, KeyType,
    PointInTimeRecoverySpecification, PointInTimeRecoveryStatus, ProjectionType, ScalarAttributeType, TableDescription,
    TimeToLiveStatus,
};
use tokio::time::Instant;

use super::connect::Connection;
use super::refusal::{sort, sort_first};
use super::schema::{INDEX, TTL_ATTRIBUTE, Tables, create_table, enable_expiry, wait_until_active};
use crate::error::StoreError;
use headcount_runtime::retry::{Jitter, retry};

/// How to set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetUp {
    /// Keep backups of the figures' table from which any second of the last weeks can be restored.
    pub recovery: bool,
    /// Switch on what an existing table of ours lacks: expiry and recovery. Keys and indexes are never changed.
    pub fix: bool,
}

/// What setting up found and did of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableReport {
    /// Its name.
    pub table: String,
    /// Whether it was made now.
    pub created: bool,
    /// What of it was switched on now, though it was there before.
    pub fixed: Vec<&'static str>,
    /// What is not as it would have been made.
    pub differences: Vec<Difference>,
}

/// Something that is not as it would have been made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub what: String,
    /// How it is.
    pub found: String,
    /// How it would have been made.
    pub wanted: String,
    /// Whether a promise is broken while it stays so.
    pub breaks: bool,
    /// What to do about it; empty where nothing need be done.
    pub remedy: String,
}

/// Makes the tables that are missing, and compares those that are there with what it would have made. Doing it again
/// changes nothing, unless it is asked to fix.
///
/// # Errors
/// [`StoreError`], where the service cannot be asked or refuses; a table that exists and differs is no error.
pub async fn set_up(
    connection: &Connection,
    tables: &Tables,
    wanted: SetUp,
    deadline: Instant,
) -> Result<Vec<TableReport>, StoreError> {
    let work = Work { connection, tables, wanted, jitter: Jitter::from_entropy(), deadline };
    let mut reports = Vec::new();
    for table in tables.distinct() {
        reports.push(work.table(table).await?);
    }
    Ok(reports)
}

/// What of existing tables is not as it would have been made. Nothing is made or changed.
///
/// # Errors
/// [`StoreError`], where a table does not exist, or the service cannot be asked or refuses.
pub async fn compare(
    connection: &Connection,
    tables: &Tables,
    deadline: Instant,
) -> Result<Vec<TableReport>, StoreError> {
    let wanted = SetUp { recovery: true, fix: false };
    let work = Work { connection, tables, wanted, jitter: Jitter::from_entropy(), deadline };
    let mut reports = Vec::new();
    for table in tables.distinct() {
        let described = retry(&work.jitter, deadline, || async {
            let answer = connection.client.describe_table().table_name(table).send().await;
            answer.map_err(|error| sort(&error, &connection.endpoint, table))
        });
        let description = described.await?.table.unwrap_or_else(|| TableDescription::builder().build());
        let report =
            TableReport { table: table.to_owned(), created: false, fixed: Vec::new(), differences: Vec::new() };
        reports.push(work.compare(table, &description, report).await?);
    }
    Ok(reports)
}

struct Work<'a> {
    connection: &'a Connection,
    tables: &'a Tables,
    wanted: SetUp,
    jitter: Jitter,
    deadline: Instant,
}

impl Work<'_> {
    async fn table(&self, table: &str) -> Result<TableReport, StoreError> {
        let mut report =
            TableReport { table: table.to_owned(), created: false, fixed: Vec::new(), differences: Vec::new() };
        let mut description = self.first_look(table).await?;
        if description.is_none() {
            report.created = retry(&self.jitter, self.deadline, || create_table(self.connection, table)).await?;
            wait_until_active(self.connection, self.tables, table, &self.jitter, self.deadline).await?;
            description = self.first_look(table).await?;
        }
        let description = description.unwrap_or_else(|| TableDescription::builder().build());
        self.compare(table, &description, report).await
    }

    /// Compares, and switches on what may be.
    async fn compare(
        &self,
        table: &str,
        description: &TableDescription,
        mut report: TableReport,
    ) -> Result<TableReport, StoreError> {
        let has_events = table == self.tables.events;
        let shape = shape(description, has_events);
        let is_ours = shape.iter().all(|difference| !difference.breaks);
        report.differences.extend(shape);
        // A table with other keys is somebody else's: nothing is changed of it.
        let may_change = is_ours && (report.created || self.wanted.fix);
        if has_events {
            self.expiry(table, may_change, &mut report).await?;
        }
        if table == self.tables.metrics && self.wanted.recovery {
            self.recovery(table, may_change, &mut report).await?;
        }
        Ok(report)
    }

    async fn first_look(&self, table: &str) -> Result<Option<TableDescription>, StoreError> {
        match self.connection.client.describe_table().table_name(table).send().await {
            Ok(described) => Ok(described.table),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(sort_first(&error, &self.connection.endpoint, table)),
        }
    }

    async fn expiry(&self, table: &str, may_change: bool, report: &mut TableReport) -> Result<(), StoreError> {
        let mut found = self.expiry_of(table).await?;
        if found.is_none() && may_change {
            retry(&self.jitter, self.deadline, || enable_expiry(self.connection, table)).await?;
            found = self.expiry_of(table).await?;
            report.note_fixed("expiry of items");
        }
        if found.as_deref() == Some(TTL_ATTRIBUTE) {
            return Ok(());
        }
        let remedy = match &found {
            Some(other) => format!("switch the expiry by {other} off, then run headcount init --fix"),
            None => "run headcount init --fix".to_owned(),
        };
        report.differences.push(Difference {
            what: "expiry of items".into(),
            found: found.map_or_else(|| "off: events are kept for ever".into(), |name| format!("by {name}")),
            wanted: format!("by {TTL_ATTRIBUTE}"),
            breaks: true,
            remedy,
        });
        Ok(())
    }

    /// The attribute by which items expire; `None` where they do not.
    async fn expiry_of(&self, table: &str) -> Result<Option<String>, StoreError> {
        let described = retry(&self.jitter, self.deadline, || async {
            let answer = self.connection.client.describe_time_to_live().table_name(table).send().await;
            answer.map_err(|error| sort(&error, &self.connection.endpoint, table))
        });
        let described = described.await?.time_to_live_description;
        let is_on = |status: Option<&TimeToLiveStatus>| {
            matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
        };
        Ok(described.filter(|expiry| is_on(expiry.time_to_live_status())).and_then(|expiry| expiry.attribute_name))
    }

    async fn recovery(&self, table: &str, may_change: bool, report: &mut TableReport) -> Result<(), StoreError> {
        let ask = || retry(&self.jitter, self.deadline, || self.recovery_of(table));
        let mut found = ask().await?;
        if found == Recovery::Off && may_change {
            found = retry(&self.jitter, self.deadline, || self.enable_recovery(table)).await?;
            if found == Recovery::On {
                report.note_fixed("point-in-time recovery");
            }
        }
        let (found, remedy) = match found {
            Recovery::On => return Ok(()),
            Recovery::Off => ("off", "run headcount init --fix"),
            Recovery::NotKnownHere => ("not known to this service", ""),
        };
        report.differences.push(Difference {
            what: "point-in-time recovery".into(),
            found: found.into(),
            wanted: "on".into(),
            breaks: false,
            remedy: remedy.into(),
        });
        Ok(())
    }

    async fn recovery_of(&self, table: &str) -> Result<Recovery, StoreError> {
        match self.connection.client.describe_continuous_backups().table_name(table).send().await {
            Ok(answer) => {
                let backups = answer.continuous_backups_description();
                let status = backups
                    .filter(|backups| *backups.continuous_backups_status() == ContinuousBackupsStatus::Enabled)
                    .and_then(|backups| backups.point_in_time_recovery_description())
                    .and_then(|recovery| recovery.point_in_time_recovery_status());
                let is_on = status == Some(&PointInTimeRecoveryStatus::Enabled);
                Ok(if is_on { Recovery::On } else { Recovery::Off })
            }
            Err(error) if is_not_known(error.code()) => Ok(Recovery::NotKnownHere),
            Err(error) => Err(sort(&error, &self.connection.endpoint, table)),
        }
    }

    async fn enable_recovery(&self, table: &str) -> Result<Recovery, StoreError> {
        let on = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true).build();
        let on = on.map_err(|error| StoreError::Invalid { detail: error.to_string() })?;
        let request = self.connection.client.update_continuous_backups().table_name(table);
        match request.point_in_time_recovery_specification(on).send().await {
            Ok(_) => Ok(Recovery::On),
            Err(error) if is_not_known(error.code()) => Ok(Recovery::NotKnownHere),
            // A table that was made a moment ago.
            Err(error) if error.code() == Some("ContinuousBackupsUnavailableException") => {
                Err(StoreError::Throttled { detail: "backups of the new table are not ready yet".into() })
            }
            Err(error) => Err(sort(&error, &self.connection.endpoint, table)),
        }
    }
}

impl TableReport {
    /// What was switched on of a table that was there before; of a new one that goes without saying.
    fn note_fixed(&mut self, what: &'static str) {
        if !self.created {
            self.fixed.push(what);
        }
    }
}

/// Whether the last weeks can be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recovery {
    On,
    Off,
    /// A stand-in without backups.
    NotKnownHere,
}

/// Whether the service does not have the operation at all.
fn is_not_known(code: Option<&str>) -> bool {
    matches!(code, Some("UnknownOperationException" | "UnknownOperation" | "InvalidAction" | "NotImplemented"))
}

/// Keys, index and billing, where they differ.
fn shape(description: &TableDescription, needs_index: bool) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut differs = |what: &str, found: String, wanted: &str, breaks: bool, remedy: &str| {
        if found != wanted {
            let (what, wanted, remedy) = (what.to_owned(), wanted.to_owned(), remedy.to_owned());
            differences.push(Difference { what, found, wanted, breaks, remedy });
        }
    };
    let another = "keys of a table cannot be changed: use another name, and let Headcount make it";
    differs("keys", keys(description, description.key_schema()), "PK (S), SK (S)", true, another);
    if needs_index {
        let index = description.global_secondary_indexes().iter().find(|index| index.index_name() == Some(INDEX));
        let found = index.map(|index| keys(description, index.key_schema()));
        let add = "delete the index, then make it anew with these keys, projecting keys only";
        let wanted = "GSI1PK (S), GSI1SK (S)";
        differs("keys of the index GSI1", found.unwrap_or_else(|| "no such index".into()), wanted, true, add);
        if let Some(index) = index {
            let whole = "costs more storage and writes, nothing else; make the index anew to save them";
            differs("attributes of the index GSI1", projection(index), "keys only", false, whole);
        }
    }
    let billing = description.billing_mode_summary().and_then(|billing| billing.billing_mode());
    let billing = if billing == Some(&BillingMode::PayPerRequest) { "on demand" } else { "provisioned" };
    let sized =
        "nothing, where its capacity fits what `headcount cost` says for the peak: too little holds the counts up";
    differs("capacity", billing.into(), "on demand", false, sized);
    differences
}

/// `PK (S), SK (S)`: the hash key, then the range key.
fn keys(description: &TableDescription, schema: &[KeySchemaElement]) -> String {
    let kind = |name: &str| {
        let definition = description.attribute_definitions().iter().find(|one| one.attribute_name() == name);
        definition.map_or(ScalarAttributeType::S, |one| one.attribute_type().clone())
    };
    let mut schema: Vec<&KeySchemaElement> = schema.iter().collect();
    schema.sort_by_key(|key| *key.key_type() != KeyType::Hash);
    let named = |key: &&KeySchemaElement| format!("{} ({})", key.attribute_name(), kind(key.attribute_name()).as_str());
    schema.iter().map(named).collect::<Vec<_>>().join(", ")
}

fn projection(index: &GlobalSecondaryIndexDescription) -> String {
    match index.projection().and_then(|projection| projection.projection_type()) {
        Some(ProjectionType::KeysOnly) => "keys only".into(),
        Some(ProjectionType::All) => "all".into(),
        Some(ProjectionType::Include) => "some".into(),
        _ => "not told".into(),
    }
}
