use super::*;
use proptest::prelude::*;
use serde_json::json;

fn cleaned(value: Value) -> (Value, Vec<String>) {
    let Value::Object(mut object) = value else { panic!("an object is cleaned") };
    let mut problems = Problems::default();
    sanitize("eventData", &mut object, &mut problems);
    (object.into(), problems.into_vec().iter().map(ToString::to_string).collect())
}

fn check(before: Value, after: Value) {
    assert_eq!(cleaned(before), (after, vec![]));
}

fn check_problem(value: Value, problem: &str) {
    assert_eq!(cleaned(value).1, [problem]);
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
    let fields = |n: usize| Value::Object((0..n).map(|n| (format!("f{n}"), n.into())).collect());
    check(fields(MAX_OBJECT_FIELDS), fields(MAX_OBJECT_FIELDS));
    check_problem(fields(MAX_OBJECT_FIELDS + 1), "eventData has 201 fields: at most 200 are allowed");
    check_problem(json!({ "a": [fields(300)] }), "eventData.a[0] has 300 fields: at most 200 are allowed");
}

#[test]
fn field_names_have_bounds() {
    let named = |bytes: usize| json!({ "a": { "n".repeat(bytes): 1 } });
    check(named(MAX_FIELD_NAME_BYTES), named(MAX_FIELD_NAME_BYTES));
    check_problem(named(256), "eventData.a has a field name of 256 bytes: at most 255 are allowed");
    check_problem(named(0), "eventData.a has a field with an empty name");
}

#[test]
fn nesting_has_a_bound() {
    let nested = |levels: usize| {
        let inner =
            (2..levels).fold(json!([]), |inner, n| if n % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) });
        json!({ "a": inner })
    };
    check(nested(MAX_NESTING), nested(MAX_NESTING));
    let (_, problems) = cleaned(nested(MAX_NESTING + 1));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].ends_with("is nested too deeply: at most 20 levels are allowed"), "{problems:?}");
    assert_eq!(cleaned(nested(1_000)).1.len(), 1);
}

#[test]
fn numbers_are_those_the_table_can_hold() {
    for number in [json!(9.99e125), json!(-9.99e125), json!(1e-130), json!(0.0), json!(u64::MAX), json!(i64::MIN)] {
        check(json!({ "a": number.clone() }), json!({ "a": number }));
    }
    check_problem(json!({ "a": [1e126] }), &format!("eventData.a[0] {TOO_LARGE}"));
    check_problem(json!({ "a": -1e126 }), &format!("eventData.a {TOO_LARGE}"));
    check_problem(json!({ "a": 9.9e-131 }), &format!("eventData.a {TOO_SMALL}"));
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
        sanitize("eventData", &mut once, &mut Problems::default());
        let mut twice = once.clone();
        sanitize("eventData", &mut twice, &mut Problems::default());
        prop_assert_eq!(&twice, &once);
        prop_assert!(serde_json::to_string(&once).unwrap().len() <= before);
    }
}
