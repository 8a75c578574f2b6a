"""The client."""

from __future__ import annotations

import logging
import os
import re
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, List, Mapping, Optional, TypedDict, Union
from urllib.parse import urlsplit

from ._collector import Collector
from ._errors import HeadcountError, InvalidEventsError, Receipt, RejectedEvent
from ._events import BUILT_IN_EVENT_TYPES, Event, Prepared, now_ms, prepare
from ._metrics import Api, Day, FeatureUsage, PlatformMetrics, UserEngagement
from ._queue import Queue, flush_at_exit

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: Any mapping with the fields of `Event` will do.
AnyEvent = Union[Event, Mapping[str, Any]]


class Options(TypedDict, total=False):
    """Options of `Headcount`; all may be left out. Times are in seconds."""

    #: Where the collector is; the variable ``HEADCOUNT_COLLECTOR_URL``, or ``http://127.0.0.1:8700``.
    collector_url: Optional[str]
    #: Allows to send events; the variable ``HEADCOUNT_WRITE_KEY``.
    write_key: Optional[str]
    #: Where the dashboard is; the variable ``HEADCOUNT_API_URL``, or ``http://127.0.0.1:8600``.
    api_url: Optional[str]
    #: Allows to read figures; the variable ``HEADCOUNT_READ_TOKEN``.
    read_token: Optional[str]
    #: The deployment's own event types.
    event_types: Iterable[str]
    #: Queued events that are sent at once: 25.
    flush_at: int
    #: The longest time that an event is queued before it is sent: 5.
    flush_interval: float
    #: Events that may be queued: 10,000.
    max_queue_size: int
    #: How long a request is tried again before the call fails: 60.
    retry_for: float
    #: How long one request may wait for the network: 15.
    timeout: float
    #: Whether queued events are sent when the process ends, also by SIGTERM unless that is handled: True.
    flush_on_exit: bool
    #: How long the end of the process, or `close`, waits for that: 10.
    exit_timeout: float
    #: Told what became of queued events that the background thread sent; logs to ``headcount``.
    on_error: Optional[Callable[[HeadcountError], None]]


class Headcount:
    """Sends events to Headcount and asks for its figures.

    One for a process is enough. All methods may be called from any thread; `AsyncHeadcount` is for asyncio.
    """

    def __init__(
        self,
        *,
        collector_url: Optional[str] = None,
        write_key: Optional[str] = None,
        api_url: Optional[str] = None,
        read_token: Optional[str] = None,
        event_types: Iterable[str] = (),
        flush_at: int = 25,
        flush_interval: float = 5.0,
        max_queue_size: int = 10_000,
        retry_for: float = 60.0,
        timeout: float = 15.0,
        flush_on_exit: bool = True,
        exit_timeout: float = 10.0,
        on_error: Optional[Callable[[HeadcountError], None]] = None,
    ) -> None:
        """`Options` describes each."""
        positive = {
            "flush_at": flush_at,
            "flush_interval": flush_interval,
            "max_queue_size": max_queue_size,
            "retry_for": retry_for,
            "timeout": timeout,
            "exit_timeout": exit_timeout,
        }
        for name, value in positive.items():
            if not value > 0:
                raise HeadcountError(f"{name} must be above 0")
        env = os.environ
        # `headcount serve` prints the address with the path.
        collector = _base(
            "collector_url", collector_url or env.get("HEADCOUNT_COLLECTOR_URL") or "http://127.0.0.1:8700"
        )
        events_url = re.sub("/v1/events$", "", collector) + "/v1/events"
        api = _base("api_url", api_url or env.get("HEADCOUNT_API_URL") or "http://127.0.0.1:8600")
        self._event_types = list(dict.fromkeys([*BUILT_IN_EVENT_TYPES, *event_types]))
        self._retry_for = retry_for
        self._exit_timeout = exit_timeout
        self._collector = Collector(events_url, write_key or env.get("HEADCOUNT_WRITE_KEY") or None, timeout)
        self._api = Api(api, read_token or env.get("HEADCOUNT_READ_TOKEN") or None, timeout, retry_for)
        self._queue = Queue(
            self._collector, flush_at, flush_interval, max_queue_size, retry_for, exit_timeout, on_error or _log
        )
        self._is_closed = False
        if flush_on_exit:
            flush_at_exit(self._queue)

    def track_event(self, event: Optional[AnyEvent] = None, /, **fields: Unpack[Event]) -> Receipt:
        """Sends one event, given as a mapping or by keywords; returns once it is accepted.

        Raises:
            InvalidEventsError: It breaks rules: all of them are named.
            DeliveryError: It was not accepted in time, or the request was refused.
        """
        return self.track_event_batch([_one(event, fields)])[0]

    def track_event_batch(self, events: Iterable[AnyEvent], /) -> List[Receipt]:
        """Sends events; returns once all are accepted. If one breaks a rule, none is sent.

        Raises:
            InvalidEventsError: Events break rules: all of them are named.
            DeliveryError: Some were not accepted in time, or the request was refused.
        """
        prepared = self._prepare(events)
        self._collector.deliver(prepared, time.monotonic() + self._retry_for).raise_unless_accepted(prepared)
        return [event.receipt for event in prepared]

    def queue_event(self, event: Optional[AnyEvent] = None, /, **fields: Unpack[Event]) -> Receipt:
        """Queues an event and returns at once. It is sent with others: as soon as there are 25, or after 5 seconds.

        Raises:
            InvalidEventsError: It breaks rules: all of them are named.
            QueueFullError: Too many events wait.
        """
        if self._is_closed:
            raise HeadcountError("the client is closed: queue events before close()")
        [prepared] = self._prepare([_one(event, fields)])
        self._queue.add(prepared)
        return prepared.receipt

    def flush(self) -> None:
        """Sends what is queued; returns once all of it is accepted.

        Raises:
            InvalidEventsError: The collector rejected some; the others were accepted.
            DeliveryError: Some were not accepted in time. They stay queued and are tried again.
        """
        self._queue.flush(self._retry_for)

    def close(self) -> None:
        """Sends what is queued, for at most ``exit_timeout``, and queues no more. Raises as `flush` does."""
        self._is_closed = True
        self._queue.flush(self._exit_timeout)

    def __enter__(self) -> Headcount:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get_platform_metrics(self, start: Day, end: Optional[Day] = None, *, compare: bool = False) -> PlatformMetrics:
        """The figures of a range of days, both included; until today where ``end`` is left out. At most 400 days.

        With ``compare``, as many days directly before are told as well, in ``previous``.
        """
        return self._api.get(PlatformMetrics, "metrics", start, end, {"compare": "true"} if compare else {})

    def get_feature_usage(self, start: Day, end: Optional[Day] = None) -> FeatureUsage:
        """The use of features and the content created, in a range of days."""
        return self._api.get(FeatureUsage, "features", start, end)

    def get_user_engagement(self, start: Day, end: Optional[Day] = None) -> UserEngagement:
        """Users by day, week and month (DAU, WAU, MAU) and their sessions, in a range of days."""
        return self._api.get(UserEngagement, "engagement", start, end)

    def _prepare(self, events: Iterable[Any]) -> List[Prepared]:
        prepared: List[Prepared] = []
        rejected: List[RejectedEvent] = []
        for index, event in enumerate(events):
            made = prepare(event, self._event_types, now_ms())
            if isinstance(made, Prepared):
                prepared.append(made)
            else:
                rejected.append(RejectedEvent(index, None, made))
        if rejected:
            raise InvalidEventsError(rejected)
        return prepared


def _one(event: Optional[AnyEvent], fields: Mapping[str, Any]) -> AnyEvent:
    """The event that is given as a mapping, by keywords, or by both."""
    if not fields:
        return {} if event is None else event
    return {**event, **fields} if event is not None else fields


def _base(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise HeadcountError(f"{name} must be an http or https URL")
    return url.rstrip("/")


def _log(error: HeadcountError) -> None:
    logging.getLogger("headcount").error("%s", error)
