//! What a request asks for, read strictly: what is unknown, given twice or malformed is named with its rule.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use headcount_query::page::{MAX_PAGE_ITEMS, PageRequest};
use headcount_query::range::{MAX_RANGE_DAYS, Range};

use crate::problem::Problem;

/// The days of a range that nobody chose.
pub(crate) const DEFAULT_DAYS: u64 = 7;

/// The parameters of one request.
#[derive(Debug)]
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Those of a query, none but the `known` ones, each once.
    pub(crate) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                let shown: String = name.chars().filter(|letter| !letter.is_control()).take(50).collect();
                return Err(Problem::parameter(&shown, format!("is unknown: there are {}", known.join(", "))));
            }
            if parameters.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(Problem::parameter(&name, "must be given once"));
            }
        }
        Ok(Self(parameters))
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn date(&self, name: &str) -> Result<Option<NaiveDate>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|date| date.to_string() == text);
        date.map(Some).ok_or_else(|| Problem::parameter(name, "must be a date, YYYY-MM-DD"))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::parameter(name, "must be true or false")),
        }
    }

    /// The range of days: `from` and `to`, or the `last` so many days, or the last week.
    pub(crate) fn range(&self, today: NaiveDate) -> Result<Range, Problem> {
        let (from, to, last) = (self.date("from")?, self.date("to")?, self.text("last"));
        match (from, to, last) {
            (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                Err(Problem::parameter("last", "must not be given beside from and to"))
            }
            (None, None, last) => {
                let days = last.map_or(Ok(DEFAULT_DAYS), days)?;
                Ok(Range::ending(today, days)?)
            }
            (Some(from), to, None) => Ok(Range::new(from, to.unwrap_or(today))?),
            (None, Some(_), None) => Err(Problem::parameter("from", "must be given where to is")),
        }
    }

    pub(crate) fn page(&self) -> Result<PageRequest, Problem> {
        let limit = |text: &str| {
            let limit = text.parse().ok().filter(|limit| (1..=MAX_PAGE_ITEMS).contains(limit));
            limit.ok_or_else(|| Problem::parameter("limit", format!("must be 1 to {MAX_PAGE_ITEMS}")))
        };
        let limit = self.text("limit").map(limit).transpose()?;
        Ok(PageRequest { after: self.text("page").map(str::to_owned), limit })
    }
}

fn days(text: &str) -> Result<u64, Problem> {
    let number = text.strip_suffix('d').filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let days = number.and_then(|number| number.parse().ok()).filter(|days| (1..=MAX_RANGE_DAYS).contains(days));
    days.ok_or_else(|| Problem::parameter("last", format!("must be a number of days, 1d to {MAX_RANGE_DAYS}d")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse as _;

    const KNOWN: [&str; 6] = ["from", "to", "last", "compare", "page", "limit"];

    fn today() -> NaiveDate {
        "2026-03-10".parse().unwrap()
    }

    #[test]
    fn ranges_are_read_in_each_way() {
        let check = |query: &str, from: &str, to: &str| {
            let range = Parameters::read(Some(query), &KNOWN).unwrap().range(today()).unwrap();
            assert_eq!((range.from.to_string(), range.to.to_string()), (from.into(), to.into()), "{query}");
        };
        check("", "2026-03-04", "2026-03-10");
        check("last=1d", "2026-03-10", "2026-03-10");
        check("last=90d", "2025-12-11", "2026-03-10");
        check("from=2026-03-01&to=2026-03-02", "2026-03-01", "2026-03-02");
        check("from=2026%2D03-01", "2026-03-01", "2026-03-10");
    }

    #[test]
    fn what_breaks_a_rule_is_named_and_not_repeated() {
        let check = |query: &str, named: &str| {
            let read = Parameters::read(Some(query), &KNOWN).and_then(|parameters| {
                parameters.flag("compare")?;
                parameters.page()?;
                parameters.range(today())
            });
            let problem = read.unwrap_err();
            let shown = format!("{problem:?}");
            assert!(shown.contains(&format!("parameter: Some(\"{named}\")")) && !shown.contains("SECRET"), "{shown}");
            assert_eq!(problem.into_response().status(), 400);
        };
        check("token=SECRET", "token");
        check("from=2026-03-01&from=2026-03-01", "from");
        check("from=SECRET", "from");
        check("from=2026-3-1", "from");
        check("from=2026-02-30", "from");
        check("to=2026-03-01", "from");
        check("from=2026-03-01&last=7d", "last");
        check("from=2026-03-09&to=2026-03-01", "from");
        check("from=2020-01-01", "from");
        for last in ["0d", "401d", "7", "d", "-1d", "+7d", "7dd", "SECRET"] {
            check(&format!("last={last}"), "last");
        }
        for limit in ["0", "101", "-1", "x", ""] {
            check(&format!("limit={limit}"), "limit");
        }
        check("compare=yes", "compare");
    }
}
