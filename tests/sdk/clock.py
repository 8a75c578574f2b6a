"""Sends 100 events by a clock that is three hours ahead, and prints the problems of one that only the collector can refuse."""

import json
from datetime import datetime, timezone
from unittest import mock

from headcount import Headcount, InvalidEventsError, _events


def event(n, **more):
    return {
        "user_id": f"user-{n}",
        "session_id": "s",
        "event_type": "page_view",
        "metadata": {"platform": "web"},
        **more,
    }


def ahead(now=_events.now_ms):
    return now() + 3 * 60 * 60 * 1_000


analytics = Headcount()
with mock.patch("headcount._client.now_ms", ahead), mock.patch("headcount._collector.now_ms", ahead):
    analytics.track_event_batch(event(n) for n in range(99))
    try:
        analytics.track_event_batch([event(99), event(100, timestamp=datetime(2024, 1, 1, tzinfo=timezone.utc))])
    except InvalidEventsError as error:
        [rejected] = error.rejected
        print(json.dumps([len(error.accepted), rejected.index, *map(str, rejected.problems)]))
