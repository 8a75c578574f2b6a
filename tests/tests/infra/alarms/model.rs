//! An alarm as `CloudWatch` evaluates it, after
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>.

use std::collections::BTreeMap;

use serde_json::Value;

use super::math::{Reading, Series, evaluate};

/// Periods that are looked at beyond those that are evaluated: some values may have come late. `CloudWatch` does not
/// say how many; its examples have two.
const LOOKED_AT_BEYOND: usize = 2;

/// The namespace whose alarms ignore what is missing, whatever they are told
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>).
const IGNORES_MISSING: &str = "AWS/DynamoDB";

/// A state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Ok,
    Alarm,
    InsufficientData,
}

/// A metric that an alarm looks at.
#[derive(Clone, Debug)]
pub(crate) struct Metric {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) dimensions: BTreeMap<String, String>,
    pub(crate) statistic: String,
}

/// An alarm of the template.
#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    pub(crate) metrics: BTreeMap<String, Metric>,
    expressions: BTreeMap<String, String>,
    /// The metric or expression that is compared.
    watched: String,
    pub(crate) period_minutes: usize,
    evaluated: usize,
    needed: usize,
    is_below: bool,
    threshold: f64,
    missing: String,
    /// Whether it tells when it has no data any more.
    pub(crate) tells_of_silence: bool,
}

impl Alarm {
    /// Reads its properties, in which nothing is left to be resolved.
    pub(crate) fn read(properties: &Value) -> Self {
        let (mut metrics, mut expressions) = (BTreeMap::new(), BTreeMap::new());
        let (mut watched, mut period) = ("metric".to_owned(), number(&properties["Period"]));
        match properties["Metrics"].as_array() {
            None => {
                metrics.insert(watched.clone(), Metric::read(properties, &properties["Statistic"]));
            }
            Some(all) => {
                for one in all {
                    let id = text(&one["Id"]);
                    if one["ReturnData"] == true {
                        watched.clone_from(&id);
                    }
                    if one["Expression"].is_string() {
                        expressions.insert(id, text(&one["Expression"]));
                    } else {
                        period = number(&one["MetricStat"]["Period"]);
                        metrics.insert(id, Metric::read(&one["MetricStat"]["Metric"], &one["MetricStat"]["Stat"]));
                    }
                }
            }
        }
        let evaluated = number(&properties["EvaluationPeriods"]) as usize;
        let needed = &properties["DatapointsToAlarm"];
        Self {
            name: text(&properties["AlarmName"]).trim_start_matches("headcount-").to_owned(),
            metrics,
            expressions,
            watched,
            period_minutes: period as usize / 60,
            evaluated,
            needed: if needed.is_null() { evaluated } else { number(needed) as usize },
            is_below: match properties["ComparisonOperator"].as_str() {
                Some("LessThanThreshold") => true,
                Some("GreaterThanThreshold") => false,
                other => panic!("{other:?} is not understood here"),
            },
            threshold: number(&properties["Threshold"]),
            missing: text(&properties["TreatMissingData"]),
            tells_of_silence: properties["InsufficientDataActions"].is_array(),
        }
    }

    /// Whether it looks at what is made of metrics.
    pub(crate) fn has_expressions(&self) -> bool {
        !self.expressions.is_empty()
    }

    /// The state after `was`, where `value` tells a metric's values of each period, the one that has just ended being 0.
    pub(crate) fn evaluate(
        &self,
        was: State,
        reading: Reading,
        value: impl Fn(&Metric, usize) -> Option<f64>,
    ) -> State {
        let periods = self.evaluated + LOOKED_AT_BEYOND;
        let mut series: BTreeMap<String, Series> = self
            .metrics
            .iter()
            .map(|(id, metric)| (id.clone(), (0..periods).map(|period| value(metric, period)).collect()))
            .collect();
        // An expression may stand on others, which stand on metrics.
        let mut left: Vec<_> = self.expressions.iter().collect();
        while !left.is_empty() {
            let before = left.len();
            left.retain(|(id, expression)| {
                if self.expressions.keys().any(|other| uses(expression, other) && !series.contains_key(other)) {
                    return true;
                }
                let values = evaluate(expression, &series, periods, reading);
                series.insert((*id).clone(), values);
                false
            });
            assert!(left.len() < before, "expressions stand on each other: {left:?}");
        }
        self.decide(was, &series[&self.watched])
    }

    /// The documented rules: what there is of the newest values, and how the rest is treated.
    fn decide(&self, was: State, values: &[Option<f64>]) -> State {
        let is_breaching = |value: &f64| if self.is_below { *value < self.threshold } else { *value > self.threshold };
        let there: Vec<f64> = values.iter().filter_map(|value| *value).take(self.evaluated).collect();
        let breaching = there.iter().filter(|value| is_breaching(value)).count();
        let filled = self.evaluated - there.len();
        let alarm_if = |alarms: bool| if alarms { State::Alarm } else { State::Ok };
        let ignores = self.metrics.values().any(|metric| metric.namespace == IGNORES_MISSING);
        match if ignores { "ignore" } else { &self.missing } {
            "breaching" => alarm_if(breaching + filled >= self.needed),
            "notBreaching" => alarm_if(breaching >= self.needed),
            "missing" if there.is_empty() => State::InsufficientData,
            "missing" => alarm_if(breaching >= self.needed.min(there.len())),
            "ignore" if breaching >= self.needed => State::Alarm,
            "ignore" if breaching == there.len() => was,
            "ignore" => State::Ok,
            other => panic!("{other} is no treatment of missing data"),
        }
    }
}

impl Metric {
    fn read(of: &Value, statistic: &Value) -> Self {
        let dimensions = of["Dimensions"].as_array().into_iter().flatten();
        Self {
            namespace: text(&of["Namespace"]),
            name: text(&of["MetricName"]),
            dimensions: dimensions.map(|one| (text(&one["Name"]), text(&one["Value"]))).collect(),
            statistic: text(statistic),
        }
    }

    /// The values of a period as one.
    pub(crate) fn aggregate(&self, values: impl Iterator<Item = f64>) -> Option<f64> {
        let values: Vec<f64> = values.collect();
        let sum = || values.iter().sum::<f64>();
        (!values.is_empty()).then(|| match &*self.statistic {
            "SampleCount" => values.len() as f64,
            "Sum" => sum(),
            "Average" => sum() / values.len() as f64,
            "Maximum" => values.iter().copied().fold(f64::MIN, f64::max),
            other => panic!("{other} is not understood here"),
        })
    }
}

/// Whether an expression names an id.
fn uses(expression: &str, id: &str) -> bool {
    expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == id)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Parameters are numbers written as text.
fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The newest value last, as AWS's tables have them: `X` is breaching, `0` is not, `-` is missing.
    fn check(needed: u64, values: &str, expected: [Option<State>; 4]) {
        for (missing, expected) in ["missing", "ignore", "breaching", "notBreaching"].into_iter().zip(expected) {
            let alarm = Alarm::read(&json!({
                "AlarmName": "a", "Namespace": "N", "MetricName": "M", "Statistic": "Sum", "Period": 60,
                "EvaluationPeriods": 3, "DatapointsToAlarm": needed, "Threshold": 0,
                "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": missing,
            }));
            let value = |sign| match sign {
                "X" => Some(1.0),
                "0" => Some(0.0),
                _ => None,
            };
            let values: Vec<_> = values.split(' ').rev().map(value).collect();
            for was in [State::Ok, State::Alarm] {
                assert_eq!(alarm.decide(was, &values), expected.unwrap_or(was), "{missing} {values:?}");
            }
        }
    }

    #[test]
    fn the_tables_of_the_document_come_out() {
        const OK: Option<State> = Some(State::Ok);
        const ALARM: Option<State> = Some(State::Alarm);
        // `None` keeps the state.
        check(3, "0 - X - X", [OK; 4]);
        check(3, "0 - - - -", [OK; 4]);
        check(3, "- - - - -", [Some(State::InsufficientData), None, ALARM, OK]);
        check(3, "0 X X - X", [ALARM; 4]);
        check(3, "- - X - -", [ALARM, None, ALARM, OK]);
        check(2, "0 - X - X", [ALARM; 4]);
        check(2, "0 0 X 0 X", [ALARM; 4]);
        check(2, "0 - X - -", [OK, OK, ALARM, OK]);
        check(2, "- - - - 0", [OK, OK, ALARM, OK]);
        check(2, "- - - X -", [ALARM, None, ALARM, OK]);
    }
}
