//! Every alarm of the template over a quiet month, an incident, a recovery, and the same again: it fires, clears, and fires
//! again; and it says nothing when nothing is wrong. `CloudWatch` itself is a small model of its documented rules.

mod math;
mod model;

use headcount_tests::iam::template::Template;
use serde_json::{Value, json};

use crate::scripts::ask;
use crate::template::source;
use math::{READINGS, Reading};
use model::{Alarm, Metric, State};

const HOUR: usize = 60;
const DAY: usize = 24 * HOUR;

/// When what begins, in minutes after the deployment. No metric has any value before that.
const INCIDENT: usize = 30 * DAY;
const RECOVERY: usize = INCIDENT + 3 * DAY;
const AGAIN: usize = RECOVERY + 7 * DAY;
const END: usize = AGAIN + 3 * DAY;

/// What goes wrong in an incident.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    /// The metric has this value whenever something runs, all the time.
    Lasts(&'static str, f64),
    /// The metric has this value once a day.
    OnceADay(&'static str, f64),
    /// The metric has this value once, when it begins.
    Once(&'static str, f64),
    /// The metric has no value any more.
    Silence(&'static str),
}

/// What each alarm is for.
const INCIDENTS: [(&str, Trouble); 26] = [
    ("aggregator-errors", Trouble::Lasts("Errors", 1.0)),
    ("aggregator-given-up", Trouble::Lasts("ApproximateNumberOfMessagesVisible", 1.0)),
    ("aggregator-late", Trouble::Silence("RunTime")),
    ("aggregator-slow", Trouble::Lasts("Duration", 700_000.0)),
    ("collector-failing", Trouble::Lasts("Url5xxCount", 3.0)),
    ("collector-throttles", Trouble::Lasts("Throttles", 3.0)),
    ("consumer-behind", Trouble::Lasts("IteratorAge", 2_000_000.0)),
    ("consumer-errors", Trouble::Lasts("Errors", 1.0)),
    ("consumer-throttles", Trouble::Lasts("Throttles", 3.0)),
    ("entries-expiring", Trouble::Lasts("ExpiringSources", 2.0)),
    ("figures-behind", Trouble::Lasts("FiguresLag", 5_000_000.0)),
    ("items-behind", Trouble::Lasts("ItemsLag", 5_000_000.0)),
    ("log-damaged", Trouble::Once("DamagedEntries", 1.0)),
    ("failures-waiting", Trouble::OnceADay("NumberOfObjects", 3.0)),
    ("index-throttles", Trouble::Lasts("WriteThrottleEvents", 9.0)),
    ("proof-differs", Trouble::Once("ProofDifferences", 1.0)),
    ("proof-late", Trouble::Silence("NightlyProofs")),
    ("proofs-failed", Trouble::Once("FailedProofs", 1.0)),
    ("proofs-overdue", Trouble::OnceADay("OverdueProofs", 1.0)),
    ("prover-errors", Trouble::Lasts("Errors", 1.0)),
    ("prover-slow", Trouble::Lasts("Duration", 700_000.0)),
    ("records-given-up", Trouble::Once("OnFailureDestinationDeliveredEventCount", 5.0)),
    ("records-lost", Trouble::Once("DestinationDeliveryFailures", 1.0)),
    ("rejected-share", Trouble::Lasts("Rejected", 50.0)),
    ("stream-throttles", Trouble::Lasts("WriteProvisionedThroughputExceeded", 3.0)),
    ("table-throttles", Trouble::Lasts("WriteThrottleEvents", 9.0)),
];

/// A metric's value in a minute of a life without trouble. At night nothing comes.
fn in_peace(metric: &Metric, minute: usize) -> Option<f64> {
    let function = metric.dimensions.get("FunctionName").map_or("", String::as_str);
    let is_run = match function {
        "headcount-aggregator" => minute % HOUR == 5,
        "headcount-prover" => minute % HOUR == 35,
        _ => (6..22).contains(&(minute % DAY / HOUR)),
    };
    let value = match &*metric.name {
        "Invocations" => 1.0,
        "Duration" => 60_000.0,
        "IteratorAge" | "FiguresLag" | "ItemsLag" => 1_000.0,
        // Of hourly runs alone.
        "RunTime" => return (minute % HOUR == 5).then_some(20.0),
        "NightlyProofs" => return (minute % DAY == 4 * HOUR + 35).then_some(1.0),
        "Errors" | "Throttles" | "Url5xxCount" | "WriteProvisionedThroughputExceeded" => 0.0,
        "Events" => 200.0,
        "Rejected" if minute % HOUR == 7 => 1.0,
        // Of these there are values only when there is something to count. There never was a duplicate.
        "ApproximateNumberOfMessagesVisible"
        | "DamagedEntries"
        | "DestinationDeliveryFailures"
        | "Duplicates"
        | "ExpiringSources"
        | "FailedProofs"
        | "NumberOfObjects"
        | "OnFailureDestinationDeliveredEventCount"
        | "OverdueProofs"
        | "ProofDifferences"
        | "Rejected"
        | "WriteThrottleEvents" => return None,
        other => panic!("nothing tells how {other} is in peace"),
    };
    is_run.then_some(value)
}

/// A metric's value in a minute, with one trouble in both incidents.
fn value(metric: &Metric, trouble: Trouble, minute: usize) -> Option<f64> {
    let began = [INCIDENT, AGAIN].into_iter().find(|begins| (*begins..begins + 3 * DAY).contains(&minute));
    let peace = in_peace(metric, minute);
    let Some(began) = began else { return peace };
    match trouble {
        Trouble::Lasts(name, value) if name == metric.name => {
            // What a function measures it measures when it runs; what else is counted, at any time.
            let of_runs = ["Errors", "Duration"].contains(&name);
            if of_runs { peace.map(|_| value) } else { Some(value) }
        }
        Trouble::OnceADay(name, value) if name == metric.name => minute.is_multiple_of(DAY).then_some(value),
        Trouble::Once(name, value) if name == metric.name => (minute == began).then_some(value).or(peace),
        Trouble::Silence(name) if name == metric.name => None,
        _ => peace,
    }
}

/// When an alarm told of something: minutes and states.
fn live(alarm: &Alarm, trouble: Trouble, reading: Reading) -> Vec<(usize, State)> {
    let mut state = State::InsufficientData;
    let mut told = Vec::new();
    let period = alarm.period_minutes;
    // It is evaluated from the beginning, before there is anything to look at.
    for now in (0..END).step_by(period) {
        let next = alarm.evaluate(state, reading, |metric, ago| {
            let until = now.checked_sub(ago * period)?;
            let from = until.checked_sub(period)?;
            metric.aggregate((from..until).filter_map(|minute| value(metric, trouble, minute)))
        });
        if next != state {
            told.push((now, next));
        }
        state = next;
    }
    told
}

/// Whether a state is one that somebody is told of because something is wrong.
fn is_wrong(alarm: &Alarm, state: State) -> bool {
    state == State::Alarm || state == State::InsufficientData && alarm.tells_of_silence
}

/// What became of an alarm: minutes until it fired, cleared, and fired again; or what was wrong.
fn judge(alarm: &Alarm, trouble: Trouble, reading: Reading) -> Result<[usize; 3], String> {
    let told = live(alarm, trouble, reading);
    let first = |from: usize, until: usize, wrong: bool| {
        told.iter()
            .find(|(at, state)| (from..until).contains(at) && is_wrong(alarm, *state) == wrong)
            .map(|(at, _)| at - from)
    };
    if let Some(at) = first(0, INCIDENT, true) {
        return Err(format!("it fires in peace, {at} minutes after the deployment"));
    }
    let fired = first(INCIDENT, RECOVERY, true).ok_or("it does not fire")?;
    // One that was told of once may have ended before.
    let cleared = told.iter().rev().find(|(at, _)| *at < AGAIN).filter(|(_, state)| !is_wrong(alarm, *state));
    let cleared = cleared.map(|(at, _)| at.saturating_sub(RECOVERY)).ok_or("it does not clear")?;
    let again = first(AGAIN, END, true).ok_or("it does not fire again")?;
    Ok([fired, cleared, again])
}

fn alarms() -> Vec<Alarm> {
    let expanded = ask("template.py", &["expand"], source().as_bytes());
    let template = Template::new(expanded, &[("WithCollector", "true")]).expect("a template");
    let alarms = template.all("AWS::CloudWatch::Alarm").expect("alarms");
    alarms.iter().map(|(_, properties)| Alarm::read(properties)).collect()
}

#[test]
fn each_alarm_fires_clears_and_fires_again_and_is_silent_in_peace() {
    let alarms = alarms();
    let mut failed = Vec::new();
    println!("{:<22} {:<8} {:>14} {:>15} {:>14}", "alarm", "quiet", "incident", "recovery", "again");
    for alarm in &alarms {
        let troubles: Vec<_> = INCIDENTS.iter().filter(|(name, _)| *name == alarm.name).collect();
        assert!(!troubles.is_empty(), "nothing tells what {} is for", alarm.name);
        for (name, trouble) in troubles {
            let readings = if alarm.has_expressions() { &READINGS[..] } else { &READINGS[..1] };
            for reading in readings.iter().copied() {
                match judge(alarm, *trouble, reading) {
                    Ok([fired, cleared, again]) if reading == READINGS[0] => {
                        println!(
                            "{name:<22} {:<8} fires +{fired:>4} m clears +{cleared:>4} m fires +{again:>4} m",
                            "silent"
                        );
                    }
                    Ok(_) => {}
                    Err(why) => failed.push(format!("{name} {trouble:?} {reading:?}: {why}")),
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(INCIDENTS.iter().all(|(name, _)| alarms.iter().any(|alarm| alarm.name == *name)), "an alarm is gone");
}

/// An alarm as it was, which the model must find out.
fn check(name: &str, properties: Value, expected: &str) {
    let alarm = Alarm::read(&properties);
    let (_, trouble) = INCIDENTS.iter().find(|(known, _)| *known == name).expect("an incident");
    let found: Vec<_> = READINGS.into_iter().filter_map(|reading| judge(&alarm, *trouble, reading).err()).collect();
    assert!(found.iter().any(|why| why.contains(expected)), "{name}: {found:?}");
}

#[test]
fn a_plain_alarm_on_throttles_never_clears() {
    let plain = json!({
        "AlarmName": "headcount-table-throttles", "Namespace": "AWS/DynamoDB", "MetricName": "WriteThrottleEvents",
        "Dimensions": [{"Name": "TableName", "Value": "headcount"}], "Statistic": "Sum", "Period": 300,
        "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 0,
        "TreatMissingData": "notBreaching",
    });
    check("table-throttles", plain, "it does not clear");
}

/// A metric of an expression.
fn part(id: &str, namespace: &str, name: &str, dimension: (&str, &str), period: u32) -> Value {
    let dimensions = json!([{"Name": dimension.0, "Value": dimension.1}]);
    let metric = json!({"Namespace": namespace, "MetricName": name, "Dimensions": dimensions});
    json!({"Id": id, "ReturnData": false, "MetricStat": {"Metric": metric, "Period": period, "Stat": "Sum"}})
}

#[test]
fn an_alarm_that_takes_silence_for_a_failure_fires_after_the_first_deployment() {
    let of_aggregator = |id, name| part(id, "AWS/Lambda", name, ("FunctionName", "headcount-aggregator"), 3_600);
    let hasty = json!({
        "AlarmName": "headcount-aggregator-late", "EvaluationPeriods": 3, "Threshold": 1,
        "ComparisonOperator": "LessThanThreshold", "TreatMissingData": "breaching",
        "Metrics": [
            {"Id": "succeeded", "Expression": "FILL(started, 0) - FILL(failed, 0)", "ReturnData": true},
            of_aggregator("started", "Invocations"), of_aggregator("failed", "Errors"),
        ],
    });
    check("aggregator-late", hasty, "it fires in peace");
}

#[test]
fn a_share_of_metrics_that_never_were_may_never_fire() {
    let ours = |id, name| part(id, "Headcount", name, ("Project", "headcount"), 900);
    let sum = "(FILL(rejected, 0) + FILL(stored, 0) + FILL(repeated, 0))";
    let share = json!({
        "AlarmName": "headcount-rejected-share", "EvaluationPeriods": 2, "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
        "Metrics": [
            {"Id": "share", "Expression": format!("IF({sum} < 100, 0, 100 * FILL(rejected, 0) / {sum})"), "ReturnData": true},
            ours("rejected", "Rejected"), ours("stored", "Events"), ours("repeated", "Duplicates"),
        ],
    });
    check("rejected-share", share, "it does not fire");
}
