//! cfn-lint over the expanded template, and that it notices what is wrong in the source.

use crate::scripts::ask;
use crate::template::{changed, source};

/// What is wrong with a template's source.
fn complaints(source: &str) -> Vec<String> {
    let found = ask("template.py", &["lint"], source.as_bytes());
    serde_json::from_value(found).expect("complaints are lines")
}

/// Changes the source, and looks for a complaint that holds all of `about`.
fn check(from: &str, to: &str, about: &[&str]) {
    let found = complaints(&changed(from, to));
    let is_told = found.iter().any(|line| about.iter().all(|word| line.contains(word)));
    assert!(is_told, "`{to}` in place of `{from}` passes: {found:#?}");
}

#[test]
fn the_template_has_nothing_to_complain_of() {
    assert_eq!(complaints(&source()), Vec::<String>::new());
}

#[test]
fn a_wrong_value_of_the_mapping_is_found() {
    check("StartingPosition: TRIM_HORIZON", "StartingPosition: BOGUS", &["ConsumerStream", "BOGUS"]);
}

#[test]
fn a_misspelt_property_of_the_mapping_is_found() {
    check("ParallelizationFactor: 1", "ParallelisationFactor: 1", &["ParallelisationFactor not defined"]);
}

#[test]
fn a_number_past_its_limit_is_found() {
    check("BatchSize: 10000", "BatchSize: 10001", &["ConsumerStream", "10001"]);
}

#[test]
fn a_misspelt_property_of_the_table_is_found() {
    check("TimeToLiveSpecification:", "TimeToLive:", &["EventsTable", "TimeToLive"]);
}

#[test]
fn a_key_that_is_not_defined_is_found() {
    check("{AttributeName: GSI1SK, KeyType: RANGE}", "{AttributeName: SORT, KeyType: RANGE}", &["EventsTable", "SORT"]);
}

#[test]
fn a_reference_to_nothing_is_found() {
    check("Resource: !GetAtt EventStream.Arn", "Resource: !GetAtt Stream.Arn", &["ConsumerRole", "Stream"]);
}

#[test]
fn a_word_that_yaml_takes_for_another_is_found() {
    check("Mode: \"OFF\"", "Mode: OFF", &["Schedule", "False"]);
}
