"""What can go wrong, and with which events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Sequence, Union

#: Events whose problems a message spells out; the error's attributes have all.
MOST_DESCRIBED = 20


@dataclass(frozen=True)
class Problem:
    """One rule that an event breaks."""

    #: The field as a path, such as ``metadata.platform``; empty where the whole event is meant.
    field: str
    #: The rule, such as ``is required``.
    rule: str

    def __str__(self) -> str:
        return f"{self.field} {self.rule}" if self.field else self.rule


@dataclass(frozen=True)
class RejectedEvent:
    """An event that breaks rules, with all of them."""

    #: Where the event is in the batch, from 0.
    index: int
    #: Its id; None where the event never got one.
    event_id: Optional[str]
    #: Every rule that it breaks.
    problems: Sequence[Problem]


@dataclass(frozen=True)
class Receipt:
    """What identifies an event: sent again with both, it does not count twice."""

    event_id: str
    timestamp: Union[int, float, str]


class HeadcountError(Exception):
    """What every error of this package is."""


class InvalidEventsError(HeadcountError):
    """Events break rules.

    Raised before anything is sent where this package can tell, and after the answer where only the collector can:
    ``accepted`` then holds the events that count.
    """

    def __init__(self, rejected: Sequence[RejectedEvent], accepted: Sequence[Receipt] = ()) -> None:
        self.rejected = rejected
        self.accepted = accepted
        events = "event breaks" if len(rejected) == 1 else "events break"
        super().__init__(f"{len(rejected)} {events} rules: {_described(rejected)}")


class DeliveryError(HeadcountError):
    """The collector did not accept events within the time for retries, or refused the request."""

    def __init__(
        self,
        reason: str,
        not_accepted: Sequence[dict[str, Any]],
        accepted: Sequence[Receipt] = (),
        rejected: Sequence[RejectedEvent] = (),
        status: Optional[int] = None,
    ) -> None:
        #: Events that may not have been accepted, with id and timestamp: sent again, none counts twice.
        self.not_accepted = not_accepted
        #: Events of the same call that were accepted.
        self.accepted = accepted
        #: Events of the same call that break rules.
        self.rejected = rejected
        #: The HTTP status of the last answer; None where there was none.
        self.status = status
        events = "event was" if len(not_accepted) == 1 else "events were"
        invalid = f"; {len(rejected)} more break rules: {_described(rejected)}" if rejected else ""
        super().__init__(f"{len(not_accepted)} {events} not accepted: {reason}{invalid}")


class QueueFullError(HeadcountError):
    """The queue holds as many events as it may. The event was not queued."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} events wait to be sent, which is the most: call flush(), or raise max_queue_size")


class ApiError(HeadcountError):
    """The JSON API gave no figures."""

    def __init__(
        self, message: str, status: Optional[int] = None, parameter: Optional[str] = None, rule: Optional[str] = None
    ) -> None:
        #: The HTTP status; None where there was no answer.
        self.status = status
        #: The parameter that breaks a rule, where that is the reason.
        self.parameter = parameter
        #: The rule.
        self.rule = rule
        super().__init__(message)


def _described(rejected: Sequence[RejectedEvent]) -> str:
    shown = [f"event {one.index}: {', '.join(map(str, one.problems))}" for one in rejected[:MOST_DESCRIBED]]
    more = len(rejected) - len(shown)
    return "; ".join(shown) + (f"; and {more} more events" if more else "")
