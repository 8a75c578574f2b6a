//! What is fixed for a deployment, and stored in its table: reporting zone, project, sketch precision, write shards.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::calendar::days_after;
use crate::hash::HASH_VERSION;
use crate::keys::WriteShards;
use crate::limits::{DEFAULT_SKETCH_PRECISION, MAX_WRITE_SHARDS};

/// The version of the table's items that this build writes.
pub const SCHEMA_VERSION: u32 = 1;

/// The deployment's own record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The newest version of items in the table.
    pub schema_version: u32,
    /// The zone whose days and hours the figures are of.
    pub zone: Tz,
    /// The project's name.
    pub project: String,
    /// The precision with which new user sketches begin.
    pub precision: u8,
    /// The version of the hash behind every sketch.
    pub hash_version: u32,
    /// Write shards by date.
    pub write_shards: WriteShardPlan,
}

impl Deployment {
    /// A new deployment as this build makes it.
    pub fn new(zone: Tz, project: &str) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            zone,
            project: project.to_owned(),
            precision: DEFAULT_SKETCH_PRECISION,
            hash_version: HASH_VERSION,
            write_shards: WriteShardPlan::default(),
        }
    }

    /// Refuses a table that this build would misread.
    ///
    /// # Errors
    ///
    /// [`DeploymentError::NewerSchema`] or [`DeploymentError::OtherHash`].
    pub fn check(&self) -> Result<(), DeploymentError> {
        if self.schema_version > SCHEMA_VERSION {
            return Err(DeploymentError::NewerSchema { found: self.schema_version });
        }
        if self.hash_version != HASH_VERSION {
            return Err(DeploymentError::OtherHash { found: self.hash_version });
        }
        Ok(())
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
}

/// From which date on a day's hot keys are spread over how many partitions. **A day's number never changes**: its
/// fence and its duplicates would be lost.
///
/// ```
/// use headcount_core::deployment::WriteShardPlan;
/// use headcount_core::keys::WriteShards;
/// let today = "2026-03-01".parse().unwrap();
/// let mut plan = WriteShardPlan::default();
/// plan.change("2026-03-03".parse().unwrap(), WriteShards::new(4).unwrap(), today).unwrap();
/// assert_eq!(plan.on("2026-03-02".parse().unwrap()), WriteShards::ONE);
/// assert_eq!(plan.on("2026-03-09".parse().unwrap()).count(), 4);
/// assert!(plan.change("2026-03-02".parse().unwrap(), WriteShards::ONE, today).is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteShardPlan(BTreeMap<NaiveDate, u32>);

impl WriteShardPlan {
    /// The plan of these changes, each the first date and its number of shards.
    ///
    /// # Errors
    ///
    /// [`DeploymentError::WriteShards`], where a number is not 1 to [`MAX_WRITE_SHARDS`].
    pub fn from_changes(changes: impl IntoIterator<Item = (NaiveDate, u32)>) -> Result<Self, DeploymentError> {
        let changes: BTreeMap<_, _> = changes.into_iter().collect();
        match changes.iter().find(|(_, count)| WriteShards::new(**count).is_none()) {
            Some((date, count)) => Err(DeploymentError::WriteShards { date: *date, count: *count }),
            None => Ok(Self(changes)),
        }
    }

    /// The changes, in order of their dates.
    pub fn changes(&self) -> impl Iterator<Item = (NaiveDate, u32)> + '_ {
        self.0.iter().map(|(date, count)| (*date, *count))
    }

    /// The write shards of a date.
    pub fn on(&self, date: NaiveDate) -> WriteShards {
        self.0.range(..=date).next_back().and_then(|(_, count)| WriteShards::new(*count)).unwrap_or(WriteShards::ONE)
    }

    /// Changes the number from `from` on. `from` lies at least two days ahead: events a little ahead of the clock
    /// already fall on tomorrow, and running functions need time to learn of it.
    ///
    /// # Errors
    ///
    /// [`DeploymentError::TooSoon`].
    pub fn change(&mut self, from: NaiveDate, shards: WriteShards, today: NaiveDate) -> Result<(), DeploymentError> {
        let earliest = days_after(today, 2);
        if from < earliest {
            return Err(DeploymentError::TooSoon { from, earliest });
        }
        self.0.insert(from, shards.count());
        Ok(())
    }
}

/// Why this build must not work on that table, or why a change of the deployment is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeploymentError {
    /// The table was written by a newer build.
    #[error("the table has schema version {found}, this build knows up to {SCHEMA_VERSION}: upgrade headcount")]
    NewerSchema {
        /// The table's version.
        found: u32,
    },
    /// The sketches were made with another hash.
    #[error(
        "the table's sketches use hash version {found}, this build {HASH_VERSION}: use the build that made the table"
    )]
    OtherHash {
        /// The table's version.
        found: u32,
    },
    /// The configured zone is not the deployment's.
    #[error(
        "the table reports in the time zone {fixed}, which is fixed when it is first used, but {configured} is configured: \
         configure {fixed}, or use a new table"
    )]
    OtherZone {
        /// The table's zone.
        fixed: String,
        /// The configured zone.
        configured: String,
    },
    /// A number of write shards out of range.
    #[error("write shards from {date} on are {count}: they must be 1 to {MAX_WRITE_SHARDS}")]
    WriteShards {
        /// The date.
        date: NaiveDate,
        /// The number.
        count: u32,
    },
    /// A change that would touch days already written.
    #[error("write shards cannot change on {from}: the earliest day that has no events yet is {earliest}")]
    TooSoon {
        /// The date asked for.
        from: NaiveDate,
        /// The earliest that is possible.
        earliest: NaiveDate,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_table_that_would_be_misread_is_refused() {
        let ours = Deployment::new(Tz::UTC, "shop");
        assert_eq!(ours.check(), Ok(()));
        assert_eq!(Deployment { schema_version: SCHEMA_VERSION - 1, ..ours.clone() }.check(), Ok(()));
        let newer = Deployment { schema_version: SCHEMA_VERSION + 1, ..ours.clone() }.check().unwrap_err();
        assert_eq!(newer, DeploymentError::NewerSchema { found: SCHEMA_VERSION + 1 });
        assert!(newer.to_string().ends_with("upgrade headcount"));
        for found in [HASH_VERSION - 1, HASH_VERSION + 1] {
            let other = Deployment { hash_version: found, ..ours.clone() };
            assert_eq!(other.check(), Err(DeploymentError::OtherHash { found }));
        }
    }

    #[test]
    fn the_zone_is_fixed() {
        let deployment = Deployment::new(Tz::Europe__Berlin, "shop");
        assert_eq!(deployment.check_zone(Tz::Europe__Berlin), Ok(()));
        let error = deployment.check_zone(Tz::UTC).unwrap_err().to_string();
        assert!(error.contains("Europe/Berlin") && error.contains("UTC"), "{error}");
    }

    #[test]
    fn a_plan_takes_1_to_the_most_write_shards() {
        let first = date("2026-03-01");
        for (count, allowed) in [(0, false), (1, true), (MAX_WRITE_SHARDS, true), (MAX_WRITE_SHARDS + 1, false)] {
            let plan = WriteShardPlan::from_changes([(date("2026-01-01"), 2), (first, count)]);
            assert_eq!(plan.is_ok(), allowed, "{count}");
            if let Err(error) = plan {
                assert_eq!(error, DeploymentError::WriteShards { date: first, count });
            }
        }
    }

    #[test]
    fn a_date_has_the_shards_of_the_last_change_up_to_it() {
        let changes = [(date("2026-02-01"), 4), (date("2026-03-01"), 8)];
        let plan = WriteShardPlan::from_changes(changes.into_iter().rev()).unwrap();
        assert_eq!(plan.changes().collect::<Vec<_>>(), changes);
        for (day, count) in
            [("2026-01-31", 1), ("2026-02-01", 4), ("2026-02-28", 4), ("2026-03-01", 8), ("2027-01-01", 8)]
        {
            assert_eq!(plan.on(date(day)).count(), count, "{day}");
        }
        assert_eq!(WriteShardPlan::default().on(date("2026-01-01")), WriteShards::ONE);
    }

    #[test]
    fn a_change_lies_two_days_ahead() {
        let (today, mut plan) = (date("2026-03-01"), WriteShardPlan::default());
        let four = WriteShards::new(4).unwrap();
        let earliest = date("2026-03-03");
        for from in ["2026-02-01", "2026-03-01", "2026-03-02"] {
            let from = date(from);
            assert_eq!(plan.change(from, four, today), Err(DeploymentError::TooSoon { from, earliest }));
        }
        assert_eq!(plan.change(earliest, four, today), Ok(()));
        assert_eq!(plan.changes().count(), 1);
    }
}
