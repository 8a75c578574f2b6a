//! What was put, what it was answered with, and the records that this names.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kinesis::primitives::DateTime;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ferrokinesis::sequence::{resolve_shard_id, shard_ix_to_hex};
use ferrokinesis::store::Store;
use headcount_core::origin::SequenceNumber;
use headcount_core::record::OpenedRecord;
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

/// `PutRecord`, or `PutRecords`: what of it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    data: Option<Data>,
    #[serde(default)]
    records: Vec<AskedRecord>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AskedRecord {
    data: Data,
}

/// A record's data: base64 in JSON, bytes in CBOR.
#[derive(Debug)]
struct Data(Vec<u8>);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl serde::de::Visitor<'_> for Reader {
            type Value = Data;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("base64 or bytes")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Data, E> {
                STANDARD.decode(text).map(Data).map_err(E::custom)
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Data, E> {
                Ok(Data(bytes.to_vec()))
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Reader)
        } else {
            deserializer.deserialize_bytes(Reader)
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8], is_cbor: bool) -> Result<T, String> {
    if is_cbor {
        ciborium::from_reader(body).map_err(|error| error.to_string())
    } else {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }
}

/// How many events each record of a put onto `stream` holds. A put onto another stream, and one that cannot be read, has none.
pub(super) fn events(body: &[u8], is_cbor: bool, stream: &str) -> Vec<u64> {
    let Ok(asked) = read::<Asked>(body, is_cbor) else { return Vec::new() };
    let named = asked.stream_name.as_deref().or_else(|| asked.stream_arn.as_deref()?.rsplit('/').next());
    if named != Some(stream) {
        return Vec::new();
    }
    let records = asked.records.into_iter().map(|record| record.data).chain(asked.data);
    records.map(|data| OpenedRecord::open(&data.0).events()).collect()
}

/// The shard and the sequence number of each record of a put; `None` for one that was refused.
pub(super) fn placed(body: &[u8], is_cbor: bool) -> Result<Vec<Option<(String, String)>>, String> {
    let answer: Answer = read(body, is_cbor)?;
    let all = if answer.records.is_empty() { vec![answer.one] } else { answer.records };
    Ok(all.into_iter().map(|placed| placed.shard_id.zip(placed.sequence_number)).collect())
}

/// The same by shard.
pub(super) fn by_shard(placed: &[Option<(String, String)>]) -> Places {
    let mut places: Places = BTreeMap::new();
    for (shard, sequence) in placed.iter().flatten() {
        places.entry(shard.clone()).or_default().insert(sequence.clone());
    }
    places
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
            assert_eq!(by_shard(&placed(body.as_bytes(), false).unwrap()), expected);
            assert_eq!(by_shard(&placed(&cbor, true).unwrap()), expected);
        };
        check(r#"{"ShardId":"a","SequenceNumber":"7"}"#, &[("a", &["7"])]);
        check(
            r#"{"FailedRecordCount":1,"Records":[{"ShardId":"a","SequenceNumber":"7"},{"ErrorCode":"Slow",
                "ErrorMessage":"down"},{"ShardId":"b","SequenceNumber":"9"},{"ShardId":"a","SequenceNumber":"8"}]}"#,
            &[("a", &["7", "8"]), ("b", &["9"])],
        );
        check(r#"{"FailedRecordCount":1,"Records":[{"ErrorCode":"Slow","ErrorMessage":"down"}]}"#, &[]);
        assert!(placed(b"<html>", false).is_err() && placed(b"\xff", true).is_err());
    }

    #[test]
    fn events_are_counted_before_they_are_put() {
        let data = STANDARD.encode("{\"a\":1}\n{\"a\":2}");
        let put = format!(
            r#"{{"StreamName":"events","Records":[{{"Data":"{data}"}},{{"Data":"e30=","PartitionKey":"k"}}]}}"#
        );
        assert_eq!(events(put.as_bytes(), false, "events"), [2, 1]);
        assert_eq!(events(put.as_bytes(), false, "other"), [0; 0]);
        assert_eq!(events(b"nonsense", false, "events"), [0; 0]);
        let one = format!(r#"{{"StreamARN":"arn:aws:kinesis:us-east-1:0:stream/events","Data":"{data}"}}"#);
        assert_eq!(events(one.as_bytes(), false, "events"), [2]);
        let record = ciborium::Value::Map(vec![
            (ciborium::Value::Text("StreamName".into()), ciborium::Value::Text("events".into())),
            (ciborium::Value::Text("Data".into()), ciborium::Value::Bytes(b"{\"a\":1}\n{\"a\":2}".to_vec())),
        ]);
        let mut cbor = Vec::new();
        ciborium::into_writer(&record, &mut cbor).unwrap();
        assert_eq!(events(&cbor, true, "events"), [2]);
    }
}
