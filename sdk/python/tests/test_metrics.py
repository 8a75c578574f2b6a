import unittest
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone

from headcount import ApiError, Headcount, HeadcountError

from .stub import stub

FEATURES = {
    "from": "2024-01-01",
    "to": "2024-01-02",
    "total": 3,
    "namesApproximate": False,
    "content": [],
    "features": [{"name": "search", "count": 3, "share": 1.0}],
    "later": "ignored",
    "days": [{"date": "2024-01-01", "state": "stored", "features": {"search": 3}, "content": {}}],
}


@contextmanager
def against(answer):
    with stub(answer) as server:
        yield Headcount(api_url=server.url + "/", read_token="a-read-token", retry_for=2), server.requests


class Metrics(unittest.TestCase):
    def test_a_question_names_its_days_and_brings_the_token(self):
        with against(lambda *_: (200, FEATURES)) as (analytics, requests):
            usage = analytics.get_feature_usage(date(2024, 1, 1), "2024-01-31")
            self.assertEqual(
                (usage.from_date, usage.features[0].name, usage.days[0].features),
                (date(2024, 1, 1), "search", {"search": 3}),
            )
            analytics.get_feature_usage(datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))))
            paths = [request.path for request in requests]
            self.assertEqual(paths, ["/api/features?from=2024-01-01&to=2024-01-31", "/api/features?from=2023-12-31"])
            self.assertEqual(requests[0].headers["Authorization"], "Bearer a-read-token")

    def test_what_is_refused_is_told_with_parameter_and_rule(self):
        problem = {
            "title": "Bad Request",
            "detail": "the parameter from is too early",
            "parameter": "from",
            "rule": "is too early",
        }
        with against(lambda *_: (400, problem)) as (analytics, _):
            with self.assertRaisesRegex(ApiError, "the parameter from is too early") as raised:
                analytics.get_feature_usage("2020-01-01")
            error = raised.exception
            self.assertEqual((error.status, error.parameter, error.rule), (400, "from", "is too early"))
            for bad in ("yesterday", 7):
                with self.assertRaises(HeadcountError):
                    analytics.get_feature_usage(bad)

    def test_an_answer_of_something_else_is_no_figure(self):
        for answer in ("a page", {"from": "2024-01-01"}, {**FEATURES, "days": 7}):
            with against(lambda *_: (200, answer)) as (analytics, _):
                with self.assertRaises(ApiError):
                    analytics.get_feature_usage("2024-01-01")

    def test_a_server_that_is_busy_is_asked_again(self):
        with against(lambda _, n: (503, {}, {"Retry-After": "0"}) if n < 2 else (200, FEATURES)) as (
            analytics,
            requests,
        ):
            self.assertEqual(analytics.get_feature_usage("2024-01-01").total, 3)
            self.assertEqual(len(requests), 3)
