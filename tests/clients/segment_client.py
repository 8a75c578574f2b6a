"""Sends the truth through segment-analytics-python."""

import sys

from truth import all

from segment.analytics.client import Client

host, key = sys.argv[1:3]
analytics = Client(
    key, host=host, gzip=True, upload_size=25, upload_interval=0.05, max_retries=20,
    on_error=lambda error, items: print(error, len(items), file=sys.stderr),
)

for n, kind, user, feature in all():
    if kind == "page":
        analytics.page(user, name="Home", properties={"path": f"/{n}"})
    elif kind == "identify":
        analytics.identify(user, {"email": f"{user}@example.com"})
    elif kind == "signup":
        analytics.track(user, "signup")
    elif kind == "model":
        analytics.track(user, "ai_request", {"model": "m", "inputTokens": 10, "outputTokens": 5})
    else:
        analytics.track(user, feature, {"n": n})
analytics.group("user-0", "account-1")
analytics.alias("before", "user-0")
analytics.flush()
analytics.shutdown()
