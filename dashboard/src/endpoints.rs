//! What can be asked for: one function each.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use headcount_query::{
    Deps, QueryStore, Range, get_ai_usage, get_budgets, get_feature_usage, get_platform_metrics, get_rejected,
    get_user_engagement, get_user_events,
};

use crate::answer::{Format, respond};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// The parameters of a question about a range.
pub(crate) const RANGE: [&str; 4] = ["from", "to", "last", "format"];

/// The parameters of the platform's metrics.
pub(crate) const METRICS: [&str; 5] = ["from", "to", "last", "compare", "format"];

/// The parameters of budgets, which are those of this month.
pub(crate) const BUDGETS: [&str; 1] = ["format"];

/// The parameters of a user's events.
pub(crate) const EVENTS: [&str; 6] = ["from", "to", "last", "page", "limit", "format"];

/// The parameters of rejected events.
pub(crate) const REJECTED: [&str; 4] = ["date", "page", "limit", "format"];

type Answer = Result<Response, Problem>;

/// A request to a question about a range, read.
async fn asked<S: QueryStore>(
    deps: &Deps<S>,
    query: Option<&str>,
    known: &[&str],
    headers: &HeaderMap,
) -> Result<(Parameters, Range, Format), Problem> {
    let parameters = Parameters::read(query, known)?;
    let format = Format::of(&parameters, headers)?;
    let (_, today) = deps.today().await?;
    let range = parameters.range(today)?;
    Ok((parameters, range, format))
}

pub(crate) async fn metrics<S: QueryStore + 'static>(
    State(deps): State<Deps<S>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let (parameters, range, format) = asked(&deps, query.as_deref(), &METRICS, &headers).await?;
    let answer = get_platform_metrics(&deps, range, parameters.flag("compare")?).await?;
    Ok(respond(&answer, format, &headers))
}

pub(crate) async fn features<S: QueryStore + 'static>(
    State(deps): State<Deps<S>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let (_, range, format) = asked(&deps, query.as_deref(), &RANGE, &headers).await?;
    Ok(respond(&get_feature_usage(&deps, range).await?, format, &headers))
}

pub(crate) async fn engagement<S: QueryStore + 'static>(
    State(deps): State<Deps<S>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let (_, range, format) = asked(&deps, query.as_deref(), &RANGE, &headers).await?;
    Ok(respond(&get_user_engagement(&deps, range).await?, format, &headers))
}

pub(crate) async fn ai<S: QueryStore + 'static>(
    State(deps): State<Deps<S>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let (_, range, format) = asked(&deps, query.as_deref(), &RANGE, &headers).await?;
    Ok(respond(&get_ai_usage(&deps, range).await?, format, &headers))
}

pub(crate) async fn budgets<S: QueryStore + 'static>(
    State(deps): State<Deps<S>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let parameters = Parameters::read(query.as_deref(), &BUDGETS)?;
    let format = Format::of(&parameters, &headers)?;
    Ok(respond(&get_budgets(&deps).await?, format, &headers))
}

pub(crate) async fn user_events<S: QueryStore + 'static>(
    State(deps): State<Deps<S>>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let Path(id) = id.map_err(|_| Problem::parameter("id", "must be percent-encoded UTF-8"))?;
    let (parameters, range, format) = asked(&deps, query.as_deref(), &EVENTS, &headers).await?;
    let answer = get_user_events(&deps, &id, range, &parameters.page()?).await?;
    Ok(respond(&answer, format, &headers))
}

pub(crate) async fn rejected<S: QueryStore + 'static>(
    State(deps): State<Deps<S>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let parameters = Parameters::read(query.as_deref(), &REJECTED)?;
    let format = Format::of(&parameters, &headers)?;
    let date = match parameters.date("date")? {
        Some(date) => date,
        None => deps.today().await?.1,
    };
    let answer = get_rejected(&deps, date, &parameters.page()?).await?;
    Ok(respond(&answer, format, &headers))
}
