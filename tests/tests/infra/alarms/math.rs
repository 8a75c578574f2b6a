//! As much of `CloudWatch`'s metric math as the template uses
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>): arithmetic, comparisons, `IF`,
//! `FILL` and `TIME_SERIES`. Anything else is an error.
//!
//! Where AWS's page leaves something open, a [`Reading`] decides, and alarms must hold under each.

use std::collections::BTreeMap;

/// What AWS's page leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// `FILL` makes something of a metric that has no value at all.
    pub(crate) fills_nothing: bool,
    /// In arithmetic of two series what is missing in one of them is zero; else the result is missing.
    pub(crate) adds_missing: bool,
}

/// Every way to read it.
pub(crate) const READINGS: [Reading; 4] = [
    Reading { fills_nothing: false, adds_missing: false },
    Reading { fills_nothing: false, adds_missing: true },
    Reading { fills_nothing: true, adds_missing: false },
    Reading { fills_nothing: true, adds_missing: true },
];

/// Values of the periods that are looked at; `None` is missing.
pub(crate) type Series = Vec<Option<f64>>;

#[derive(Clone, Debug)]
enum Value {
    Scalar(f64),
    Series(Series),
}

/// The value of an expression over series of so many periods.
pub(crate) fn evaluate(
    expression: &str,
    series: &BTreeMap<String, Series>,
    periods: usize,
    reading: Reading,
) -> Series {
    let mut math = Math { rest: expression, series, periods, reading };
    let value = math.comparison();
    assert!(math.rest.trim().is_empty(), "`{}` of `{expression}` is not understood here", math.rest);
    match value {
        Value::Series(series) => series,
        Value::Scalar(_) => panic!("`{expression}` is no series"),
    }
}

struct Math<'a> {
    rest: &'a str,
    series: &'a BTreeMap<String, Series>,
    periods: usize,
    reading: Reading,
}

impl Math<'_> {
    /// Whether this comes next; if so it is passed.
    fn takes(&mut self, sign: char) -> bool {
        let rest = self.rest.trim_start();
        let Some(rest) = rest.strip_prefix(sign) else { return false };
        self.rest = rest;
        true
    }

    fn comparison(&mut self) -> Value {
        let left = self.sum();
        for (sign, is) in [('<', (|a, b| a < b) as fn(f64, f64) -> bool), ('>', |a, b| a > b)] {
            if self.takes(sign) {
                let right = self.sum();
                let told = move |a, b| Some(f64::from(u8::from(is(a, b))));
                // Two series: what one of them lacks counts as zero.
                return combine(left, right, true, told);
            }
        }
        left
    }

    fn sum(&mut self) -> Value {
        let mut value = self.product();
        loop {
            if self.takes('+') {
                let right = self.product();
                value = combine(value, right, self.reading.adds_missing, |a, b| Some(a + b));
            } else if self.takes('-') {
                let right = self.product();
                value = combine(value, right, self.reading.adds_missing, |a, b| Some(a - b));
            } else {
                return value;
            }
        }
    }

    fn product(&mut self) -> Value {
        let mut value = self.term();
        loop {
            if self.takes('*') {
                let right = self.term();
                value = combine(value, right, self.reading.adds_missing, |a, b| Some(a * b));
            } else if self.takes('/') {
                let right = self.term();
                value = combine(value, right, self.reading.adds_missing, |a, b| (b != 0.0).then(|| a / b));
            } else {
                return value;
            }
        }
    }

    fn term(&mut self) -> Value {
        if self.takes('(') {
            let value = self.comparison();
            assert!(self.takes(')'), "a bracket is not closed before `{}`", self.rest);
            return value;
        }
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        if let Ok(number) = word.parse() {
            return Value::Scalar(number);
        }
        if !self.takes('(') {
            let series = self.series.get(word).unwrap_or_else(|| panic!("there is no series `{word}`"));
            return Value::Series(series.clone());
        }
        let mut arguments = vec![self.comparison()];
        while self.takes(',') {
            arguments.push(self.comparison());
        }
        assert!(self.takes(')'), "the arguments of {word} do not end before `{}`", self.rest);
        self.call(word, arguments)
    }

    fn call(&self, function: &str, arguments: Vec<Value>) -> Value {
        match (function, <[Value; 3]>::try_from(arguments)) {
            ("IF", Ok([Value::Series(condition), then, otherwise])) => {
                let at = |value: &Value, period: usize| match value {
                    Value::Scalar(scalar) => Some(*scalar),
                    Value::Series(series) => series[period],
                };
                let of = |(period, condition): (usize, Option<f64>)| {
                    // Of a missing value zero is taken where the condition holds, and nothing where it does not.
                    if condition? == 0.0 { at(&otherwise, period) } else { Some(at(&then, period).unwrap_or(0.0)) }
                };
                Value::Series(condition.into_iter().enumerate().map(of).collect())
            }
            ("FILL", Err(arguments)) => match &arguments[..] {
                [Value::Series(series), Value::Scalar(_)]
                    if !self.reading.fills_nothing && series.iter().all(Option::is_none) =>
                {
                    Value::Series(series.clone())
                }
                [Value::Series(series), Value::Scalar(with)] => {
                    Value::Series(series.iter().map(|value| value.or(Some(*with))).collect())
                }
                _ => panic!("FILL is understood of a series and a number"),
            },
            ("TIME_SERIES", Err(arguments)) => match arguments[..] {
                [Value::Scalar(scalar)] => Value::Series(vec![Some(scalar); self.periods]),
                _ => panic!("TIME_SERIES is understood of a number"),
            },
            _ => panic!("{function} is not understood here"),
        }
    }
}

/// Both sides period by period. Where `missing_is_zero`, two series are combined in each period that one of them has.
fn combine(left: Value, right: Value, missing_is_zero: bool, with: impl Fn(f64, f64) -> Option<f64>) -> Value {
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            Value::Scalar(with(left, right).expect("a number is not divided by zero"))
        }
        (Value::Series(left), Value::Scalar(right)) => {
            Value::Series(left.into_iter().map(|left| with(left?, right)).collect())
        }
        (Value::Scalar(left), Value::Series(right)) => {
            Value::Series(right.into_iter().map(|right| with(left, right?)).collect())
        }
        (Value::Series(left), Value::Series(right)) => {
            let both = |(left, right): (Option<f64>, Option<f64>)| match (left, right) {
                (None, None) => None,
                (left, right) if missing_is_zero => with(left.unwrap_or(0.0), right.unwrap_or(0.0)),
                (left, right) => with(left?, right?),
            };
            Value::Series(left.into_iter().zip(right).map(both).collect())
        }
    }
}

#[test]
fn the_documented_example_of_if_comes_out() {
    let metric =
        |values: &[i32]| values.iter().map(|value| (*value >= 0).then(|| f64::from(*value))).collect::<Series>();
    let series =
        BTreeMap::from([("a".to_owned(), metric(&[1, 1, 0, 0, -1])), ("b".to_owned(), metric(&[0, 0, 20, -1, 20]))]);
    for reading in READINGS {
        let is = |expression: &str| evaluate(expression, &series, 5, reading);
        assert_eq!(is("IF(a, 5, b)"), metric(&[5, 5, 20, -1, -1]));
        assert_eq!(is("IF(b > TIME_SERIES(0), b, 0)"), metric(&[0, 0, 20, 0, 20]));
        assert_eq!(is("FILL(a, 7) * 2"), metric(&[2, 2, 0, 0, 14]));
        assert_eq!(is("10 / (a + 1) - 5")[..2], metric(&[0, 0]));
        assert_eq!(is("1 / a")[2], None, "nothing is divided by zero");
    }
}
