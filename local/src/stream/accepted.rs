//! What a put was answered with, and the records that this names.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kinesis::primitives::DateTime;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ferrokinesis::sequence::{resolve_shard_id, shard_ix_to_hex};
use ferrokinesis::store::Store;
use headcount_core::origin::SequenceNumber;
use serde::Deserialize;

use super::journal::Accepted;

/// Sequence numbers by shard.
pub(super) type Places = BTreeMap<String, BTreeSet<String>>;

/// The answer to `PutRecord`, or to `PutRecords`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(flatten)]
    one: Placed,
    #[serde(default)]
    records: Vec<Placed>,
}

/// Where a record was put. One that was refused has neither.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Placed {
    shard_id: Option<String>,
    sequence_number: Option<String>,
}

/// The sequence numbers that an answer names, by shard.
pub(super) fn places(body: &[u8], is_cbor: bool) -> Result<Places, String> {
    let answer: Answer = if is_cbor {
        ciborium::from_reader(body).map_err(|error| error.to_string())?
    } else {
        serde_json::from_slice(body).map_err(|error| error.to_string())?
    };
    let mut places: Places = BTreeMap::new();
    for placed in answer.records.into_iter().chain([answer.one]) {
        if let (Some(shard), Some(sequence)) = (placed.shard_id, placed.sequence_number) {
            places.entry(shard).or_default().insert(sequence);
        }
    }
    Ok(places)
}

/// When the stream took a record, as the consumer is told it.
pub(crate) fn arrived_at(at: &DateTime) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(at.secs(), at.subsec_nanos()).unwrap_or_default()
}

/// The records of `stream` at these places, with their shards. Places of another stream are none of its, and a record that
/// was trimmed meanwhile has been processed.
pub(super) async fn find(store: &Store, stream: &str, places: &Places) -> Result<Vec<(String, Accepted)>, String> {
    let mut found = Vec::new();
    for (shard, sequences) in places {
        let Ok((_, index)) = resolve_shard_id(shard) else { return Err(format!("no shard is called {shard}")) };
        let lane = shard_ix_to_hex(index);
        let (Some(first), Some(last)) = (sequences.first(), sequences.last()) else { continue };
        // The end is not in the range, and nothing lies between a key and the key with a zero byte behind it.
        let (from, to) = (format!("{lane}/{first}"), format!("{lane}/{last}\0"));
        for (key, stored) in store.get_records_range(stream, &from, &to).await {
            let Some(sequence) = key.split('/').nth(1).filter(|sequence| sequences.contains(*sequence)) else {
                continue;
            };
            let sequence: SequenceNumber = sequence.parse().map_err(|_| "a sequence number is no number".to_owned())?;
            let data = STANDARD.decode(&stored.data).map_err(|error| format!("a record's data: {error}"))?;
            // To the millisecond what the mapping makes of it: an event without a time of its own has this one.
            let arrival = DateTime::from_secs_f64(stored.approximate_arrival_timestamp);
            let arrival_ms = arrived_at(&arrival).timestamp_millis();
            found.push((shard.clone(), Accepted { sequence, arrival_ms, partition_key: stored.partition_key, data }));
        }
    }
    Ok(found)
}

/// Takes the records at these places out of the stream: their put is answered as failed.
pub(super) async fn remove(store: &Store, stream: &str, places: &Places) {
    for (shard, sequences) in places {
        let Ok((_, index)) = resolve_shard_id(shard) else { continue };
        let lane = shard_ix_to_hex(index);
        let keys: Vec<String> = sequences.iter().map(|sequence| format!("{lane}/{sequence}")).collect();
        store.delete_record_keys(stream, &keys).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_what_was_accepted_and_nothing_else() {
        let check = |body: &str, expected: &[(&str, &[&str])]| {
            let value: serde_json::Value = serde_json::from_str(body).unwrap();
            let mut cbor = Vec::new();
            ciborium::into_writer(&value, &mut cbor).unwrap();
            let owned = |(shard, sequences): &(&str, &[&str])| {
                ((*shard).to_owned(), sequences.iter().map(|sequence| (*sequence).to_owned()).collect())
            };
            let expected: Places = expected.iter().map(owned).collect();
            assert_eq!(places(body.as_bytes(), false).unwrap(), expected);
            assert_eq!(places(&cbor, true).unwrap(), expected);
        };
        check(r#"{"ShardId":"a","SequenceNumber":"7"}"#, &[("a", &["7"])]);
        check(
            r#"{"FailedRecordCount":1,"Records":[{"ShardId":"a","SequenceNumber":"7"},{"ErrorCode":"Slow",
                "ErrorMessage":"down"},{"ShardId":"b","SequenceNumber":"9"},{"ShardId":"a","SequenceNumber":"8"}]}"#,
            &[("a", &["7", "8"]), ("b", &["9"])],
        );
        check(r#"{"FailedRecordCount":1,"Records":[{"ErrorCode":"Slow","ErrorMessage":"down"}]}"#, &[]);
        assert!(places(b"<html>", false).is_err() && places(b"\xff", true).is_err());
    }
}
