"""One request over HTTP, and when it may be sent again."""

from __future__ import annotations

import json
import random
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, Mapping, Optional
from urllib.parse import urlsplit

from ._version import VERSION

USER_AGENT = f"headcount-python/{VERSION}"

#: Seconds of the first pause before a request is sent again, and of the longest one.
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0


class NoAnswer(Exception):
    """There was no answer in time."""


@dataclass(frozen=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    #: The body as JSON; None where it is none.
    body: Any
    #: Seconds to wait before the request is sent again, if the answer says so.
    retry_after: Optional[float]

    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (408, 429) or self.status >= 500

    def explained(self) -> str:
        """The text of a problem (RFC 9457), or the status where the answer is none."""
        body = self.body if isinstance(self.body, dict) else {}
        said = ": ".join(text for text in (body.get("title"), body.get("detail")) if isinstance(text, str))
        return f"HTTP {self.status}, {said}" if said else f"HTTP {self.status}"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without its events."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def send(
    url: str, token: Optional[str], timeout: float, data: Optional[bytes] = None, headers: Mapping[str, str] = {}
) -> Answer:
    """Sends one request; raises `NoAnswer` where there is no answer in time."""
    request = urllib.request.Request(url, data=data, headers={**headers, "User-Agent": USER_AGENT})
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        try:
            with _OPENER.open(request, timeout=timeout) as response:
                return _answer(response.status, response.read(), response.headers.get("Retry-After"))
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.read(), error.headers.get("Retry-After"))
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        origin = urlsplit(url)
        raise NoAnswer(f"no answer from {origin.scheme}://{origin.netloc}: {reason}") from error


def _answer(status: int, body: bytes, retry_after: Optional[str]) -> Answer:
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    return Answer(status, parsed, _seconds(retry_after))


def _seconds(value: Optional[str]) -> Optional[float]:
    """Seconds, or a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    return max((until - datetime.now(timezone.utc)).total_seconds(), 0.0)


def pause(attempt: int, retry_after: Optional[float], deadline: float) -> bool:
    """Waits before the next attempt, longer each time and at least as long as the answer asked for.

    False where the deadline (of `time.monotonic`) comes first.
    """
    longest = min(FIRST_PAUSE * 2 ** min(attempt, 16), LONGEST_PAUSE)
    seconds = max(longest * random.uniform(0.5, 1.0), retry_after or 0.0)
    if time.monotonic() + seconds >= deadline:
        return False
    time.sleep(seconds)
    return True
