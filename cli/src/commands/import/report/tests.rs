use headcount_aggregator::roll_up::Outcome;

use super::*;
use crate::consumption::Consumed;

const NOON: i64 = 1_772_366_400_000;

fn seen() -> Survey {
    Survey { lines: 10, blank: 1, content: 7, newest_ms: Some(NOON), ..Survey::default() }
}

fn summary(consumed: Consumed, interrupted: bool) -> Summary {
    let mut summary = Summary::begin(Path::new("history.ndjson"), &seen(), Tz::UTC, NOON);
    summary.take(&Imported { consumed, last_line: 10, interrupted });
    summary
}

fn day(text: &str, outcome: Outcome) -> DayRollUp {
    DayRollUp {
        date: text.parse().unwrap(),
        outcome,
        became_final: true,
        sources: 1,
        sources_refolded: vec![],
        sources_set_aside: vec![],
        sketches_set_aside: vec![],
    }
}

#[test]
fn a_good_import_is_fine_and_a_repeated_one_says_so() {
    let touched = BTreeSet::from(["2026-03-01".parse().unwrap()]);
    let mut first = summary(Consumed { appended: 9, ..Consumed::default() }, false);
    let days = vec![
        day("2026-03-01", Outcome::Written),
        day("2026-03-02", Outcome::Written),
        day("2026-03-01", Outcome::Unchanged),
    ];
    first.aggregated(RollUp { days, ..RollUp::default() }, &touched);
    assert_eq!((first.ending(), notes(&first)), (Ending::Fine, vec![]));
    assert_eq!(first.days.len(), 1, "the days that follow are nobody's concern");
    let json = serde_json::to_value(&first).unwrap();
    assert_eq!(
        (&json["appended"], &json["alreadyThere"], &json["days"][0]["outcome"]),
        (&9.into(), &0.into(), &"written".into())
    );
    let shown = table(&first).to_string();
    assert!(shown.contains("appended           9") && shown.contains("days               1"), "{shown}");

    let mut again = summary(Consumed { redelivered: 9, ..Consumed::default() }, false);
    again.aggregated(RollUp { days: vec![day("2026-03-01", Outcome::Unchanged)], ..RollUp::default() }, &touched);
    assert_eq!(again.ending(), Ending::Fine);
    assert_eq!(notes(&again), ["nothing is new: this file was imported before"]);
}

#[test]
fn elements_of_arrays_are_called_elements() {
    let seen = Survey {
        unit: Unit::Element,
        rejected: 9,
        listed: vec![RejectedLine { line: 2, problems: vec!["userId is required".into()] }],
        without_id: Marked { events: 3, first_line: Some(4) },
        ..seen()
    };
    let mut summary = Summary::begin(Path::new("history.json"), &seen, Tz::UTC, NOON);
    summary.take(&Imported { consumed: Consumed::default(), last_line: 10, interrupted: true });
    let notes = notes(&summary);
    assert_eq!(notes[0], "9 events were rejected in all; those of the first 1 elements are shown");
    assert!(notes[2].ends_with("count twice if elements before them change, the first in element 4"), "{notes:?}");
    assert!(notes[3].starts_with("interrupted after element 10"), "{notes:?}");
    let (shown, json) = (table(&summary).to_string(), serde_json::to_value(&summary).unwrap());
    assert!(shown.contains("elements          10") && !shown.contains("line"), "{shown}");
    assert_eq!(json["unit"], "element");
}

#[test]
fn what_is_not_as_it_should_be_decides_the_ending() {
    let touched = BTreeSet::from(["2026-03-01".parse().unwrap()]);
    let mut rejected = summary(Consumed { rejected: 1, ..Consumed::default() }, false);
    rejected.rejected = 1;
    rejected.aggregated(RollUp { days: vec![], ..RollUp::default() }, &touched);
    assert_eq!(rejected.ending(), Ending::Differences);

    let mut again = summary(Consumed::default(), false);
    let refolded = DayRollUp { sources_refolded: vec!["import/7".into()], ..day("2026-03-01", Outcome::Written) };
    again.aggregated(RollUp { days: vec![refolded], ..RollUp::default() }, &touched);
    assert_eq!(again.ending(), Ending::Fine);
    assert_eq!(notes(&again), ["2026-03-01: import/7 was damaged and is counted again"]);

    let interrupted = summary(Consumed { appended: 3, ..Consumed::default() }, true);
    assert_eq!(interrupted.ending(), Ending::Interrupted);
    assert!(notes(&interrupted)[0].starts_with("interrupted after line 10"), "{:?}", notes(&interrupted));
    assert_eq!(summary(Consumed::default(), false).ending(), Ending::Differences, "its days were not aggregated");
}
