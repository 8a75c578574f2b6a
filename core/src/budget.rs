//! Budgets of AI cost: what may be spent in a calendar month, what is spent, and what the month will probably cost.
//!
//! # The forecast
//!
//! A month is a calendar month of the reporting zone. [`Burn::of`] forecasts its cost from what the days cost:
//!
//! - The *rate* is the mean cost of the last [`RATE_DAYS`] complete days before today, also where they are of the previous month. Days
//!   before the first one with a cost do not count, so that the idle days before a project began do not lower its rate. With no cost
//!   before today the rate is 0.
//! - The forecast is the cost of the month's complete days, plus what today has cost or the rate, whichever is larger, plus the rate for
//!   each day after today. It is rounded once, to the nearest nano-dollar, half up.
//!
//! ```
//! use headcount_core::budget::{Burn, DayCost};
//! let cost = |dollars: u64| DayCost { nanos: dollars * 1_000_000_000, is_lower_bound: false };
//! // Two complete days of $3 and $5, and $1 so far today, the third of 30 days.
//! let days = [("2026-04-01", 3), ("2026-04-02", 5), ("2026-04-03", 1)].map(|(date, n)| (date.parse().unwrap(), cost(n)));
//! let burn = Burn::of("2026-04-03".parse().unwrap(), days);
//! assert_eq!(burn.spent.nanos, 9_000_000_000);
//! assert_eq!(burn.forecast_nanos, (3 + 5 + 4 + 27 * 4) * 1_000_000_000);
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{Datelike as _, Months, NaiveDate};

use crate::calendar::{days, days_before};
use crate::counters::OTHER;
use crate::limits::{MAX_BUDGET_NANOS, MAX_COUNTER_NAME_BYTES};
use crate::metrics::{Figures, SpentFigures};

/// Complete days whose mean cost is the rate of a forecast.
pub const RATE_DAYS: u64 = 7;

/// Nano-dollars of a dollar.
const NANOS_PER_DOLLAR: u64 = 1_000_000_000;

/// What a budget is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BudgetScope {
    /// All requests.
    Project,
    /// Those that name this account.
    Account(String),
    /// Those that name this feature.
    Feature(String),
}

/// What may be spent in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What for.
    pub scope: BudgetScope,
    /// Nano-dollars a calendar month, more than 0.
    pub monthly_nanos: u64,
}

/// Why something is no budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// The amount cannot be used.
    #[error(
        "an amount is US dollars a month, from 0.000000001 to {} with at most 9 decimals, written as 50 or 50.25",
        MAX_BUDGET_NANOS / NANOS_PER_DOLLAR
    )]
    Amount,
    /// The name cannot be counted.
    #[error(
        "the name of a budget has 1 to {MAX_COUNTER_NAME_BYTES} bytes, and is not {OTHER}: longer names are cut when they are counted"
    )]
    Name,
    /// The text names no scope.
    #[error("a scope is PROJECT, ACCOUNT#<name> or FEATURE#<name>")]
    Scope,
}

const PROJECT: &str = "PROJECT";
const ACCOUNT: &str = "ACCOUNT#";
const FEATURE: &str = "FEATURE#";

impl BudgetScope {
    /// Of an account.
    ///
    /// # Errors
    ///
    /// [`BudgetError::Name`]: under such a name nothing is counted.
    pub fn account(name: &str) -> Result<Self, BudgetError> {
        checked(name).map(Self::Account)
    }

    /// Of a feature.
    ///
    /// # Errors
    ///
    /// As [`Self::account`].
    pub fn feature(name: &str) -> Result<Self, BudgetError> {
        checked(name).map(Self::Feature)
    }

    /// `project`, `account` or `feature`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Account(_) => "account",
            Self::Feature(_) => "feature",
        }
    }

    /// The account's or feature's name; none of the project.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Project => None,
            Self::Account(name) | Self::Feature(name) => Some(name),
        }
    }

    /// The scope as people read it.
    ///
    /// ```
    /// use headcount_core::budget::BudgetScope;
    /// assert_eq!(BudgetScope::account("acme").unwrap().title(), "account acme");
    /// assert_eq!(BudgetScope::Project.title(), "project");
    /// ```
    pub fn title(&self) -> String {
        self.name().map_or_else(|| self.kind().to_owned(), |name| format!("{} {name}", self.kind()))
    }

    /// What it cost on a day whose stored figures these are; none where they cannot be read.
    pub fn cost_of_day(&self, figures: Option<&Figures>) -> DayCost {
        figures.map_or(DayCost { nanos: 0, is_lower_bound: true }, |figures| self.cost_of(figures))
    }

    /// What it cost on a day with these figures.
    pub fn cost_of(&self, figures: &Figures) -> DayCost {
        let usage = &figures.ai_usage;
        let names = match self {
            Self::Project => {
                let is_lower_bound = figures.estimate.sources_set_aside > 0;
                return DayCost { nanos: usage.total_cost_nanos, is_lower_bound };
            }
            Self::Account(_) => &usage.by_account,
            Self::Feature(_) => &usage.by_feature,
        };
        let listed = self.name().and_then(|name| names.get(name)).copied();
        // Of more names than a day lists, the others are one sum: it may hold this name, or a part of its cost.
        let has_others = names.get(OTHER).is_some_and(|others| others.cost_nanos > 0);
        let is_lower_bound = has_others && (listed.is_none() || figures.estimate.names_approximate);
        let SpentFigures { cost_nanos: nanos, .. } = listed.unwrap_or_default();
        DayCost { nanos, is_lower_bound: is_lower_bound || figures.estimate.sources_set_aside > 0 }
    }
}

fn checked(name: &str) -> Result<String, BudgetError> {
    let is_counted = (1..=MAX_COUNTER_NAME_BYTES).contains(&name.len()) && name != OTHER;
    if is_counted { Ok(name.to_owned()) } else { Err(BudgetError::Name) }
}

/// As keys hold it.
///
/// ```
/// use headcount_core::budget::BudgetScope;
/// let scope: BudgetScope = "ACCOUNT#a#b".parse().unwrap();
/// assert_eq!((scope.name(), scope.to_string().as_str()), (Some("a#b"), "ACCOUNT#a#b"));
/// ```
impl fmt::Display for BudgetScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project => f.write_str(PROJECT),
            Self::Account(name) => write!(f, "{ACCOUNT}{name}"),
            Self::Feature(name) => write!(f, "{FEATURE}{name}"),
        }
    }
}

impl FromStr for BudgetScope {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        if text == PROJECT {
            return Ok(Self::Project);
        }
        let account = text.strip_prefix(ACCOUNT).map(Self::account);
        account.or_else(|| text.strip_prefix(FEATURE).map(Self::feature)).ok_or(BudgetError::Scope)?
    }
}

/// The nano-dollars of an amount of dollars in plain decimals.
///
/// ```
/// use headcount_core::budget::parse_amount;
/// assert_eq!(parse_amount("50.25"), Ok(50_250_000_000));
/// assert!(parse_amount("-1").is_err() && parse_amount("0").is_err() && parse_amount("1e3").is_err());
/// ```
///
/// # Errors
///
/// [`BudgetError::Amount`].
pub fn parse_amount(text: &str) -> Result<u64, BudgetError> {
    let (dollars, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(dollars) || !is_number(decimals) || decimals.len() > 9 {
        return Err(BudgetError::Amount);
    }
    let dollars = dollars.parse::<u64>().map_err(|_| BudgetError::Amount)?;
    let decimals = format!("{decimals:0<9}").parse::<u64>().map_err(|_| BudgetError::Amount)?;
    let nanos = dollars.checked_mul(NANOS_PER_DOLLAR).and_then(|nanos| nanos.checked_add(decimals));
    nanos.filter(|nanos| (1..=MAX_BUDGET_NANOS).contains(nanos)).ok_or(BudgetError::Amount)
}

/// An amount as people read it, rounded to cents; to four decimals below a dollar.
///
/// ```
/// use headcount_core::budget::shown_amount;
/// assert_eq!(shown_amount(50_250_000_000), "$50.25");
/// assert_eq!(shown_amount(3_125_000), "$0.0031");
/// ```
pub fn shown_amount(nanos: u64) -> String {
    let decimals = if nanos >= NANOS_PER_DOLLAR || nanos == 0 { 2 } else { 4 };
    format!("${:.decimals$}", nanos as f64 / NANOS_PER_DOLLAR as f64)
}

/// A calendar month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    first: NaiveDate,
}

impl Month {
    /// That of a date.
    pub fn of(date: NaiveDate) -> Self {
        Self { first: date.with_day(1).unwrap_or(date) }
    }

    /// Its first day.
    pub fn first(self) -> NaiveDate {
        self.first
    }

    /// Its last day.
    pub fn last(self) -> NaiveDate {
        let next = self.first.checked_add_months(Months::new(1));
        next.and_then(|next| next.pred_opt()).unwrap_or(NaiveDate::MAX)
    }
}

/// As `2026-03`.
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.format("%Y-%m").fmt(f)
    }
}

impl FromStr for Month {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        format!("{text}-01").parse().map(|first| Self { first })
    }
}

/// What a scope cost on a day, or in a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayCost {
    /// Nano-dollars.
    pub nanos: u64,
    /// Whether it may have cost more: the day has more names than it lists, or a source's figures are missing.
    pub is_lower_bound: bool,
}

/// How a month's budget burns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burn {
    /// The month.
    pub month: Month,
    /// What it has cost so far.
    pub spent: DayCost,
    /// What it will probably cost in all, nano-dollars.
    pub forecast_nanos: u64,
}

impl Burn {
    /// The first of the days up to `today` that a burn is made of.
    pub fn first_day(today: NaiveDate) -> NaiveDate {
        Month::of(today).first().min(days_before(today, RATE_DAYS))
    }

    /// Of what the days from [`Self::first_day`] to `today` cost; others, and those without a cost, may be missing.
    pub fn of(today: NaiveDate, costs: impl IntoIterator<Item = (NaiveDate, DayCost)>) -> Self {
        let month = Month::of(today);
        let from = Self::first_day(today);
        let costs: BTreeMap<NaiveDate, DayCost> =
            costs.into_iter().filter(|(date, _)| (from..=today).contains(date)).collect();
        let cost = |date: NaiveDate| costs.get(&date).map_or(0, |cost| u128::from(cost.nanos));
        let sum = |from, to| days(from, to).map(cost).sum::<u128>();

        let yesterday = days_before(today, 1);
        let (complete, of_today) = (sum(month.first(), yesterday), cost(today));
        let began = costs.iter().find(|(_, cost)| cost.nanos > 0).map_or(today, |(date, _)| *date);
        let rated = days_before(today, RATE_DAYS).max(began);
        let (rated_sum, rated_days) = (sum(rated, yesterday), days(rated, yesterday).count() as u128);
        let left = days(today, month.last()).count().saturating_sub(1) as u128;
        // Today at the rate is one more day at the rate.
        let (of_today, at_rate) = if of_today * rated_days >= rated_sum { (of_today, left) } else { (0, left + 1) };
        let to_come = if rated_days == 0 { 0 } else { (2 * rated_sum * at_rate + rated_days) / (2 * rated_days) };
        let is_lower_bound = costs.range(month.first()..=today).any(|(_, cost)| cost.is_lower_bound);
        Self {
            month,
            spent: DayCost { nanos: nanos(complete + cost(today)), is_lower_bound },
            forecast_nanos: nanos(complete + of_today + to_come),
        }
    }
}

impl Burn {
    /// The burn of a month whose last day it was made on, now that the month is over: nothing is to come.
    #[must_use]
    pub fn of_an_ended_month(self) -> Self {
        Self { forecast_nanos: self.spent.nanos, ..self }
    }
}

fn nanos(nanos: u128) -> u64 {
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::day_of;

    const DOLLAR: u64 = NANOS_PER_DOLLAR;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// Spent and forecast, in dollars, of days that cost whole dollars.
    #[track_caller]
    fn check(today: &str, costs: &[(&str, u64)], spent: f64, forecast: f64) {
        let costs =
            costs.iter().map(|(day, dollars)| (date(day), DayCost { nanos: dollars * DOLLAR, is_lower_bound: false }));
        let burn = Burn::of(date(today), costs);
        let dollars = |nanos: u64| nanos as f64 / DOLLAR as f64;
        assert_eq!((dollars(burn.spent.nanos), dollars(burn.forecast_nanos)), (spent, forecast), "{today}");
        assert!(!burn.spent.is_lower_bound && burn.month == Month::of(date(today)));
    }

    #[test]
    fn the_forecast_is_what_was_calculated_by_hand() {
        // Nothing at all, and no complete day: what is spent is all that is known.
        check("2026-03-10", &[], 0.0, 0.0);
        check("2026-03-10", &[("2026-03-10", 4)], 4.0, 4.0);
        // One complete day: 10 + max(4, 10) + 21 days of 10.
        check("2026-03-10", &[("2026-03-09", 10), ("2026-03-10", 4)], 14.0, 230.0);
        // Today is above the rate already: 10 + 12 + 21 days of 10.
        check("2026-03-10", &[("2026-03-09", 10), ("2026-03-10", 12)], 22.0, 232.0);
        // The first of the month: the rate is the previous month's, (7 + 14) / 2 over its last two days; 10.5 + 30 days of 10.5.
        check("2026-03-01", &[("2026-02-27", 7), ("2026-02-28", 14)], 0.0, 325.5);
        // The third: the rate is (5 days of 7 + 14 + 21) / 7 = 10; 35 spent + 10 + 28 days of 10.
        let turn = ["2026-02-24", "2026-02-25", "2026-02-26", "2026-02-27", "2026-02-28"].map(|day| (day, 7));
        check("2026-03-03", &[&turn[..], &[("2026-03-01", 14), ("2026-03-02", 21)]].concat(), 35.0, 325.0);
        // What is older than seven days is spent, and in no rate: 70 + 7 + max(0, 1) + 21 days of 1.
        check("2026-03-10", &[("2026-03-02", 70), ("2026-03-03", 7)], 77.0, 99.0);
        // An idle day after the first cost counts: the rate is 6 / 3; 6 + 2 + 21 days of 2.
        check("2026-03-10", &[("2026-03-07", 6)], 6.0, 50.0);
        // The last day has no day after it: 60 + max(3, 20), and 60 + 25.
        let last = [("2026-03-28", 20), ("2026-03-29", 20), ("2026-03-30", 20)];
        check("2026-03-31", &[&last[..], &[("2026-03-31", 3)]].concat(), 63.0, 80.0);
        check("2026-03-31", &[&last[..], &[("2026-03-31", 25)]].concat(), 85.0, 85.0);
        // February has 29 days in 2028 and 28 in 2027: 1 + 1 + 27 or 26 days of 1.
        check("2028-02-02", &[("2028-02-01", 1)], 1.0, 29.0);
        check("2027-02-02", &[("2027-02-01", 1)], 1.0, 28.0);
        check("2028-02-29", &[("2028-02-28", 1)], 1.0, 2.0);
        // Later days, and those before the ones that count, change nothing.
        check("2026-03-10", &[("2026-02-27", 99), ("2026-03-09", 10), ("2026-03-11", 99)], 10.0, 230.0);
    }

    #[test]
    fn the_forecast_is_rounded_once() {
        // The rate is a third of a nano-dollar for each one that was spent: 27 days at it, today among them, are 9.
        let cost = |nanos| DayCost { nanos, is_lower_bound: false };
        let of = |nanos| {
            let costs =
                [(date("2026-04-01"), cost(nanos)), (date("2026-04-02"), cost(0)), (date("2026-04-03"), cost(0))];
            Burn::of(date("2026-04-04"), costs).forecast_nanos
        };
        assert_eq!([of(1), of(2), of(3)], [1 + 9, 2 + 18, 3 + 27]);
        let half = [(date("2026-04-28"), cost(1)), (date("2026-04-29"), cost(0)), (date("2026-04-30"), cost(0))];
        assert_eq!(Burn::of(date("2026-04-30"), half).forecast_nanos, 1 + 1, "half a nano-dollar is rounded up");
        let huge = (1..=30).map(|day| (NaiveDate::from_ymd_opt(2026, 4, day).unwrap(), cost(u64::MAX)));
        assert_eq!(Burn::of(date("2026-04-30"), huge).forecast_nanos, u64::MAX);
    }

    #[test]
    fn a_month_is_one_of_the_zone_also_where_clocks_change() {
        let berlin = chrono_tz::Europe::Berlin;
        let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        // 22:30 in UTC is half past midnight of the next month in Berlin, whose summer time began two days earlier.
        let today = day_of(berlin, at("2026-03-31T22:30:00Z")).unwrap();
        assert_eq!((today, Month::of(today).to_string().as_str()), (date("2026-04-01"), "2026-04"));
        // March has 31 days there, the one of 23 hours among them: 28 complete days of 1, today at the rate, 2 days left.
        let today = day_of(berlin, at("2026-03-29T12:00:00Z")).unwrap();
        let costs: Vec<(String, u64)> = (1..=28).map(|day| (format!("2026-03-{day:02}"), 1)).collect();
        let costs: Vec<(&str, u64)> = costs.iter().map(|(day, cost)| (&**day, *cost)).collect();
        check(&today.to_string(), &costs, 28.0, 31.0);
        // October's day of 25 hours is one day as well.
        let today = day_of(berlin, at("2026-10-25T22:59:59Z")).unwrap();
        check(&today.to_string(), &[("2026-10-24", 2), ("2026-10-25", 1)], 3.0, 2.0 + 2.0 + 12.0);
    }

    #[test]
    fn a_name_that_a_day_does_not_list_may_have_cost_more() {
        let spent = |dollars: u64| SpentFigures { cost_nanos: dollars * DOLLAR, ..SpentFigures::default() };
        let mut figures = Figures::default();
        figures.ai_usage.total_cost_nanos = 9 * DOLLAR;
        figures.ai_usage.by_account.insert("acme".to_owned(), spent(5));
        figures.ai_usage.by_feature.insert("acme".to_owned(), spent(2));
        let (acme, zenith) = (BudgetScope::account("acme").unwrap(), BudgetScope::account("zenith").unwrap());
        let cost = |dollars: u64, is_lower_bound| DayCost { nanos: dollars * DOLLAR, is_lower_bound };
        assert_eq!(BudgetScope::Project.cost_of(&figures), cost(9, false));
        assert_eq!(BudgetScope::feature("acme").unwrap().cost_of(&figures), cost(2, false));
        assert_eq!([&acme, &zenith].map(|scope| scope.cost_of(&figures)), [cost(5, false), cost(0, false)]);
        figures.ai_usage.by_account.insert(OTHER.to_owned(), spent(1));
        assert_eq!([&acme, &zenith].map(|scope| scope.cost_of(&figures)), [cost(5, false), cost(0, true)], "exact");
        figures.estimate.names_approximate = true;
        assert_eq!([&acme, &zenith].map(|scope| scope.cost_of(&figures)), [cost(5, true), cost(0, true)], "live");
        assert_eq!(BudgetScope::Project.cost_of(&figures), cost(9, false));
        figures.estimate.sources_set_aside = 1;
        assert_eq!(BudgetScope::Project.cost_of(&figures), cost(9, true));
        let burn = |at: &str| Burn::of(date("2026-03-02"), [(date(at), cost(5, true))]).spent.is_lower_bound;
        assert_eq!([burn("2026-03-01"), burn("2026-02-28")], [true, false], "of this month");
    }

    #[test]
    fn amounts_and_names_are_checked() {
        for (text, nanos) in [
            ("50", Some(50 * DOLLAR)),
            ("0.000000001", Some(1)),
            ("050.10", Some(50_100_000_000)),
            ("1000000000", Some(MAX_BUDGET_NANOS)),
            ("1000000000.000000001", None),
            ("99999999999999999999", None),
            ("0", None),
            ("0.0000000001", None),
            ("", None),
            (".5", None),
            ("5.", None),
            ("$5", None),
            ("+5", None),
            ("5,0", None),
        ] {
            assert_eq!(parse_amount(text).ok(), nanos, "{text}");
        }
        for name in ["", OTHER, &"é".repeat(51)] {
            assert_eq!(BudgetScope::account(name), Err(BudgetError::Name), "{name}");
            assert_eq!(format!("FEATURE#{name}").parse::<BudgetScope>(), Err(BudgetError::Name), "{name}");
        }
        for scope in ["PROJECT", "ACCOUNT#acme", "ACCOUNT#FEATURE#a", "FEATURE#größer"] {
            assert_eq!(scope.parse::<BudgetScope>().unwrap().to_string(), scope);
        }
        assert_eq!("USER#ann".parse::<BudgetScope>(), Err(BudgetError::Scope));
        assert_eq!("2026-03".parse::<Month>(), Ok(Month::of(date("2026-03-31"))));
        assert!("2026-13".parse::<Month>().is_err());
    }
}
