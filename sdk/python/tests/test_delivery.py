import asyncio
import logging
import os
import threading
import time
import unittest
import warnings
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

from headcount import AsyncHeadcount, DeliveryError, Headcount, HeadcountError, InvalidEventsError, QueueFullError

from .stub import accepted, event, events, stub, until


@contextmanager
def against(answer, **options):
    """A client, the requests of its collector, and what it told `on_error`."""
    errors = []
    with stub(answer) as server:
        client = Headcount(collector_url=server.url, flush_on_exit=False, on_error=errors.append, **options)
        yield client, server.requests, errors


class Delivery(unittest.TestCase):
    def test_a_request_brings_key_user_agent_and_the_time_of_sending(self):
        with against(accepted, write_key="wk_0123456789abcdef") as (analytics, requests, _):
            receipt = analytics.track_event(
                user_id="ü",
                session_id="s",
                event_type="ai_request",
                event_data={"input_tokens": 3, "other_name": "é"},
                metadata={"user_agent": "x", "ip_address": "203.0.113.9", "platform": "web"},
                timestamp=datetime.fromtimestamp(1_795_500_000, timezone.utc),
            )
            [request] = requests
            self.assertEqual(request.path, "/v1/events")
            self.assertEqual(request.headers["Authorization"], "Bearer wk_0123456789abcdef")
            self.assertRegex(request.headers["User-Agent"], r"^headcount-python/\d")
            [sent] = request.events
            self.assertLess(abs(sent.pop("sentAt") / 1_000 - time.time()), 60)
            self.assertEqual(
                sent,
                {
                    "eventId": receipt.event_id,
                    "userId": "ü",
                    "sessionId": "s",
                    "eventType": "ai_request",
                    "timestamp": 1_795_500_000_000,
                    "eventData": {"inputTokens": 3, "other_name": "é"},
                    "metadata": {"userAgent": "x", "ipAddress": "203.0.113.9", "platform": "web"},
                },
            )

    def test_what_fails_for_a_time_is_sent_again_under_the_same_ids(self):
        answers = [None, (500, {}), (503, {"title": "busy"}), (408, {}), (429, {}, {"Retry-After": "0"})]

        def answer(request, number):
            return answers[number] if number < len(answers) else accepted(request)

        with against(answer) as (analytics, requests, _):
            analytics.track_event_batch(events(3))
            self.assertEqual(len(requests), len(answers) + 1)
            for request in requests:
                self.assertEqual(request.ids, requests[0].ids)

    def test_retry_after_is_honoured_in_seconds_or_as_a_date(self):
        later = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=3), usegmt=True)
        waits = [{"Retry-After": "1"}, {"Retry-After": later}]
        with against(lambda request, n: (429, {}, waits[n]) if n < 2 else accepted(request)) as (analytics, _, _):
            began = time.monotonic()
            analytics.track_event(event())
            self.assertGreaterEqual(time.monotonic() - began, 2)
        away = (503, {"title": "away", "detail": "come back"}, {"Retry-After": "3600"})
        with against(lambda *_: away) as (analytics, requests, _):
            with self.assertRaisesRegex(DeliveryError, "away: come back") as raised:
                analytics.track_event(event())
            self.assertEqual((raised.exception.status, len(requests)), (503, 1))

    def test_of_a_partial_answer_only_what_was_not_accepted_is_sent_again(self):
        def answer(request, number):
            if number > 0:
                return accepted(request)
            ids = [one["eventId"] for one in request.events]
            problems = [{"field": "timestamp", "problem": "lies too early"}, {"field": "userId", "problem": "is odd"}]
            return 400, {
                "title": "invalid events",
                "events": [
                    {"index": 0, "accepted": True, "eventId": ids[0]},
                    {"index": 1, "accepted": False, "problems": problems},
                    {"index": 2, "accepted": False, "eventId": ids[2], "timestamp": request.events[2]["timestamp"]},
                    {"index": 3, "accepted": True, "eventId": ids[3]},
                ],
            }

        with against(answer) as (analytics, requests, _):
            with self.assertRaises(InvalidEventsError) as raised:
                analytics.track_event_batch(events(4))
            [rejected] = raised.exception.rejected
            self.assertEqual((rejected.index, rejected.event_id), (1, requests[0].events[1]["eventId"]))
            self.assertEqual([str(one) for one in rejected.problems], ["timestamp lies too early", "user_id is odd"])
            self.assertEqual(len(raised.exception.accepted), 3)
            self.assertEqual(requests[1].ids, requests[0].ids[2:3])

    def test_what_is_left_when_the_time_is_over_is_told_with_id_and_time(self):
        def answer(request, number):
            if number > 0:
                return 503, {"title": "away"}, {"Retry-After": "3600"}
            results = [{"accepted": n % 2 == 0, "eventId": one["eventId"]} for n, one in enumerate(request.events)]
            return 429, {"title": "too many", "events": results}

        with against(answer) as (analytics, requests, _):
            with self.assertRaisesRegex(DeliveryError, "^2 events were not accepted: HTTP 503, away") as raised:
                analytics.track_event_batch(events(4))
            left = raised.exception.not_accepted
            self.assertEqual([one["event_id"] for one in left], [requests[0].events[n]["eventId"] for n in (1, 3)])
            self.assertEqual([one["user_id"] for one in left], ["u-1", "u-3"])
            self.assertEqual(len(raised.exception.accepted), 2)

    def test_what_was_not_accepted_can_be_given_again(self):
        with against(lambda *_: (503, {}), retry_for=0.01) as (analytics, first, _):
            with self.assertRaises(DeliveryError) as raised:
                analytics.track_event(event())
        with against(accepted) as (analytics, second, _):
            analytics.track_event_batch(raised.exception.not_accepted)
            self.assertEqual(second[0].ids, first[0].ids)

    def test_a_refusal_ends_at_once_and_says_why(self):
        for status, body, pattern in (
            (401, {"title": "no valid write key", "detail": "bring one"}, "HTTP 401, no valid write key: bring one"),
            (302, {}, "HTTP 302"),
            (404, {}, "HTTP 404"),
            (200, {"hello": "world"}, "not the answer of a collector: check collector_url"),
            (202, {"accepted": 1, "events": []}, "not the answer of a collector"),
        ):
            with against(lambda *_: (status, body, {"Location": "/elsewhere"})) as (analytics, requests, _):
                with self.assertRaisesRegex(DeliveryError, pattern) as raised:
                    analytics.track_event(event())
                self.assertEqual((raised.exception.status, len(requests)), (status, 1))

    def test_a_collector_that_is_not_there_is_named(self):
        with stub(accepted) as server:
            pass
        with self.assertRaisesRegex(DeliveryError, f"1 event was not accepted: no answer from {server.url}: .*refused"):
            Headcount(collector_url=server.url, retry_for=0.001).track_event(event())

    def test_large_batches_go_in_several_requests_and_none_is_too_large(self):
        with against(accepted) as (analytics, requests, _):
            large = [event(event_data={"text": "x" * 500_000}) for _ in range(5)]
            self.assertEqual(len(analytics.track_event_batch([*events(2_100), *large])), 2_105)
            self.assertTrue(all(len(one.events) <= 1_000 and len(one.body) <= 1 << 20 for one in requests))
            self.assertEqual(len({one for request in requests for one in request.ids}), 2_105)
            self.assertEqual(analytics.track_event_batch([]), [])

    def test_an_event_that_a_proxy_refuses_holds_up_no_other(self):
        def answer(request, _):
            return (413, {"title": "too large"}) if b"poison" in request.body else accepted(request)

        with against(answer) as (analytics, _, _):
            batch = events(20)
            batch[7] = event(user_id="poison")
            with self.assertRaisesRegex(InvalidEventsError, "refused: HTTP 413, too large") as raised:
                analytics.track_event_batch(batch)
            self.assertEqual([one.index for one in raised.exception.rejected], [7])
            self.assertEqual(len(raised.exception.accepted), 19)


class Queueing(unittest.TestCase):
    def test_queued_events_go_together_at_25_or_after_a_while(self):
        with against(accepted, flush_interval=0.2) as (analytics, requests, _):
            for one in events(25):
                analytics.queue_event(one)
            until(lambda: sum(len(request.events) for request in requests) == 25)
            analytics.queue_event(event(user_id="later"))
            until(lambda: requests[-1].events[-1]["userId"] == "later")

    def test_an_event_is_sent_as_it_was_when_it_was_queued(self):
        with against(accepted) as (analytics, requests, _):
            one = event(event_data={"step": 1})
            analytics.queue_event(one)
            one["event_data"]["step"] = 2
            analytics.flush()
            self.assertEqual(requests[0].events[0]["eventData"], {"step": 1})

    def test_after_a_failure_events_stay_in_order_and_are_sent_later(self):
        is_away = threading.Event()
        is_away.set()

        def answer(request, _):
            return (503, {"title": "away"}) if is_away.is_set() else accepted(request)

        with against(answer, retry_for=0.05) as (analytics, requests, errors):
            for one in events(30):
                analytics.queue_event(one)
            until(lambda: errors)
            self.assertRegex(str(errors[0]), "not accepted: HTTP 503, away")
            with self.assertRaises(DeliveryError):
                analytics.flush()
            is_away.clear()
            analytics.flush()
            self.assertEqual([one["userId"] for one in requests[-1].events], [f"u-{n}" for n in range(30)])

    def test_what_the_collector_rejects_leaves_the_queue_and_is_told(self):
        def answer(request, _):
            problems = [{"field": "timestamp", "problem": "is late"}]
            return 400, {"events": [{"accepted": False, "problems": problems} for _ in request.events]}

        with against(answer, flush_at=2) as (analytics, requests, errors):
            analytics.queue_event(event())
            with self.assertRaisesRegex(InvalidEventsError, "1 event breaks rules: event 0: timestamp is late"):
                analytics.flush()
            for one in events(2):
                analytics.queue_event(one)
            until(lambda: errors)
            self.assertEqual(len(errors[0].rejected), 2)
            analytics.flush()
            self.assertEqual(len(requests), 2)

    def test_an_error_handler_that_raises_does_not_end_the_thread(self):
        def fail(error):
            raise RuntimeError("of the handler")

        answers = iter([(401, {})])
        with stub(lambda request, _: next(answers, None) or accepted(request)) as server:
            analytics = Headcount(collector_url=server.url, flush_interval=0.05, flush_on_exit=False, on_error=fail)
            with self.assertLogs("headcount", logging.ERROR):
                analytics.queue_event(event())
                until(lambda: len(server.requests) == 2)

    def test_the_queue_is_bounded_and_closes(self):
        with against(accepted, max_queue_size=2) as (analytics, requests, _):
            with analytics:
                for one in events(2):
                    analytics.queue_event(one)
                with self.assertRaises(QueueFullError):
                    analytics.queue_event(event())
            self.assertEqual(len(requests[0].events), 2)
            with self.assertRaisesRegex(HeadcountError, "closed"):
                analytics.queue_event(event())

    def test_a_flush_does_not_wait_beyond_its_time(self):
        release = threading.Event()

        def answer(request, _):
            release.wait(60)
            return accepted(request)

        with against(answer, flush_at=1, exit_timeout=0.1) as (analytics, requests, _):
            analytics.queue_event(event())
            until(lambda: requests)
            with self.assertRaisesRegex(DeliveryError, "the time is over"):
                analytics.close()
            release.set()

    @unittest.skipUnless(hasattr(os, "fork"), "only where processes fork")
    def test_a_forked_child_sends_what_it_queues_and_nothing_of_its_parent(self):
        with against(accepted) as (analytics, requests, _):
            analytics.queue_event(event(user_id="parent"))
            with warnings.catch_warnings():
                # Python 3.12 and later warn of threads.
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if child == 0:
                analytics.queue_event(event(user_id="child"))
                analytics.flush()
                os._exit(0)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            analytics.flush()
            users = sorted(one["userId"] for request in requests for one in request.events)
            self.assertEqual(users, ["child", "parent"])


class Asyncio(unittest.TestCase):
    def test_the_calls_are_awaited(self):
        async def run(url):
            async with AsyncHeadcount(collector_url=url, flush_on_exit=False) as analytics:
                await analytics.track_event(event(), user_id="a")
                await analytics.track_event_batch(events(2))
                analytics.queue_event(event(user_id="b"))
                await analytics.flush()
                analytics.queue_event(event(user_id="c"))

        with stub(accepted) as server:
            asyncio.run(run(server.url))
            users = [one["userId"] for request in server.requests for one in request.events]
            self.assertEqual(users, ["a", "u-0", "u-1", "b", "c"])
