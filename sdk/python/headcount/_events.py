"""The rules of docs/events.md.

What depends on the collector's clock or the deployment's settings, only the collector checks.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any, Callable, Mapping, Optional, Sequence, TypedDict, Union

from ._errors import Problem, Receipt

#: The event types of every deployment.
BUILT_IN_EVENT_TYPES = ("page_view", "feature_use", "content_create", "ai_request", "error", "identify")


class EventData(TypedDict, total=False):
    """What happened: the fields that are counted. Any mapping with these and others will do."""

    feature: str
    content_type: str
    model: str
    tokens: int
    input_tokens: int
    output_tokens: int
    #: The part of ``input_tokens`` that came from a cache.
    cached_tokens: int
    #: The part of ``input_tokens`` that was written to a cache.
    cache_write_tokens: int
    #: The part of ``output_tokens`` that the model thought with.
    reasoning_tokens: int
    #: The provider's own ``usage``, in place of the counts.
    usage: Mapping[str, Any]
    #: How long the request took, in milliseconds.
    latency_ms: float
    #: US dollars. An event with tokens and no cost is priced by the deployment.
    cost: Union[float, Decimal]
    error_type: str


class _RequiredMetadata(TypedDict):
    #: ``web``, ``ios``, ``backend``, or any other name.
    platform: str


class Metadata(_RequiredMetadata, total=False):
    """Where it happened. Any mapping with these and other fields will do."""

    #: The user's, from the request that you handle. Left out, it is that of this package.
    user_agent: Optional[str]
    #: The user's, from the request that you handle. Left out, it is that of this server.
    ip_address: Optional[str]


class _RequiredFields(TypedDict):
    event_type: str
    metadata: Union[Metadata, Mapping[str, Any]]


class Event(_RequiredFields, total=False):
    """One event."""

    #: Whose event it is; where nobody is signed in, give an ``anonymous_id`` instead.
    user_id: Optional[str]
    #: Takes the place of a ``user_id``. The event then counts in everything but users.
    anonymous_id: Optional[str]
    #: The session that it belongs to. An event without one counts in everything but sessions.
    session_id: Optional[str]
    #: The company, workspace or tenant that it belongs to.
    account_id: Optional[str]
    event_data: Union[EventData, Mapping[str, Any], None]
    #: Made when absent: a UUIDv7. Sent again with the same id and timestamp, an event does not count twice.
    event_id: Union[str, uuid.UUID, None]
    #: Milliseconds since the epoch, RFC 3339, or an aware datetime. The time of the call when absent.
    timestamp: Union[int, float, str, datetime, None]


@dataclass(frozen=True)
class Prepared:
    """An event that keeps its id, its time and its bytes however often it is sent."""

    receipt: Receipt
    #: The event as a JSON object.
    data: bytes


#: Bytes of the largest event that fits a request.
MAX_JSON_BYTES = (1 << 20) - 1_000

#: Fields of an event as Python has them, and as they are sent.
FIELDS = {
    "event_id": "eventId",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "session_id": "sessionId",
    "account_id": "accountId",
    "event_type": "eventType",
    "timestamp": "timestamp",
    "event_data": "eventData",
    "metadata": "metadata",
}

#: The same inside event_data and metadata. Other names are sent as they are.
DATA_FIELDS = {
    "content_type": "contentType",
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "cached_tokens": "cachedTokens",
    "cache_write_tokens": "cacheWriteTokens",
    "reasoning_tokens": "reasoningTokens",
    "latency_ms": "latencyMs",
    "error_type": "errorType",
}
METADATA_FIELDS = {"user_agent": "userAgent", "ip_address": "ipAddress"}

_PYTHON_NAMES = {wire: name for names in (FIELDS, DATA_FIELDS, METADATA_FIELDS) for name, wire in names.items()}

#: The field of event_data that an event type is counted by.
NAMED_BY = {"feature_use": "feature", "content_create": "content_type", "ai_request": "model", "error": "error_type"}

TOKEN_FIELDS = (
    "tokens",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
MAX_EVENT_ID_BYTES = 128
MAX_IDENTITY_BYTES = 256
#: A user id is made of it: ``anonymous:`` and the id.
MAX_ANONYMOUS_ID_BYTES = MAX_IDENTITY_BYTES - len("anonymous:")
MAX_TOKENS = 1_000_000_000
MAX_COST_USD = 1_000_000
#: The years 2000 to 2286.
MIN_TIMESTAMP_MS = 946_684_800_000
MAX_TIMESTAMP_MS = 9_999_999_999_999

_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
)
#: Blanks and invisible characters around an id. The separators U+001C to U+001F are blanks to Python alone.
_BLANK = f"(?:[^\\S\u001c-\u001f]|[{_INVISIBLE}])"
_AROUND_ID = re.compile(f"^{_BLANK}+|{_BLANK}+$")
_CONTROL = re.compile("[\u0000-\u001f\u007f-\u009f]")
_VISIBLE = re.compile("[^\\s\u0000-\u001f\u007f-\u009f]")
_UUID_V7 = re.compile("[0-9a-f]{8}-?[0-9a-f]{4}-?7[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}", re.IGNORECASE)
_RFC_3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(\.\d+)?(?:[Zz]|([+-]\d{2})(?::?(\d{2}))?)", re.ASCII
)
_TIME_FORMS = (
    "must be milliseconds since 1970 as a number, RFC 3339 as a string (2026-03-01T12:00:00Z), or an aware datetime"
)

_Add = Callable[[str, str], None]
_Number = (int, float, Decimal)


def prepare(event: Any, event_types: Sequence[str], now_ms: int) -> Union[Prepared, list[Problem]]:
    """Checks an event and fixes its id and time: every problem, or the event as it is sent."""
    if not isinstance(event, Mapping):
        return [Problem("", "the event must be a mapping of fields")]
    problems: list[Problem] = []

    def add(field: str, rule: str) -> None:
        problems.append(Problem(field, rule))

    event = dict(event)
    if isinstance(event.get("event_id"), uuid.UUID):
        event["event_id"] = str(event["event_id"])
    event_id = _identifier(event, "event_id", MAX_EVENT_ID_BYTES, add)
    _check_person(event, add)
    _identifier(event, "session_id", MAX_IDENTITY_BYTES, add)
    if not _is_blank(event.get("account_id")):
        _identifier(event, "account_id", MAX_IDENTITY_BYTES, add)
    event_type = _check_event_type(event.get("event_type"), event_types, add)
    timestamp = _check_timestamp(event.get("timestamp"), event_id, now_ms, add)
    event["event_data"] = _check_event_data(event.get("event_data"), event_type, add)
    event["metadata"] = _check_metadata(event.get("metadata"), add)
    for name in event:
        if name not in FIELDS:
            add(str(name), f"is not a field of an event ({', '.join(FIELDS)}): put it into event_data or metadata")
    if problems:
        return problems

    receipt = Receipt(event_id or new_event_id(now_ms), now_ms if timestamp is None else timestamp)
    event.update(event_id=receipt.event_id, timestamp=receipt.timestamp)
    try:
        data = _to_json({FIELDS[name]: value for name, value in event.items() if value is not None})
    except (TypeError, ValueError, RecursionError) as error:
        return [Problem("", f"the event cannot be written as JSON: {error}")]
    if len(data) > MAX_JSON_BYTES:
        return [Problem("", f"the event has {len(data)} bytes as JSON: at most {MAX_JSON_BYTES} fit a request")]
    return Prepared(receipt, data)


def new_event_id(now_ms: int) -> str:
    """A UUID of version 7."""
    random = int.from_bytes(os.urandom(10), "big")
    number = now_ms << 80 | 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return str(uuid.UUID(int=number))


def as_event(prepared: Prepared) -> dict[str, Any]:
    """The event with its id and time, to be sent again."""
    return {python_name(name): value for name, value in json.loads(prepared.data).items()}


def python_name(path: str) -> str:
    """A field's path with the names that Python has for them."""
    return ".".join(_PYTHON_NAMES.get(name, name) for name in path.split("."))


def _to_json(event: Mapping[str, Any]) -> bytes:
    def written(ensure_ascii: bool) -> str:
        return json.dumps(event, default=_plain, allow_nan=False, separators=(",", ":"), ensure_ascii=ensure_ascii)

    try:
        return written(False).encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair has no bytes, but an escape.
        return written(True).encode()


def _plain(value: Any) -> Any:
    """What JSON has for values that it has no type for."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _identifier(event: Mapping[str, Any], name: str, max_bytes: int, add: _Add) -> Optional[str]:
    """A trimmed id; None where there is none, and empty where its problem was added."""
    value = event.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        add(name, "must be a string")
        return ""
    text = _AROUND_ID.sub("", value)
    size = len(text.encode("utf-8", "surrogatepass"))
    if not text:
        add(name, "must not be empty")
    elif size > max_bytes:
        add(name, f"has {size} bytes: at most {max_bytes} are allowed")
    elif _CONTROL.search(text):
        add(name, "must not hold control characters")
    else:
        return text
    return ""


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not _AROUND_ID.sub("", value)


def _check_person(event: Mapping[str, Any], add: _Add) -> None:
    if not (_is_blank(event.get("user_id")) and event.get("anonymous_id") is not None):
        if _identifier(event, "user_id", MAX_IDENTITY_BYTES, add) is not None:
            return
    if _identifier(event, "anonymous_id", MAX_ANONYMOUS_ID_BYTES, add) is None:
        add("user_id", "is required, or an anonymous_id in its place")


def _check_event_type(value: Any, event_types: Sequence[str], add: _Add) -> Optional[str]:
    if value is None:
        add("event_type", "is required")
    elif not isinstance(value, str):
        add("event_type", "must be a string")
    elif value.strip() not in event_types:
        add("event_type", f"must be one of {', '.join(event_types)}; the option event_types names those of your own")
    else:
        return value.strip()
    return None


def _check_timestamp(value: Any, event_id: Optional[str], now_ms: int, add: _Add) -> Union[int, float, str, None]:
    """The time as it is sent; None where there is none, or where its problem was added."""
    if value is None:
        # An event id of the caller's is there for retries, which would each bring another time.
        if event_id is None:
            return now_ms
        if _UUID_V7.fullmatch(event_id):
            value = int(event_id.replace("-", "")[:12], 16)
        else:
            if event_id:
                add("timestamp", "is required beside an event_id that is no UUIDv7")
            return None
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = round(value.timestamp() * 1_000)
    rule = _time_rule(value)
    if rule is not None:
        add("timestamp", rule)
        return None
    sent: Union[int, float, str] = value
    return sent


def _time_rule(value: Any) -> Optional[str]:
    if isinstance(value, datetime):
        return "names no time zone: give an aware datetime, such as datetime.now(timezone.utc)"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number_rule(value)
    if not isinstance(value, str):
        return _TIME_FORMS
    text = value.strip()
    milliseconds = _of_text(text)
    if milliseconds is not None:
        return _number_rule(milliseconds)
    if re.fullmatch(r"[\d.]+", text, re.ASCII):
        return "is a number in quotes: write milliseconds since 1970 without them"
    if _of_text(text + "Z") is not None:
        return "names no time zone: add Z for UTC, or an offset (2026-03-01T12:00:00+01:00)"
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return "is a date without a time of day: write it as 2026-03-01T12:00:00Z"
    return _TIME_FORMS


def _of_text(text: str) -> Optional[float]:
    found = _RFC_3339.fullmatch(text)
    if found is None:
        return None
    day, time, fraction, hours, minutes = found.groups()
    offset = "+00:00" if hours is None else f"{hours}:{minutes or '00'}"
    try:
        return datetime.fromisoformat(f"{day}T{time}{offset}").timestamp() * 1_000 + float(fraction or 0) * 1_000
    except ValueError:
        return None


def _number_rule(milliseconds: float) -> Optional[str]:
    def is_plausible(number: float) -> bool:
        return MIN_TIMESTAMP_MS <= number < MAX_TIMESTAMP_MS + 1

    if is_plausible(milliseconds):
        return None
    for unit, factor in (("seconds", 1e3), ("microseconds", 1e-3), ("nanoseconds", 1e-6)):
        if is_plausible(milliseconds * factor):
            return f"is in {unit}: it must be in milliseconds since 1970"
    return "must be a time from the year 2000 to 2286, in milliseconds since 1970"


def _renamed(value: Mapping[str, Any], names: Mapping[str, str], field: str, add: _Add) -> dict[str, Any]:
    """The same with the names that are sent."""
    for name, wire in names.items():
        if name in value and wire in value:
            add(f"{field}.{name}", f"is given twice, also as {wire}")
    return {names.get(name, name): given for name, given in value.items()}


def _check_event_data(data: Any, event_type: Optional[str], add: _Add) -> Optional[dict[str, Any]]:
    if data is None or data == []:
        return None
    if not isinstance(data, Mapping):
        add("event_data", "must be a mapping")
        return None
    sent = _renamed(data, DATA_FIELDS, "event_data", add)
    if event_type == "ai_request":
        _check_ai_request(sent, add)
    name = NAMED_BY.get(event_type or "")
    if name is not None:
        value = sent.get(DATA_FIELDS.get(name, name))
        if value is not None and not isinstance(value, str):
            add(f"event_data.{name}", "must be a string")
        elif value is not None and not _VISIBLE.search(value):
            add(f"event_data.{name}", "must not be empty")
    return sent


def _check_ai_request(sent: Mapping[str, Any], add: _Add) -> None:
    def is_within(value: Any, most: int) -> bool:
        return isinstance(value, _Number) and not isinstance(value, bool) and 0 <= value <= most

    for name in TOKEN_FIELDS:
        value = sent.get(DATA_FIELDS.get(name, name))
        if value is not None and not (is_within(value, MAX_TOKENS) and value == int(value)):
            add(f"event_data.{name}", f"must be a whole number from 0 to {MAX_TOKENS}")
    cost = sent.get("cost")
    if cost is not None and not is_within(cost, MAX_COST_USD):
        add("event_data.cost", f"must be US dollars as a number from 0 to {MAX_COST_USD}")


def _check_metadata(given: Any, add: _Add) -> Optional[dict[str, Any]]:
    # The collector fills in what is absent, but for the platform.
    metadata = {} if given is None else given
    if not isinstance(metadata, Mapping):
        add("metadata", "must be a mapping")
        return None
    sent = _renamed(metadata, METADATA_FIELDS, "metadata", add)
    for name in ("user_agent", "ip_address", "platform"):
        value = sent.get(METADATA_FIELDS.get(name, name))
        # The collector takes the request's user agent in place of a blank one.
        if value is None or (name == "user_agent" and isinstance(value, str) and not value.strip()):
            if name == "platform":
                add("metadata.platform", "is required")
        elif not isinstance(value, str):
            add(f"metadata.{name}", "must be a string")
        elif not _VISIBLE.search(value):
            add(f"metadata.{name}", "must not be empty")
    return sent


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return int(datetime.now(timezone.utc).timestamp() * 1_000)
