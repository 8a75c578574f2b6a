//! An event's item against one that is made of the event's values one by one.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use fastrand::Rng;
use headcount_core::keys::{self, Follower};
use headcount_core::record::OpenedRecord;
use headcount_core::validate::{Arrival, Rules};
use headcount_store::dynamo::meter::UnitsUsed;
use headcount_store::numbers::as_stored;
use headcount_store::rows::{Checkpoint, EventItem};
use headcount_store::traits::{
    BrowseStore as _, CheckpointStore as _, ItemStore as _, PartialStore as _, UserStore as _,
};
use serde_json::{Map, Number, Value, json};

use crate::rows::{STAMP, START_MS, TABLE, date, event_with, first_day, partial, source};
use crate::subjects::{Embedded, dynamo, metered};

type Item = HashMap<String, AttributeValue>;

/// A partition of the items to compare with.
const EXPECTED: &str = "EXPECTED";

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(flag) => AttributeValue::Bool(*flag),
        Value::Number(number) => AttributeValue::N(as_stored(number).to_string()),
        Value::String(string) => text(string),
        Value::Array(items) => AttributeValue::L(items.iter().map(attribute).collect()),
        Value::Object(object) => map(object),
    }
}

fn map(object: &Map<String, Value>) -> AttributeValue {
    AttributeValue::M(object.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
}

/// The item of an event without its key.
fn expected(row: &EventItem<'_>) -> Item {
    let event = &row.event;
    let mut data = Item::from([
        ("eventId".to_owned(), text(&*event.id)),
        ("userId".to_owned(), text(&*event.user_id)),
        ("eventType".to_owned(), text(event.event_type.as_str())),
        ("timestamp".to_owned(), number(event.timestamp_ms)),
        ("metadata".to_owned(), map(&event.metadata.to_object())),
    ]);
    if let Some(session_id) = &event.session_id {
        data.insert("sessionId".to_owned(), text(&**session_id));
    }
    if let Some(account) = &event.account_id {
        data.insert("accountId".to_owned(), text(&**account));
    }
    if let Some(table) = &event.priced_by {
        data.insert("pricedBy".to_owned(), text(&**table));
    }
    if event.counted_ms != event.timestamp_ms {
        data.insert("countedAt".to_owned(), number(event.counted_ms));
    }
    if !event.event_data.is_empty() {
        data.insert("eventData".to_owned(), map(&event.event_data.to_object()));
    }
    let mut item = Item::from([
        ("EntityType".to_owned(), text("AnalyticsEvent")),
        ("Data".to_owned(), AttributeValue::M(data)),
        ("TTL".to_owned(), number(row.expires_s)),
        ("CreatedAt".to_owned(), number(row.created_ms)),
        ("UpdatedAt".to_owned(), number(row.created_ms)),
    ]);
    if row.is_indexed {
        item.insert("GSI1PK".to_owned(), text(keys::user(&event.user_id)));
        item.insert("GSI1SK".to_owned(), text(keys::event_at(event.timestamp_ms)));
    }
    item
}

async fn item(embedded: &Embedded, pk: &str, sk: &str) -> Item {
    let request = embedded.client.get_item().table_name("events").key("PK", text(pk)).key("SK", text(sk));
    request.send().await.expect("an answer").item.unwrap_or_else(|| panic!("{pk} {sk} is there"))
}

/// Puts the row, puts the expected item elsewhere, and compares the two as the table gives them back.
async fn check(embedded: &Embedded, row: &EventItem<'_>) {
    let put = embedded.store.put_events(std::slice::from_ref(row)).await;
    assert_eq!(put, Ok(vec![true]), "{row:?}");
    let key = row.key();
    let mut wanted = expected(row);
    wanted.extend([("PK".to_owned(), text(EXPECTED)), ("SK".to_owned(), text(&key.sk))]);
    embedded.client.put_item().table_name("events").set_item(Some(wanted)).send().await.expect("put");
    let mut wanted = item(embedded, EXPECTED, &key.sk).await;
    wanted.insert("PK".to_owned(), text(&key.pk));
    assert_eq!(item(embedded, &key.pk, &key.sk).await, wanted, "{row:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_item_is_made_of_its_events_values() {
    let embedded = dynamo().await;
    let mut random = Rng::with_seed(5);
    for n in 0..300 {
        let mut row = event_with(&format!("{n}-{}", string(&mut random)), Value::Object(object(&mut random, 4)));
        row.event.user_id = format!("u{}", string(&mut random)).into();
        row.event.session_id = random.bool().then(|| format!("s{}", string(&mut random)).into());
        row.event.account_id = random.bool().then(|| format!("a{}", string(&mut random)).into());
        row.event.priced_by = random.bool().then(|| "prices-1".into());
        row.event.metadata = Value::Object(object(&mut random, 2)).into();
        row.event.timestamp_ms = START_MS + random.i64(..1_000_000);
        row.is_indexed = random.bool();
        row.created_ms = random.i64(..);
        row.expires_s = random.i64(..);
        check(&embedded, &row).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_over_the_wire_is_stored_as_what_it_means() {
    let embedded = dynamo().await;
    let data = [
        r#"{"feature":"gr\u00fc\u00dfe \ud83d\ude00","path":"a\/b\\c \"d\"\n\te","":""}"#,
        r#"{ "feature" : "search" , "n" : [ 1.0 , -0.0 , 1e3 , 0.1 , 12345678901234567890 ] , "m" : { "a" : { } } }"#,
        r#"{"feature":"x","yes":true,"no":false,"none":null,"list":[[],[[{}]],""],"deep":{"a":{"b":{"c":{"d":[0.25]}}}}}"#,
        r#"{"feature":"12:30","colon:":"{\"not\":[\"json\"]}","brace}":"]","\"q\"":"\\"}"#,
        "{}",
    ];
    for (n, data) in data.into_iter().enumerate() {
        let line = format!(
            r#"{{"eventId":"wire-{n}","userId":"a \"b\"","sessionId":"s\\","eventType":"page_view","timestamp":{START_MS},
               "eventData":{data},"metadata":{{"userAgent":"\u0041 / \"B\"","ipAddress":"10.1.2.3","platform":"web","v":1.50}}}}"#
        )
        .replace(r#","":"""#, "");
        let arrival = Arrival { source: source(0), sequence: 7.into(), arrived_ms: START_MS };
        let opened = OpenedRecord::open(line.as_bytes());
        let decoded = opened.decode(&arrival, &Rules::default());
        let (_, event) =
            decoded.events.into_iter().next().unwrap_or_else(|| panic!("{line}: {:?}", decoded.rejections));
        let row = EventItem { event, ..event_with("", json!({})) };
        check(&embedded, &row).await;
    }
}

#[tokio::test]
async fn what_requests_consume_is_told_apart_by_kind() {
    let (store, meter) = metered().await;
    meter.take();
    let listed = event_with("a", json!({}));
    store
        .put_events(&[listed.clone(), EventItem { is_indexed: false, ..event_with("b", json!({})) }])
        .await
        .expect("put");
    let used = meter.take();
    assert_eq!((used.batched_puts, used.batched_copies, used.writes()), (2.0, 1.0, 3.0));
    store.put_first_day(&first_day("ann", 1)).await.expect("put");
    assert_eq!(meter.take(), UnitsUsed { indexed_puts: 2.0, ..UnitsUsed::default() });
    store.write_partial(TABLE, &partial(0, 1), 0, STAMP).await.expect("written");
    let checkpoint = Checkpoint { entry: 1, last: 7.into() };
    store.write_checkpoint(TABLE, Follower::Items, &source(0), &checkpoint).await.expect("written");
    store.mark_finished(TABLE, Follower::Items, &source(0), 1).await.expect("marked");
    assert_eq!(meter.take(), UnitsUsed { puts: 3.0, ..UnitsUsed::default() });
    store.read_partial(TABLE, date(1), &source(0)).await.expect("read");
    store.events(&[listed.key()]).await.expect("read");
    assert_eq!(meter.take(), UnitsUsed { reads: 1.5, ..UnitsUsed::default() }, "one of them consistently");
}

const PIECES: [&str; 12] = ["a", "Z9 ", "\"", "\\", "/", "\n\t", "ü", "😀", "\u{7f}", "'", "{}[],:", "\u{1}\u{1f}"];

fn string(random: &mut Rng) -> String {
    (0..random.usize(..7)).map(|_| PIECES[random.usize(..PIECES.len())]).collect()
}

fn object(random: &mut Rng, levels: usize) -> Map<String, Value> {
    (0..random.usize(..5)).map(|n| (format!("{n}{}", string(random)), value(random, levels))).collect()
}

fn value(random: &mut Rng, levels: usize) -> Value {
    match random.u32(..if levels == 0 { 7 } else { 9 }) {
        0 | 1 => string(random).into(),
        2 => random.i64(..).into(),
        3 => random.i64(-1_000..1_000).into(),
        4 => Number::from_f64(f64::from(random.i32(..)) / 1e4).map_or(Value::Null, Value::Number),
        5 => Number::from_f64((random.f64() - 0.5) * 10_f64.powi(random.i32(-120..120)))
            .map_or(Value::Null, Value::Number),
        6 => [Value::Null, true.into(), false.into()][random.usize(..3)].clone(),
        7 => (0..random.usize(..4)).map(|_| value(random, levels - 1)).collect::<Vec<_>>().into(),
        _ => object(random, levels - 1).into(),
    }
}
