//! Certificates of days: what a proof counted, and from which objects, so that others can repeat the count.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::NaiveDate;
use chrono_tz::Tz;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use headcount_core::deployment::Deployment;
use headcount_core::exact::{ExactFigures, Unreadable};
use headcount_core::origin::Source;
use headcount_log::{Append, Log, LogError};
use headcount_runtime::compute::Compute;
use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN, digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::prove::{Position, ProveError, Proven, Proving, prove};

/// The version of the certificate's form.
pub const VERSION: u32 = 1;

/// What a proof counted of a day, and from which entries of the log. Two certificates of one proof are the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// [`VERSION`].
    pub version: u32,
    /// The deployment: [`Deployment::id`].
    pub deployment: String,
    /// Its project.
    pub project: String,
    /// The zone whose day is counted.
    pub zone: Tz,
    /// The day.
    pub date: NaiveDate,
    /// The proof that is certified.
    pub proof: CertifiedProof,
    /// The last entry of each source that is counted.
    pub positions: BTreeMap<Source, u64>,
    /// Entries up to these positions that have something of the day.
    pub entries: u64,
    /// [`merkle_root`] of these entries, in order of source and number, in hexadecimal.
    pub merkle_root: String,
    /// The day's exact figures.
    pub figures: ExactFigures,
}

/// Which proof is certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertifiedProof {
    /// Its number.
    pub number: u64,
    /// When it was computed, milliseconds since the epoch.
    pub proven_ms: i64,
}

/// With what a day is counted.
#[derive(Clone, Copy, Debug)]
pub struct Counting<'a> {
    /// The log.
    pub log: &'a Log,
    /// Milliseconds after the end of a day that a shard's consumer may still append events of it.
    pub late_ms: i64,
    /// Bytes of memory that counting may use.
    pub memory: u64,
    /// Entries that are read at the same time.
    pub at_once: usize,
    /// Where counting runs.
    pub compute: Compute,
    /// Until when.
    pub deadline: Instant,
}

/// A value of a certificate that is not what the log says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mismatch {
    /// Where it stands in the certificate: `figures.counters.events`.
    pub field: String,
    /// What the certificate says; null where it says nothing.
    pub certified: Value,
    /// What the log says; null where it says nothing.
    pub counted: Value,
}

/// What came of checking a certificate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// The day.
    pub date: NaiveDate,
    /// The number of the certified proof.
    pub number: u64,
    /// Every value that differs.
    pub mismatches: Vec<Mismatch>,
    /// Entries that are missing or damaged.
    pub unreadable: Vec<Unreadable>,
    /// Events of the day that were appended behind the certified positions. They do not make the certificate wrong.
    pub since: u64,
}

impl Checked {
    /// Whether the log says what the certificate says.
    pub fn passed(&self) -> bool {
        self.mismatches.is_empty() && self.unreadable.is_empty()
    }
}

/// Why a day is not certified, or a certificate not checked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CertificateError {
    /// The log was never used.
    #[error("the log belongs to no deployment yet: nothing was appended to it")]
    NoDeployment,
    /// Nobody proved the day.
    #[error("{date} has no proof yet: run `headcount prove --date {date}` first")]
    NoProof {
        /// The day.
        date: NaiveDate,
    },
    /// The proof is not the day's last word.
    #[error("{events} events of {date} were appended since proof {number}: run `headcount prove --date {date}` first")]
    Since {
        /// The day.
        date: NaiveDate,
        /// Its proof.
        number: u64,
        /// The events.
        events: u64,
    },
    /// Entries are missing or damaged.
    #[error(
        "{count} entries that may have events of {date} are missing or damaged, the first is entry {entry} of {source_name} \
         ({detail}): restore them, then run `headcount prove --date {date}`"
    )]
    Unreadable {
        /// The day.
        date: NaiveDate,
        /// How many.
        count: usize,
        /// The source of the first.
        source_name: Source,
        /// Its number.
        entry: u64,
        /// What is wrong with it.
        detail: String,
    },
    /// The log does not say what the proof says: entries expired, or were lost or replaced.
    #[error(
        "the log does not confirm proof {number} of {date}: {field} is {certified} in the proof and {counted} by the log; \
         entries expire after {retention_days} days"
    )]
    NotConfirmed {
        /// The day.
        date: NaiveDate,
        /// Its proof.
        number: u64,
        /// The first figure that differs.
        field: String,
        /// What the proof says.
        certified: Value,
        /// What the log says.
        counted: Value,
        /// Days that the log keeps entries.
        retention_days: u32,
    },
    /// Another certificate of the same proof is stored.
    #[error(
        "certificate/{date}/{number}.json exists and says something else ({what}): keep it, and find out who wrote it"
    )]
    Other {
        /// The day.
        date: NaiveDate,
        /// The proof.
        number: u64,
        /// How it differs.
        what: String,
    },
    /// The text is no certificate.
    #[error("not a certificate of a day: {0}")]
    Malformed(String),
    /// A build of another time wrote it.
    #[error("the certificate has version {found}, this build reads version {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// The log could not be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The day could not be counted.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

/// What every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Certificate {
    /// Reads a certificate as [`Self::to_json`] writes it.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Malformed`], [`CertificateError::Version`].
    pub fn parse(json: &[u8]) -> Result<Self, CertificateError> {
        let malformed = |error: serde_json::Error| CertificateError::Malformed(error.to_string());
        let Versioned { version } = serde_json::from_slice(json).map_err(malformed)?;
        if version != VERSION {
            return Err(CertificateError::Version { found: version });
        }
        serde_json::from_slice(json).map_err(malformed)
    }

    /// Its stored form: indented JSON.
    pub fn to_json(&self) -> Bytes {
        let mut json = serde_json::to_vec_pretty(self).expect("texts and numbers are JSON, and memory takes all");
        json.push(b'\n');
        json.into()
    }
}

/// Counts a proven day again from the log, up to the positions of its stored proof, and stores the certificate.
///
/// # Errors
///
/// [`CertificateError`].
pub async fn certify(counting: Counting<'_>, date: NaiveDate) -> Result<Certificate, CertificateError> {
    let Counting { log, deadline, .. } = counting;
    let deployment = log.deployment(deadline).await?.ok_or(CertificateError::NoDeployment)?;
    let stored = log.proof(date, deadline).await?.ok_or(CertificateError::NoProof { date })?;
    let number = stored.proven.number;
    let proof = CertifiedProof { number, proven_ms: stored.proven.proven_ms };
    let of_sources = stored.sources.into_iter().map(|(source, proven)| (source, proven.entry));
    let positions = of_sources.filter(|(_, entry)| *entry > 0).collect();
    let figures = stored.proven.figures;
    let counted = count(counting, &deployment, date, &positions, &figures).await?;
    if let Some(Unreadable { source, entry, detail }) = counted.unreadable.first() {
        let (count, source_name, entry, detail) = (counted.unreadable.len(), source.clone(), *entry, detail.clone());
        return Err(CertificateError::Unreadable { date, count, source_name, entry, detail });
    }
    if counted.since > 0 {
        return Err(CertificateError::Since { date, number, events: counted.since });
    }
    if let Some(Mismatch { field, certified, counted }) = mismatches(&figures, &counted.figures).into_iter().next() {
        let retention_days = deployment.log_retention_days;
        return Err(CertificateError::NotConfirmed { date, number, field, certified, counted, retention_days });
    }
    let certificate = counted.certificate(&deployment, date, proof, positions);
    store(counting, &certificate).await?;
    Ok(certificate)
}

async fn store(counting: Counting<'_>, certificate: &Certificate) -> Result<(), CertificateError> {
    let Counting { log, deadline, .. } = counting;
    let (date, number) = (certificate.date, certificate.proof.number);
    if log.put_certificate(date, number, certificate.to_json(), deadline).await? == Append::Created {
        return Ok(());
    }
    let json = log.certificate(date, number, deadline).await?.unwrap_or_default();
    let what = match Certificate::parse(&json) {
        Ok(stored) if mismatches(&stored, certificate).is_empty() => return Ok(()),
        Ok(stored) => {
            mismatches(&stored, certificate).into_iter().map(|found| found.field).collect::<Vec<_>>().join(", ")
        }
        Err(error) => error.to_string(),
    };
    Err(CertificateError::Other { date, number, what })
}

/// Counts a day again from the log, up to the positions of a certificate, and compares. Nothing is written.
///
/// # Errors
///
/// [`CertificateError`].
pub async fn check(counting: Counting<'_>, certificate: &Certificate) -> Result<Checked, CertificateError> {
    let deployment = counting.log.deployment(counting.deadline).await?.ok_or(CertificateError::NoDeployment)?;
    let Certificate { date, proof, positions, figures, .. } = certificate;
    let counted = count(counting, &deployment, *date, positions, figures).await?;
    let (unreadable, since) = (counted.unreadable.clone(), counted.since);
    let again = counted.certificate(&deployment, *date, *proof, positions.clone());
    let mismatches = mismatches(certificate, &again);
    Ok(Checked { date: *date, number: proof.number, mismatches, unreadable, since })
}

/// What the log says of a day up to some positions.
struct Counted {
    figures: ExactFigures,
    entries: u64,
    root: [u8; SHA256_OUTPUT_LEN],
    unreadable: Vec<Unreadable>,
    since: u64,
}

impl Counted {
    fn certificate(
        self,
        deployment: &Deployment,
        date: NaiveDate,
        proof: CertifiedProof,
        positions: BTreeMap<Source, u64>,
    ) -> Certificate {
        Certificate {
            version: VERSION,
            deployment: deployment.id.clone(),
            project: deployment.project.clone(),
            zone: deployment.zone,
            date,
            proof,
            positions,
            entries: self.entries,
            merkle_root: hex::encode(self.root),
            figures: self.figures,
        }
    }
}

async fn count(
    counting: Counting<'_>,
    deployment: &Deployment,
    date: NaiveDate,
    positions: &BTreeMap<Source, u64>,
    expected: &ExactFigures,
) -> Result<Counted, CertificateError> {
    let Counting { log, late_ms, memory, at_once, compute, deadline } = counting;
    let sources = look_up(counting, positions).await?;
    let dates = BTreeSet::from([date]);
    let proving = Proving {
        log,
        zone: deployment.zone,
        precision: deployment.precision,
        sources: &sources,
        dates: &dates,
        late_ms,
        expected: expected.counters.events,
        memory,
        at_once,
        compute,
        deadline,
    };
    let proven = Box::pin(prove(proving)).await?.remove(&date).expect("the date that was asked for is counted");
    let Proven { figures, entries, behind, damaged: mut unreadable, .. } = proven;
    // Not those behind the positions: they are in no figure.
    unreadable.retain(|one| positions.get(&one.source).is_some_and(|position| one.entry <= *position));
    let of_day = entries.iter().flat_map(|(source, entries)| entries.iter().map(move |entry| (source, *entry)));
    let of_day: Vec<_> = of_day.map(|(source, entry)| hash(log, source, entry, deadline)).collect();
    let count = of_day.len() as u64;
    let hashed: Vec<_> = stream::iter(of_day).buffered(at_once.max(1)).try_collect().await?;
    let mut hashes = Vec::with_capacity(hashed.len());
    for one in hashed {
        match one {
            Ok(hash) => hashes.push(hash),
            Err(damaged) => unreadable.push(damaged),
        }
    }
    let since = behind.values().sum();
    Ok(Counted { figures, entries: count, root: merkle_root(&hashes), unreadable, since })
}

/// Every source of the log and of the positions, with its newest entry.
async fn look_up(counting: Counting<'_>, positions: &BTreeMap<Source, u64>) -> Result<Vec<Position>, LogError> {
    let Counting { log, at_once, deadline, .. } = counting;
    let mut sources: BTreeSet<_> = log.sources(deadline).await?.into_iter().collect();
    sources.extend(positions.keys().cloned());
    let looks = sources.into_iter().map(|source| {
        let entry = positions.get(&source).copied().unwrap_or(0);
        look_at(log, source, entry, deadline)
    });
    let looks: Vec<_> = looks.collect();
    stream::iter(looks).buffered(at_once.max(1)).try_collect().await
}

async fn look_at(log: &Log, source: Source, entry: u64, deadline: Instant) -> Result<Position, LogError> {
    let newest = log.newest(&source, entry, deadline).await?;
    Ok(Position { source, entry, newest })
}

/// SHA-256 of an entry's object, or what is wrong with it.
async fn hash(
    log: &Log,
    source: &Source,
    entry: u64,
    deadline: Instant,
) -> Result<Result<[u8; SHA256_OUTPUT_LEN], Unreadable>, LogError> {
    match log.read(source, entry, deadline).await {
        Ok(read) => Ok(Ok(read.sha256())),
        Err(LogError::Damaged { source_name, entry, detail }) => {
            Ok(Err(Unreadable { source: source_name, entry, detail: detail.to_string() }))
        }
        Err(error) => Err(error),
    }
}

/// The root of a Merkle tree over these SHA-256 hashes, the tree of RFC 6962: a leaf is SHA-256 of a byte 0 and the hash, a node is
/// SHA-256 of a byte 1 and its two children. The last of an odd number of nodes is carried up as it is. Without hashes, the
/// root is SHA-256 of nothing.
pub fn merkle_root(hashes: &[[u8; SHA256_OUTPUT_LEN]]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut level: Vec<_> = hashes.iter().map(|hash| sha256(0, &[hash])).collect();
    while level.len() > 1 {
        let parent = |nodes: &[[u8; SHA256_OUTPUT_LEN]]| match nodes {
            [left, right] => sha256(1, &[left, right]),
            odd => odd[0],
        };
        level = level.chunks(2).map(parent).collect();
    }
    level.pop().unwrap_or_else(|| bytes(digest(&SHA256, &[])))
}

fn sha256(prefix: u8, parts: &[&[u8; SHA256_OUTPUT_LEN]]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut context = Context::new(&SHA256);
    context.update(&[prefix]);
    for part in parts {
        context.update(*part);
    }
    bytes(context.finish())
}

fn bytes(digest: ring::digest::Digest) -> [u8; SHA256_OUTPUT_LEN] {
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The values that differ, by where they stand.
fn mismatches<T: Serialize>(certified: &T, counted: &T) -> Vec<Mismatch> {
    let value = |of: &T| serde_json::to_value(of).expect("texts and numbers are JSON");
    let mut found = Vec::new();
    compare("", &value(certified), &value(counted), &mut found);
    found
}

fn compare(field: &str, certified: &Value, counted: &Value, found: &mut Vec<Mismatch>) {
    let within = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
    match (certified, counted) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for name in names {
                let of = |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or_default();
                compare(&within(name), &of(one), &of(other), found);
            }
        }
        (certified, counted) if certified == counted => {}
        (certified, counted) => {
            let (certified, counted) = (certified.clone(), counted.clone());
            found.push(Mismatch { field: field.to_owned(), certified, counted });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_root_is_the_one_of_rfc_6962() {
        assert_eq!(hex::encode(merkle_root(&[])), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let hashes: Vec<[u8; 32]> = (0..7).map(|n| [n; 32]).collect();
        let leaf = |n: usize| sha256(0, &[&hashes[n]]);
        let node = |left: [u8; 32], right: [u8; 32]| sha256(1, &[&left, &right]);
        assert_eq!(merkle_root(&hashes[..1]), leaf(0));
        assert_eq!(merkle_root(&hashes[..3]), node(node(leaf(0), leaf(1)), leaf(2)));
        let left = node(node(leaf(0), leaf(1)), node(leaf(2), leaf(3)));
        assert_eq!(merkle_root(&hashes[..5]), node(left, leaf(4)));
        assert_eq!(merkle_root(&hashes), node(left, node(node(leaf(4), leaf(5)), leaf(6))));
        let swapped = [hashes[1], hashes[0], hashes[2]];
        assert_ne!(merkle_root(&swapped), merkle_root(&hashes[..3]));
    }

    #[test]
    fn each_value_that_differs_is_named() {
        let one = json!({"a": 1, "b": {"x": 1, "y": 2}, "c": [1]});
        let other = json!({"a": 1, "b": {"x": 3, "z": 2}, "c": [1]});
        let named: Vec<_> = mismatches(&one, &other).into_iter().map(|found| found.field).collect();
        assert_eq!(named, ["b.x", "b.y", "b.z"]);
        assert!(mismatches(&one, &one).is_empty());
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let refused = |json: &str| Certificate::parse(json.as_bytes()).unwrap_err();
        assert!(matches!(refused("{}"), CertificateError::Malformed(_)));
        assert!(matches!(refused("{\"version\": 1}"), CertificateError::Malformed(_)));
        assert_eq!(refused("{\"version\": 2}"), CertificateError::Version { found: 2 });
    }
}
