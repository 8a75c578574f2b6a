//! What is fixed for a deployment: its identity, reporting zone, project, sketch precision, hash, and how long its log
//! keeps entries. It is created once, in the log's storage, and the table is bound to it.

use std::cmp::Ordering;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::hash::HASH_VERSION;
use crate::limits::{DEFAULT_LOG_RETENTION_DAYS, DEFAULT_SKETCH_PRECISION};

/// The version of the stored forms that this build reads and writes: 2, the event log. Version 1 claimed each event by a
/// conditional insert into the table.
pub const SCHEMA_VERSION: u32 = 2;

/// The deployment's own record, as its object `deployment/<k>.json` holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Its identity, drawn at random when it was created. Log and table must name the same one.
    pub id: String,
    /// The version of the stored forms.
    pub schema_version: u32,
    /// The zone whose days and hours the figures are of.
    pub zone: Tz,
    /// The project's name.
    pub project: String,
    /// The precision with which new user sketches begin.
    pub precision: u8,
    /// The version of the hash behind every sketch.
    pub hash_version: u32,
    /// Days that the log keeps an entry.
    pub log_retention_days: u32,
}

impl Deployment {
    /// A new deployment as this build makes it.
    pub fn new(id: String, zone: Tz, project: &str) -> Self {
        Self {
            id,
            schema_version: SCHEMA_VERSION,
            zone,
            project: project.to_owned(),
            precision: DEFAULT_SKETCH_PRECISION,
            hash_version: HASH_VERSION,
            log_retention_days: DEFAULT_LOG_RETENTION_DAYS,
        }
    }

    /// Refuses a deployment that this build would misread.
    ///
    /// # Errors
    ///
    /// [`DeploymentError`].
    pub fn check(&self) -> Result<(), DeploymentError> {
        Self::check_schema(self.schema_version)?;
        if self.hash_version != HASH_VERSION {
            return Err(DeploymentError::OtherHash { found: self.hash_version });
        }
        Ok(())
    }

    /// Refuses a deployment of another schema version, whose other fields may be unknown to this build.
    ///
    /// # Errors
    ///
    /// [`DeploymentError::NewerSchema`] or [`DeploymentError::OlderSchema`].
    pub fn check_schema(found: u32) -> Result<(), DeploymentError> {
        match found.cmp(&SCHEMA_VERSION) {
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(DeploymentError::NewerSchema { found }),
            Ordering::Less => Err(DeploymentError::OlderSchema { found }),
        }
    }

    /// Refuses a configured zone that is not the deployment's own.
    ///
    /// # Errors
    ///
    /// [`DeploymentError::OtherZone`].
    pub fn check_zone(&self, configured: Tz) -> Result<(), DeploymentError> {
        if configured == self.zone {
            Ok(())
        } else {
            Err(DeploymentError::OtherZone { fixed: self.zone.name().into(), configured: configured.name().into() })
        }
    }

    /// Refuses a table that belongs to another deployment.
    ///
    /// # Errors
    ///
    /// [`DeploymentError::OtherTable`].
    pub fn check_table(&self, id: &str) -> Result<(), DeploymentError> {
        if id == self.id {
            Ok(())
        } else {
            Err(DeploymentError::OtherTable { log: self.id.clone(), table: id.to_owned() })
        }
    }
}

/// The number that binds what is cached and written to one physical table: drawn when the table is first used, and again
/// when it is restored. A checkpoint or partial that carries another number counts as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableId(pub u64);

/// What a table says of itself, in its item `META` / `DEPLOYMENT`: a copy of the deployment's record, for those who read the
/// table only, and the table's own number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableMeta {
    /// The deployment that the table belongs to.
    pub deployment: Deployment,
    /// The table's own number.
    pub table: TableId,
}

/// Why this build must not work on that log or table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeploymentError {
    /// Written by a newer build.
    #[error("the deployment has schema version {found}, this build reads {SCHEMA_VERSION}: upgrade headcount")]
    NewerSchema {
        /// Its version.
        found: u32,
    },
    /// Written by an older build.
    #[error(
        "the deployment has schema version {found}, which this build no longer reads: create a new table and bucket, and \
         import the events of the old ones"
    )]
    OlderSchema {
        /// Its version.
        found: u32,
    },
    /// The sketches were made with another hash.
    #[error(
        "the deployment's sketches use hash version {found}, this build uses {HASH_VERSION}: use the build that made it"
    )]
    OtherHash {
        /// Its version.
        found: u32,
    },
    /// The configured zone is not the deployment's.
    #[error(
        "the deployment reports in the time zone {fixed}, which is fixed when it is first used, but {configured} is \
         configured: configure {fixed}, or use a new table and bucket"
    )]
    OtherZone {
        /// Its zone.
        fixed: String,
        /// The configured zone.
        configured: String,
    },
    /// Log and table belong to two deployments.
    #[error(
        "the log belongs to the deployment {log} and the table to {table}: configure the bucket and the table of the same \
         deployment"
    )]
    OtherTable {
        /// The log's deployment.
        log: String,
        /// The table's.
        table: String,
    },
    /// The table was used, but its log is not there.
    #[error(
        "the table belongs to the deployment {table}, but the log's storage holds no deployment: configure the bucket (or \
         data directory) that belongs to the table"
    )]
    NoLog {
        /// The table's deployment.
        table: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Deployment {
        Deployment::new("d-1".to_owned(), Tz::UTC, "shop")
    }

    #[test]
    fn what_would_be_misread_is_refused_with_what_to_do() {
        assert_eq!(ours().check(), Ok(()));
        for (found, says) in [(SCHEMA_VERSION + 1, "upgrade headcount"), (1, "import the events")] {
            let refused = Deployment { schema_version: found, ..ours() }.check().unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
        for found in [HASH_VERSION - 1, HASH_VERSION + 1] {
            let other = Deployment { hash_version: found, ..ours() };
            assert_eq!(other.check(), Err(DeploymentError::OtherHash { found }));
        }
    }

    #[test]
    fn the_zone_is_fixed_and_the_table_belongs_to_the_log() {
        let deployment = Deployment { zone: Tz::Europe__Berlin, ..ours() };
        assert_eq!(deployment.check_zone(Tz::Europe__Berlin), Ok(()));
        let error = deployment.check_zone(Tz::UTC).unwrap_err().to_string();
        assert!(error.contains("Europe/Berlin") && error.contains("UTC"), "{error}");
        assert_eq!(deployment.check_table("d-1"), Ok(()));
        assert!(deployment.check_table("d-2").unwrap_err().to_string().contains("d-2"));
    }

    #[test]
    fn it_round_trips_as_json() {
        let json = serde_json::to_string(&ours()).unwrap();
        assert!(json.contains(r#""zone":"UTC""#) && json.contains(r#""logRetentionDays":90"#), "{json}");
        assert_eq!(serde_json::from_str::<Deployment>(&json).unwrap(), ours());
    }
}
