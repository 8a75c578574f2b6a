"""The collector, which accepts events over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator, Optional, Sequence

from ._errors import DeliveryError, InvalidEventsError, Problem, RejectedEvent
from ._events import Prepared, as_event, now_ms, python_name
from ._http import Answer, NoAnswer, pause, send

#: Events of one request, at most.
MAX_EVENTS = 1_000

#: Bytes of one request, at most: 1 MiB.
MAX_BODY_BYTES = 1 << 20

#: Bytes that ``sentAt`` and a comma add to an event.
ADDED_BYTES = 32


@dataclass(frozen=True)
class Failure:
    """Why events were not accepted."""

    reason: str
    is_temporary: bool
    status: Optional[int] = None
    retry_after: Optional[float] = None
    #: The request is refused as it is; smaller ones may be accepted.
    is_of_request: bool = False


@dataclass
class Outcome:
    """What became of events: each is in one of the three lists."""

    accepted: list[Prepared] = field(default_factory=list)
    rejected: list[tuple[Prepared, list[Problem]]] = field(default_factory=list)
    #: Not accepted as far as is known.
    left: list[Prepared] = field(default_factory=list)
    #: Why some are left.
    failure: Optional[Failure] = None

    def add(self, other: Outcome) -> None:
        """Takes over what became of further events."""
        self.accepted += other.accepted
        self.rejected += other.rejected
        self.left += other.left
        self.failure = self.failure or other.failure

    def raise_unless_accepted(self, events: Sequence[Prepared]) -> None:
        """Raises unless every event was accepted; indexes are those in ``events``."""
        indexes = {id(event): index for index, event in enumerate(events)}
        accepted = [event.receipt for event in self.accepted]
        rejected = [
            RejectedEvent(indexes[id(event)], event.receipt.event_id, problems) for event, problems in self.rejected
        ]
        rejected.sort(key=lambda one: one.index)
        if self.left:
            failure = self.failure or Failure("the time for retries is over", True)
            raise DeliveryError(
                failure.reason, [as_event(event) for event in self.left], accepted, rejected, failure.status
            )
        if rejected:
            raise InvalidEventsError(rejected, accepted)


class Collector:
    """Sends events until each is accepted or rejected, or the time is over."""

    def __init__(self, url: str, write_key: Optional[str], timeout: float) -> None:
        self._url = url
        self._write_key = write_key
        self._timeout = timeout

    def deliver(self, events: Sequence[Prepared], deadline: float) -> Outcome:
        """Sends events in as many requests as they need."""
        outcome = Outcome()
        for request in _requests(events):
            if outcome.failure is None:
                outcome.add(self._deliver_request(request, deadline))
            else:
                outcome.left += request
        return outcome

    def _deliver_request(self, events: list[Prepared], deadline: float) -> Outcome:
        outcome = Outcome(left=events)
        attempt = 0
        while True:
            answered = self._post(outcome.left)
            outcome.left, outcome.failure = [], None
            outcome.add(answered)
            failure = outcome.failure
            if failure is None:
                return outcome
            if failure.is_of_request:
                return self._deliver_halves(outcome, failure, deadline)
            if not failure.is_temporary or not pause(attempt, failure.retry_after, deadline):
                return outcome
            attempt += 1

    def _deliver_halves(self, outcome: Outcome, failure: Failure, deadline: float) -> Outcome:
        """One event that cannot be sent must not hold up the others."""
        events = outcome.left
        outcome.left, outcome.failure = [], None
        if len(events) == 1:
            outcome.rejected.append((events[0], [Problem("", f"the event is refused: {failure.reason}")]))
            return outcome
        middle = len(events) // 2
        for half in (events[:middle], events[middle:]):
            if outcome.failure is None:
                outcome.add(self._deliver_request(half, deadline))
            else:
                outcome.left += half
        return outcome

    def _post(self, events: list[Prepared]) -> Outcome:
        # By it, the collector corrects a clock that is wrong.
        sent_at = b',"sentAt":%d}' % now_ms()
        body = b"[" + b",".join(event.data[:-1] + sent_at for event in events) + b"]"
        try:
            headers = {"Content-Type": "application/json"}
            answer = send(self._url, self._write_key, self._timeout, body, headers)
        except NoAnswer as error:
            return Outcome(left=events, failure=Failure(str(error), is_temporary=True))
        return _read(answer, events)


def _requests(events: Sequence[Prepared]) -> Iterator[list[Prepared]]:
    request: list[Prepared] = []
    size = 0
    for event in events:
        added = len(event.data) + ADDED_BYTES
        if request and (len(request) == MAX_EVENTS or size + added > MAX_BODY_BYTES):
            yield request
            request, size = [], 0
        request.append(event)
        size += added
    if request:
        yield request


def _read(answer: Answer, events: list[Prepared]) -> Outcome:
    """What an answer says of the events that were sent."""
    results = _results(answer.body, len(events))
    reason = answer.explained()
    if results is None:
        if answer.status < 400:
            reason += ", which is not the answer of a collector: check collector_url"
        is_of_request = answer.status in (400, 413)
        failure = Failure(reason, answer.is_temporary(), answer.status, answer.retry_after, is_of_request)
        return Outcome(left=events, failure=failure)
    outcome = Outcome()
    for event, result in zip(events, results):
        if result["accepted"]:
            outcome.accepted.append(event)
        elif result.get("problems") is not None:
            problems = [Problem(python_name(one["field"]), one["problem"]) for one in result["problems"]]
            outcome.rejected.append((event, problems))
        else:
            outcome.left.append(event)
    if outcome.left:
        # Beside invalid events, an answer of 400 has others that may be sent again.
        outcome.failure = Failure(reason, True, answer.status, answer.retry_after)
    return outcome


def _results(body: Any, count: int) -> Optional[list[dict[str, Any]]]:
    events = body.get("events") if isinstance(body, dict) else None
    if not isinstance(events, list) or len(events) != count:
        return None
    is_sound = all(isinstance(one, dict) and isinstance(one.get("accepted"), bool) for one in events)
    return events if is_sound else None
