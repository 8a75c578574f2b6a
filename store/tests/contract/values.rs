//! What an event may hold, through the table and back.

use headcount_core::event::{Event, EventType};
use headcount_store::error::StoreError;
use headcount_store::numbers::object_as_stored;
use headcount_store::rows::{EventItem, Lookup};
use serde_json::{Number, Value, json};

use crate::rows::{Store, event, event_with};

async fn read_back(store: &impl Store, row: &EventItem<'_>) -> Event<'static> {
    match store.events(&[row.key()]).await.expect("a look-up").remove(0) {
        Lookup::Found(event) => event,
        other => panic!("{}: {other:?}", row.event.id),
    }
}

async fn stores_as_it_is(store: &impl Store, row: &EventItem<'_>) {
    assert_eq!(store.put_events(std::slice::from_ref(row)).await, Ok(vec![true]), "{}", row.event.id);
    assert_eq!(read_back(store, row).await, row.event);
}

/// Maps in maps, this many.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!("bottom"), |inside, _| json!({ "n": inside }))
}

pub(crate) async fn every_kind_of_value_comes_back(store: impl Store) {
    let data = json!({
        "text": "grüße \u{1F600}\n\ttab", "empty": "", "yes": true, "no": false, "none": null,
        "list": [1, "two", [], {}, [3.5]], "map": {}, "names": {"PK": 1, "select": 2, "a.b": 3, "#x": 4, ":y": 5, " ": 6},
    });
    stores_as_it_is(&store, &event_with("values", data)).await;
    let mut bare = event_with("bare", json!({}));
    bare.event.event_type = EventType::from_stored("signup");
    bare.event.user_id = "ü # '\"".into();
    stores_as_it_is(&store, &bare).await;
    let mut longest = event(&"i".repeat(128), 0);
    longest.event.user_id = "u".repeat(256).into();
    longest.event.session_id = Some("s".repeat(256).into());
    stores_as_it_is(&store, &longest).await;
}

pub(crate) async fn numbers_come_back_in_their_stored_form(store: impl Store) {
    let floats = [
        1.0,
        -1.0,
        0.0,
        -0.0,
        0.1,
        -2.5e-7,
        1e15,
        1e19,
        1e20,
        1e38,
        1e125,
        -9.99e125,
        1e-130,
        1.234_567_890_123_456_7e-100,
        std::f64::consts::PI,
        9_007_199_254_740_993.0,
        18_446_744_073_709_549_568.0,
        1_048_576.015_625,
    ];
    let mut list: Vec<_> =
        floats.iter().map(|float| Value::Number(Number::from_f64(*float).expect("finite"))).collect();
    list.extend([json!(u64::MAX), json!(i64::MIN), json!(i64::MAX), json!(0), json!(10_u64.pow(19))]);
    let row = event_with("numbers", json!({ "list": list, "whole": 1.0, "deep": { "deep": [2.0] } }));
    assert_eq!(store.put_events(std::slice::from_ref(&row)).await, Ok(vec![true]));
    let back = read_back(&store, &row).await.event_data.to_object();
    assert_eq!(back, object_as_stored(&row.event.event_data.to_object()));
    // The stored form keeps the value: no digit is lost on the way.
    let back_floats = back["list"].as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number"));
    for (back, float) in back_floats.zip(floats) {
        assert_eq!((back + 0.0).to_bits(), (float + 0.0).to_bits(), "{float:e}");
    }
    assert_eq!((&back["whole"], &back["deep"]["deep"][0]), (&json!(1), &json!(2)));
    // Put in the stored form, it comes back the same.
    let mut again = event_with("again", json!({}));
    again.event.event_data = back.into();
    stores_as_it_is(&store, &again).await;
}

pub(crate) async fn deep_and_large_events_are_stored(store: impl Store) {
    // 20 levels are what an event may have; the table takes 32 with the two around them.
    for levels in [20, 30] {
        stores_as_it_is(&store, &event_with(&format!("deep-{levels}"), json!({ "n": nested(levels - 1) }))).await;
    }
    stores_as_it_is(&store, &event_with("large", json!({ "text": "x".repeat(250 << 10) }))).await;
}

pub(crate) async fn one_culprit_fails_its_batch_and_no_other(store: impl Store) {
    let text = |bytes: usize| json!({ "text": "x".repeat(bytes) });
    let culprits = [
        ("too-large-a-number", json!({ "n": 1e126 })),
        ("too-small-a-number", json!({ "n": 1e-131 })),
        ("too-deep", json!({ "n": nested(40) })),
        ("too-large", text(500 << 10)),
    ];
    for (id, data) in culprits {
        refuses_alone(&store, event_with(id, data)).await;
    }
    refuses_alone(&store, event(&"k".repeat(1_100), 0)).await;
}

/// The culprit is refused with the whole batch and alone; those around it are written when they are tried alone.
async fn refuses_alone(store: &impl Store, culprit: EventItem<'_>) {
    let name: String = culprit.event.id.chars().take(20).collect();
    let around = [event(&format!("before-{name}"), 1), event(&format!("after-{name}"), 1)];
    let keys = around.clone().map(|row| row.key());
    let batch = [around[0].clone(), culprit.clone(), around[1].clone()];
    for refused in [&batch[..], &batch[1..2]] {
        match store.put_events(refused).await {
            Err(StoreError::Invalid { detail }) => assert!(!detail.is_empty(), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(store.events(&keys).await, Ok(vec![Lookup::Absent; 2]), "{name}");
    for row in &around {
        assert_eq!(store.put_events(std::slice::from_ref(row)).await, Ok(vec![true]), "{name}");
    }
    let found = store.events(&keys).await;
    assert_eq!(found, Ok(around.map(|row| Lookup::Found(row.event)).to_vec()), "{name}");
    assert_eq!(store.events(&[culprit.key()]).await.ok().filter(|found| found[0] != Lookup::Absent), None, "{name}");
}
