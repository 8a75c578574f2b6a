import unittest
import uuid
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from headcount import Headcount, HeadcountError, InvalidEventsError

from .stub import event


class Events(unittest.TestCase):
    def setUp(self):
        options = {"flush_at": 10**6, "max_queue_size": 10**6, "flush_interval": 10**6, "flush_on_exit": False}
        self.analytics = Headcount(collector_url="http://127.0.0.1:9", event_types=["signup"], **options)

    def check(self, fields, *expected):
        try:
            self.analytics.queue_event(event(**fields))
            found = []
        except InvalidEventsError as error:
            found = [str(problem) for problem in error.rejected[0].problems]
        self.assertEqual(len(found), len(expected), (fields, found))
        for one, begin in zip(found, expected):
            self.assertTrue(one.startswith(begin), (one, begin))

    def test_every_problem_is_named_at_once(self):
        bad = {
            "session_id": 7,
            "event_type": "shopping",
            "timestamp": 1_795_500_000,
            "event_data": "x",
            "metadata": {"ip_address": ""},
            "userid": "u",
        }
        with self.assertRaises(InvalidEventsError) as raised:
            self.analytics.track_event_batch([event(), bad])
        [rejected] = raised.exception.rejected
        self.assertEqual(rejected.index, 1)
        fields = [problem.field for problem in rejected.problems]
        expected = [
            "user_id",
            "session_id",
            "event_type",
            "timestamp",
            "event_data",
            "metadata.ip_address",
            "metadata.platform",
            "userid",
        ]
        self.assertEqual(fields, expected)
        for field in fields:
            self.assertIn(field, str(raised.exception))

    def test_ids(self):
        self.check({"user_id": "  u  ", "session_id": "\ufeffs\u200b"})
        self.check({"user_id": ""}, "user_id must not be empty")
        self.check({"user_id": "\u200b "}, "user_id must not be empty")
        self.check({"user_id": 42}, "user_id must be a string")
        self.check({"user_id": "é" * 129}, "user_id has 258 bytes: at most 256 are allowed")
        self.check({"user_id": "a\0b"}, "user_id must not hold control characters")
        self.check({"user_id": None}, "user_id is required, or an anonymous_id")
        self.check({"user_id": "", "anonymous_id": "a"})
        self.check({"user_id": None, "anonymous_id": "a" * 247}, "anonymous_id has 247 bytes")
        self.check({"session_id": None})
        self.check({"session_id": " "}, "session_id must not be empty")
        self.check({"event_id": "e" * 129, "timestamp": datetime.now(timezone.utc)}, "event_id has 129 bytes")
        self.check({"event_id": uuid.uuid4(), "timestamp": datetime.now(timezone.utc)})
        self.check({"account_id": "acme"})
        self.check({"account_id": " "})
        self.check({"account_id": 7}, "account_id must be a string")
        self.check({"event_type": "signup"})
        self.check(
            {"event_type": "sign_up"},
            "event_type must be one of page_view, feature_use, content_create, ai_request, error, identify, signup",
        )

    def test_times(self):
        now = datetime.now(timezone.utc)
        for good in (
            now,
            now.isoformat(),
            now.timestamp() * 1_000,
            "2026-03-01 12:00:00+01",
            "2026-03-01T12:00:00.5-0330",
        ):
            self.check({"timestamp": good})
        self.check({"timestamp": 1_795_500_000}, "timestamp is in seconds")
        self.check({"timestamp": 1_795_500_000_000_000}, "timestamp is in microseconds")
        self.check({"timestamp": 7}, "timestamp must be a time from the year 2000")
        self.check({"timestamp": float("nan")}, "timestamp must be a time from the year 2000")
        self.check({"timestamp": datetime(2026, 3, 1)}, "timestamp names no time zone")
        self.check({"timestamp": "1795500000000"}, "timestamp is a number in quotes")
        self.check({"timestamp": "2026-03-01T12:00:00"}, "timestamp names no time zone")
        self.check({"timestamp": "2026-03-01"}, "timestamp is a date without a time of day")
        self.check({"timestamp": date(2026, 3, 1)}, "timestamp must be milliseconds")
        self.check({"timestamp": True}, "timestamp must be milliseconds")
        self.check({"event_id": "order-1"}, "timestamp is required beside an event_id that is no UUIDv7")

    def test_data_that_is_counted(self):
        self.check({"event_data": None})
        self.check({"event_data": [1]}, "event_data must be a mapping")
        for event_type, name in (
            ("feature_use", "feature"),
            ("content_create", "content_type"),
            ("ai_request", "model"),
            ("error", "error_type"),
        ):
            self.check({"event_type": event_type, "event_data": {name: "x"}})
            self.check({"event_type": event_type, "event_data": {name: " \a"}}, f"event_data.{name} must not be empty")
            self.check({"event_type": event_type, "event_data": {name: 1}}, f"event_data.{name} must be a string")
            self.check({"event_type": "page_view", "event_data": {name: 1}})
        asked = {"input_tokens": 0, "outputTokens": 10**9, "cost": Decimal("0.5")}
        self.check({"event_type": "ai_request", "event_data": asked})
        asked = {"tokens": -1, "input_tokens": 1.5, "output_tokens": "1", "cachedTokens": True, "cost": -1}
        self.check(
            {"event_type": "ai_request", "event_data": asked},
            "event_data.tokens must be a whole number",
            "event_data.input_tokens",
            "event_data.output_tokens",
            "event_data.cached_tokens",
            "event_data.cost must be US dollars",
        )
        asked = {"tokens": float("nan"), "cost": float("inf")}
        self.check({"event_type": "ai_request", "event_data": asked}, "event_data.tokens", "event_data.cost")
        self.check({"event_data": {"error_type": "a", "errorType": "b"}}, "event_data.error_type is given twice")

    def test_metadata(self):
        self.check({"metadata": None}, "metadata.platform is required")
        self.check({"metadata": "web"}, "metadata must be a mapping")
        self.check({"metadata": {"platform": "web", "userAgent": None, "ip_address": None, "tenant": 7}})
        self.check(
            {"metadata": {"platform": " ", "user_agent": 1, "ipAddress": " "}},
            "metadata.user_agent must be a string",
            "metadata.ip_address must not be empty",
            "metadata.platform must not be empty",
        )

    def test_what_is_no_event_or_no_json(self):
        for nothing in (7, "x", []):
            with self.assertRaisesRegex(InvalidEventsError, "must be a mapping of fields"):
                self.analytics.queue_event(nothing)
        ring = {}
        ring["ring"] = ring
        for bad in (ring, {"x": object()}, {"x": float("nan")}, {(1, 2): 3}):
            self.check({"event_data": bad}, "the event cannot be written as JSON")
        self.check({"event_data": {"text": "x" * (1 << 20)}}, "the event has 10")
        good = {
            "when": datetime.now(),
            "day": date.today(),
            "id": uuid.uuid4(),
            "half": "\ud83d",
            "price": Decimal("1.5"),
        }
        self.check({"event_data": good})

    def test_an_id_and_a_time_are_made_once_and_kept_where_they_are_given(self):
        made = self.analytics.queue_event(event())
        parsed = uuid.UUID(made.event_id)
        self.assertEqual((parsed.version, parsed.variant, parsed.int >> 80), (7, uuid.RFC_4122, made.timestamp))
        self.assertNotEqual(self.analytics.queue_event(event()).event_id, made.event_id)
        self.assertEqual(self.analytics.queue_event(event(event_id=made.event_id)), made)
        zone = timezone(timedelta(hours=2))
        given = self.analytics.queue_event(event(), event_id="order-1", timestamp=datetime(2026, 3, 1, 2, tzinfo=zone))
        self.assertEqual((given.event_id, given.timestamp), ("order-1", 1_772_323_200_000))

    def test_options_that_cannot_be_used_are_named(self):
        with self.assertRaisesRegex(HeadcountError, "collector_url must be an http or https URL"):
            Headcount(collector_url="localhost:8700")
        with self.assertRaisesRegex(HeadcountError, "flush_at must be above 0"):
            Headcount(flush_at=0)
