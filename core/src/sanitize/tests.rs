use super::*;
use proptest::prelude::*;
use serde_json::json;

#[track_caller]
fn check_mended(before: Value, after: Value, mended: u64) {
    let Value::Object(mut object) = before else { panic!("an object is cleaned") };
    assert_eq!(sanitize(&mut object), mended, "{object:?}");
    assert_eq!(Value::from(object), after);
}

#[track_caller]
fn check(before: Value, after: Value) {
    check_mended(before, after, 0);
}

#[test]
fn strings_are_cleaned_trimmed_and_cut() {
    check(json!({ "a": " x\ty\nz\r\u{0}\u{85} " }), json!({ "a": "x\ty\nz" }));
    check(json!({ "a": "\u{1} \u{2}x" }), json!({ "a": "x" }));
    check(json!({ "a": " \u{3000}\u{7} " }), json!({ "a": "" }));
    check(json!({ "a": "é".repeat(MAX_STRING_CHARS) }), json!({ "a": "é".repeat(MAX_STRING_CHARS) }));
    check(
        json!({ "a": format!("  {}", "é".repeat(MAX_STRING_CHARS + 1)) }),
        json!({ "a": "é".repeat(MAX_STRING_CHARS) }),
    );
    let blank_at_the_cut = format!("{} b", "a".repeat(MAX_STRING_CHARS - 1));
    check(json!({ "a": blank_at_the_cut }), json!({ "a": "a".repeat(MAX_STRING_CHARS - 1) }));
}

#[test]
fn nulls_go_and_the_rest_stays() {
    check(
        json!({ "a": null, "b": [null, 1, { "c": null, "d": " e " }], "f": true, "g": -1.5 }),
        json!({ "b": [1, { "d": "e" }], "f": true, "g": -1.5 }),
    );
}

#[test]
fn arrays_are_cut_after_their_nulls_are_gone() {
    let long: Vec<Value> = (0..300).map(|n| if n % 2 == 0 { Value::Null } else { n.into() }).collect();
    let kept: Vec<Value> = (0..MAX_ARRAY_ITEMS).map(|n| (2 * n + 1).into()).collect();
    check(json!({ "a": long }), json!({ "a": kept }));
}

#[test]
fn objects_have_so_many_fields_at_most() {
    let fields = |n: usize| Value::Object((0..n).map(|n| (format!("f{n:03}"), n.into())).collect());
    check(fields(MAX_OBJECT_FIELDS), fields(MAX_OBJECT_FIELDS));
    check_mended(fields(MAX_OBJECT_FIELDS + 1), fields(MAX_OBJECT_FIELDS), 1);
    check_mended(json!({ "a": [fields(300)] }), json!({ "a": [fields(MAX_OBJECT_FIELDS)] }), 100);
    let mut with_feature = fields(300);
    with_feature["tokens"] = 7.into();
    let mut kept = fields(MAX_OBJECT_FIELDS - 1);
    kept["tokens"] = 7.into();
    check_mended(with_feature, kept, 101);
}

#[test]
fn fields_whose_names_cannot_be_stored_are_dropped() {
    let named = |bytes: usize| json!({ "a": { "n".repeat(bytes): 1 } });
    check(named(MAX_FIELD_NAME_BYTES), named(MAX_FIELD_NAME_BYTES));
    check_mended(named(256), json!({ "a": {} }), 1);
    check_mended(named(0), json!({ "a": {} }), 1);
    check(json!({ "": null, "b": 1 }), json!({ "b": 1 }));
}

#[test]
fn what_is_nested_too_deeply_is_dropped() {
    let nested = |levels: usize, inner: Value| (1..levels).fold(inner, |inner, _| json!({ "a": [inner] }));
    let fits = nested(MAX_NESTING / 2 + 1, json!(1));
    check(fits.clone(), fits);
    check_mended(nested(MAX_NESTING / 2 + 2, json!(1)), nested(MAX_NESTING / 2, json!({ "a": [] })), 1);
    check_mended(nested(60, json!(1)), nested(MAX_NESTING / 2, json!({ "a": [] })), 1);
}

#[test]
fn numbers_are_those_the_table_can_hold() {
    for number in [json!(9.99e125), json!(-9.99e125), json!(1e-130), json!(0.0), json!(u64::MAX), json!(i64::MIN)] {
        check(json!({ "a": number.clone() }), json!({ "a": number }));
    }
    check_mended(json!({ "a": [1e126, 2] }), json!({ "a": [2] }), 1);
    check_mended(json!({ "a": -1e126 }), json!({}), 1);
    check_mended(json!({ "a": 9.9e-131, "b": -5e-324 }), json!({ "a": 0, "b": 0 }), 2);
}

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[ \t\n\r\u{0}-\u{a0}é]{0,20}".prop_map(Value::from),
        ("[ a]", 990usize..1_010).prop_map(|(c, n)| Value::from(format!("{}{c}x{c}", "ü".repeat(n)))),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[a-z ]{0,3}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn cleaning_twice_is_cleaning_once_and_nothing_grows(value in any_value()) {
        let mut once = Object::from_iter([("a".to_owned(), value)]);
        let before = serde_json::to_string(&once).unwrap().len();
        sanitize(&mut once);
        let mut twice = once.clone();
        prop_assert_eq!(sanitize(&mut twice), 0);
        prop_assert_eq!(&twice, &once);
        prop_assert!(serde_json::to_string(&once).unwrap().len() <= before);
    }
}
