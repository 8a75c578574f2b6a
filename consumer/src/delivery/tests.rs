use aws_lambda_events::event::kinesis::KinesisEvent;

use super::*;

const ARN: &str = "arn:aws:kinesis:us-east-2:123456789012:stream/events";

/// A record as Lambda writes it, its arrival time as given.
fn record(sequence: &str, arrived: &str, data: &str) -> String {
    format!(
        r#"{{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"1\u0041","sequenceNumber":"{sequence}","data":"{data}",
        "approximateArrivalTimestamp":{arrived}}},"eventSource":"aws:kinesis","eventVersion":"1.0",
        "eventID":"shardId-000000000006:{sequence}","eventName":"aws:kinesis:record","invokeIdentityArn":"arn:r",
        "awsRegion":"us-east-2","eventSourceARN":"{ARN}"}}"#
    )
}

fn invocation(records: &[String]) -> String {
    format!(r#"{{"Records":[{}]}}"#, records.join(","))
}

/// Reads it both ways, which must agree where the short way has a verdict.
fn read(text: &str) -> Delivery {
    if let Some(quick) = quick::read(text.as_bytes()) {
        let long: Invocation = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(quick, long.records.0, "{text}");
    }
    Delivery::from_json(text.as_bytes())
}

#[test]
fn the_short_way_is_gone_where_lambda_writes_it() {
    let ordinary = record("1", "1545084650.98", "AAAA").replace(r"1\u0041", "1").replace("\n        ", "");
    assert!(quick::read(invocation(&[ordinary.clone(), ordinary.clone()]).as_bytes()).is_some());
    for (from, to) in [
        (",", ", "),
        ("\"1.0\"", "null"),
        ("\"1.0\"", "1.0"),
        ("shardId", r"shardI\u0064"),
        ("1545084650.98", "1.54508465098e9"),
        ("1545084650.98", "1545084650.9876"),
        ("1545084650.98", "1545084650."),
        ("1545084650.98", "-1"),
        ("1545084650.98", "\"1545084650\""),
        ("AAAA", "AAA"),
        ("\"data\":", "\"data\":\"\",\"data\":"),
        ("\"eventID\"", "\"eventName\""),
        ("}]}", "}]} "),
        ("}]}", "}]"),
        ("{\"Records\"", "{\"more\":1,\"Records\""),
    ] {
        let text = invocation(std::slice::from_ref(&ordinary)).replacen(from, to, 1);
        assert_eq!(quick::read(text.as_bytes()), None, "{text}");
        read(&text);
    }
}

#[test]
fn any_cut_and_any_other_byte_is_read_as_the_long_way_reads_it() {
    let ordinary = record("12", "1545084650.98", "eyJhIjoxfQ==").replace(r"1\u0041", "1").replace("\n        ", "");
    let text = invocation(&[ordinary.clone(), ordinary]);
    for at in 0..text.len() {
        for byte in [b'"', b'\\', b',', b'}', b'0', b'x'] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = byte;
            let Some(quick) = quick::read(&bytes) else { continue };
            let long: Result<Invocation, _> = serde_json::from_slice(&bytes);
            assert_eq!(quick, long.unwrap().records.0, "{}", String::from_utf8_lossy(&bytes));
        }
        assert_eq!(quick::read(&text.as_bytes()[..at]), None);
    }
}

#[test]
fn it_reads_what_the_published_types_read() {
    let sequence = "49590338271490256608559692538361571095921575989136588898";
    let later = "49590338271490256608559692540925702759324208523137515618";
    let records = [
        // Out of order, and one of them twice.
        record(later, "1545084650.987", ""),
        record(sequence, "1545084650", "eyJhIjoxfQ=="),
        record(later, "\"1545084650.987\"", "AAECAwT/"),
    ];
    for text in [
        invocation(&records),
        invocation(&records[1..2]),
        invocation(&[]),
        invocation(&[records[0].replace("shardId-000000000006", "shardId-000000000007"), records[1].clone()]),
        invocation(&[records[1].clone(), records[0].replace(ARN, "arn:aws:sqs:us-east-2:123456789012:queue")]),
        invocation(&[records[0].replace(&format!("\"{ARN}\""), "null")]),
        invocation(&[records[0].replace("\"eventID\"", "\"eventId\"")]),
        invocation(&[record("12x", "1545084650.987", "")]),
        invocation(&records).replace("shardId-000000000006", r"shardId\u002d000000000006"),
    ] {
        let published: KinesisEvent = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read(&text), Delivery::from(published), "{text}");
    }
    let batch = read(&invocation(&records)).0.unwrap().unwrap();
    assert_eq!(
        batch.records.iter().map(|record| record.arrived_ms).collect::<Vec<_>>(),
        [1_545_084_650_000, 1_545_084_650_987]
    );
    assert_eq!(batch.records[0].data, br#"{"a":1}"#);
}

#[test]
fn every_way_to_write_an_arrival_time_is_the_same_millisecond() {
    for (written, ms) in [
        ("1545084650", 1_545_084_650_000),
        ("1545084650.9", 1_545_084_650_900),
        ("1545084650.09", 1_545_084_650_090),
        ("1545084650.98", 1_545_084_650_980),
        ("1545084650.009", 1_545_084_650_009),
        ("1.545084650987E9", 1_545_084_650_987),
        ("\"1545084650.98\"", 1_545_084_650_980),
    ] {
        let batch = read(&invocation(&[record("1", written, "")])).0.unwrap().unwrap();
        assert_eq!(batch.records[0].arrived_ms, ms, "{written}");
    }
}

#[test]
fn what_is_no_invocation_is_an_error() {
    for text in [
        "",
        "{}",
        "[]",
        r#"{"Records":null}"#,
        r#"{"Records":[{}]}"#,
        r#"{"Records":[{"kinesis":{"data":"AA==","sequenceNumber":"1"}}]}"#,
        &invocation(&[record("1", "1545084650", "no base 64")]),
        &invocation(&[record("1", "\"yesterday\"", "")]),
        &invocation(&[record("1", "true", "")]),
    ] {
        assert!(matches!(read(text), Delivery(Err(BatchError::Unreadable(_)))), "{text}");
    }
}
