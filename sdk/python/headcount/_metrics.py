"""The figures, as the JSON API has them."""

from __future__ import annotations

import dataclasses
import sys
import time
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Type, TypeVar, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlencode

from ._errors import ApiError, HeadcountError
from ._http import Answer, NoAnswer, pause, send

#: A day: a date, a text such as ``2024-01-31``, or a datetime, of which the day in UTC counts if it is aware.
Day = Union[date, datetime, str]


@dataclass(frozen=True)
class Interval:
    """A figure's 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class SessionIntervals:
    """The 95 % confidence intervals of session figures; both ends are the figure itself where it is exact."""

    count: Interval
    average_duration: Interval
    p50: Interval
    p95: Interval


@dataclass(frozen=True)
class SessionCounts:
    """How many sessions, and their median and 95th percentile in milliseconds."""

    count: int
    p50: int
    p95: int


@dataclass(frozen=True)
class Breakdown:
    """A total and what it is made of."""

    total: int
    by_type: Dict[str, int]


@dataclass(frozen=True)
class Spent:
    """What requests to language models took and cost."""

    requests: int
    tokens: int
    #: US dollars.
    cost: float
    cost_nanos: int


@dataclass(frozen=True)
class Latency:
    """Requests that say how long they took, and their median and 95th percentile in milliseconds."""

    count: int
    p50: int
    p95: int


@dataclass(frozen=True)
class ModelFigures(Spent):
    """Use of one language model."""

    #: Requests that failed.
    errors: int
    #: Requests that used tokens and whose cost is not known.
    unpriced: int
    latency: Latency


@dataclass(frozen=True)
class AiUsage:
    """Use of language models."""

    total_requests: int
    total_tokens: int
    #: US dollars.
    total_cost: float
    total_cost_nanos: int
    failed_requests: int
    #: Requests that used tokens and whose cost is not known.
    unpriced_requests: int
    by_model: Dict[str, ModelFigures]
    #: Of the requests that name an account; those that cost most are listed.
    by_account: Dict[str, Spent]
    #: The same by feature.
    by_feature: Dict[str, Spent]
    #: The same by user.
    by_user: Dict[str, Spent]


@dataclass(frozen=True)
class Estimate:
    """How exact figures are."""

    users_relative_standard_error: float
    accounts_relative_standard_error: float
    #: How far latencies may be off, as a share of them.
    latency_relative_error: float
    sessions_exact: bool
    session_intervals: SessionIntervals
    sources_set_aside: int
    names_approximate: bool


@dataclass(frozen=True)
class Figures:
    """Figures of a day or of a range of days."""

    #: Different users of the day, or of the whole range.
    active_users: int
    #: Users ever seen up to the end of the (last) day.
    total_users: int
    #: Users first seen on the day, or within the range.
    new_signups_24h: int
    #: Different users of the day; of a range, the mean of its days.
    daily_active_users: int
    #: Different users of the 7 days that end with the (last) day.
    weekly_active_users: int
    #: Different users of the 30 days that end with the (last) day.
    monthly_active_users: int
    #: Different accounts of the day, or of the whole range.
    active_accounts: int
    #: Different accounts of the 7 days that end with the (last) day.
    weekly_active_accounts: int
    #: Different accounts of the 30 days that end with the (last) day.
    monthly_active_accounts: int
    #: Milliseconds.
    average_session_duration: float
    sessions: SessionCounts
    #: Uses of each feature.
    feature_usage: Dict[str, int]
    content_created: Breakdown
    ai_usage: AiUsage
    errors: Breakdown
    events_by_type: Dict[str, int]
    #: Events by hour of the reporting zone, 24 of them.
    events_by_hour: List[int]
    platforms: Dict[str, int]
    #: Events of each account, of those that name one.
    accounts: Dict[str, int]
    #: Occurrences that broke a rule, by the day of their arrival.
    rejected: int
    duplicates: int
    #: Valid events that count for no user.
    events_without_user: int
    #: Events that belong to no session.
    events_without_session: int
    estimate: Estimate
    #: Whether no more events of the stream are taken, and all are proven.
    final: bool
    #: Whether the figures are exact: proven from the log.
    verified: bool
    #: What a proof says of the day; None where there is none, and of a range.
    proof: Optional[Dict[str, Any]]


@dataclass(frozen=True)
class DayFigures(Figures):
    """Figures of one day."""

    date: date
    #: Where they come from: ``missing`` (nothing is stored), ``live`` (counted a moment ago), or ``stored``.
    state: str


@dataclass(frozen=True)
class UsersError:
    """How far a number of users may be off, in 95 of 100 cases."""

    plus_minus: int
    share: float
    confidence: float


@dataclass(frozen=True)
class Changes:
    """Changes as shares (0.5 is half as much again); None where there was nothing before."""

    active_users: Optional[float]
    active_accounts: Optional[float]
    daily_active_users: Optional[float]
    total_users: Optional[float]
    new_signups: Optional[float]
    sessions: Optional[float]
    average_session_duration: Optional[float]
    events: Optional[float]
    ai_requests: Optional[float]
    ai_cost: Optional[float]
    errors: Optional[float]
    rejected: Optional[float]


@dataclass(frozen=True)
class Previous:
    """The days directly before a range, and what changed since."""

    from_date: date
    to_date: date
    total: Figures
    change: Changes


@dataclass(frozen=True)
class PlatformMetrics(Figures):
    """The figures of a range of days, and of each of its days."""

    from_date: date
    to_date: date
    today: date
    #: The IANA zone whose days are counted.
    time_zone: str
    users_error: UsersError
    days: List[DayFigures]
    #: As many days directly before, where they were asked for.
    previous: Optional[Previous]


@dataclass(frozen=True)
class NamedCount:
    """A name, how often it was counted, and its share of all."""

    name: str
    count: int
    share: float


@dataclass(frozen=True)
class FeatureDay:
    """The use of features on one day."""

    date: date
    state: str
    features: Dict[str, int]
    content: Dict[str, int]


@dataclass(frozen=True)
class FeatureUsage:
    """The use of features over a range of days."""

    from_date: date
    to_date: date
    total: int
    #: The most used first.
    features: List[NamedCount]
    #: What was created, the most frequent first.
    content: List[NamedCount]
    #: Whether counts of names are lower bounds, as a day has more names than are counted exactly.
    names_approximate: bool
    days: List[FeatureDay]


@dataclass(frozen=True)
class Sessions:
    """Sessions; durations in milliseconds."""

    count: int
    average_ms: float
    median_ms: int
    p95_ms: int
    exact: bool
    intervals: SessionIntervals


@dataclass(frozen=True)
class EngagementDay:
    """Users and sessions of a day."""

    date: date
    state: str
    daily_active_users: int
    weekly_active_users: int
    monthly_active_users: int
    #: Daily users as a share of monthly ones.
    stickiness: float
    new_signups: int
    sessions: Sessions


@dataclass(frozen=True)
class UserEngagement:
    """Users and sessions over a range of days."""

    from_date: date
    to_date: date
    #: Different users of the range.
    active_users: int
    users_error: UsersError
    #: DAU: the mean of the days.
    daily_active_users: int
    #: WAU: different users of the last 7 days.
    weekly_active_users: int
    #: MAU: different users of the last 30 days.
    monthly_active_users: int
    stickiness: float
    new_signups: int
    total_users: int
    sessions: Sessions
    days: List[EngagementDay]


T = TypeVar("T")

#: Names that are not those of the JSON in snake case.
_WIRE_NAMES = {"from_date": "from", "to_date": "to"}


class Api:
    """The JSON API, which answers with figures."""

    def __init__(self, url: str, read_token: Optional[str], timeout: float, retry_for: float) -> None:
        self._url = url
        self._read_token = read_token
        self._timeout = timeout
        self._retry_for = retry_for

    def get(self, cls: Type[T], path: str, start: Day, end: Optional[Day], more: Mapping[str, str] = {}) -> T:
        """The answer to a question about a range of days."""
        parameters = {"from": _date_text("start", start), **more}
        if end is not None:
            parameters["to"] = _date_text("end", end)
        body = self._ask(f"{self._url}/api/{path}?{urlencode(parameters)}")
        # The figures of a whole range stand at the top.
        flat = {**body["total"], **body} if isinstance(body.get("total"), dict) else body
        try:
            built: T = _built(cls, flat)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ApiError(f"the answer is not that of this version of Headcount: {error!r}") from error
        return built

    def _ask(self, url: str) -> dict[str, Any]:
        deadline = time.monotonic() + self._retry_for
        attempt = 0
        while True:
            retry_after = None
            try:
                answer = send(url, self._read_token, self._timeout, headers={"Accept": "application/json"})
                if answer.status == 200 and isinstance(answer.body, dict):
                    return answer.body
                error = _refused(answer)
                if not answer.is_temporary():
                    raise error
                retry_after = answer.retry_after
            except NoAnswer as cause:
                error = ApiError(str(cause))
            if not pause(attempt, retry_after, deadline):
                raise error
            attempt += 1


def _refused(answer: Answer) -> ApiError:
    body = answer.body if isinstance(answer.body, dict) else {}
    hint = ", which is not the answer of Headcount's API: check api_url" if answer.status == 200 else ""
    return ApiError(answer.explained() + hint, answer.status, body.get("parameter"), body.get("rule"))


def _date_text(name: str, day: Day) -> str:
    if isinstance(day, datetime):
        day = (day if day.tzinfo is None else day.astimezone(timezone.utc)).date()
    if isinstance(day, date):
        return day.isoformat()
    try:
        return date.fromisoformat(day).isoformat()
    except (TypeError, ValueError):
        raise HeadcountError(f"{name} must be a date, or a text such as 2024-01-31") from None


def _built(kind: Any, value: Any) -> Any:
    """The value as the type that a field is declared with."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Union:
        return None if value is None else _built(arguments[0], value)
    if origin is list:
        return [_built(arguments[0], one) for one in value]
    if origin is dict:
        return {name: _built(arguments[1], one) for name, one in value.items()}
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind, vars(sys.modules[__name__]), {"date": date})
        fields = ((field.name, hints[field.name]) for field in dataclasses.fields(kind))
        # A figure that may be None may be left out.
        build: Any = kind
        return build(**{name: _built(hint, _found(value, name, hint)) for name, hint in fields})
    return date.fromisoformat(value) if kind is date else value


def _found(value: Mapping[str, Any], name: str, hint: Any) -> Any:
    wire = _WIRE_NAMES.get(name, name)
    first, *rest = wire.split("_")
    key = first + "".join(part.capitalize() for part in rest)
    return value.get(key) if get_origin(hint) is Union else value[key]
