"""Sends the truth through posthog."""

import sys

from truth import all

from posthog import Posthog

host, key = sys.argv[1:3]
posthog = Posthog(
    key, host=host, gzip=True, flush_at=25, flush_interval=0.05, max_retries=20,
    on_error=lambda error, items: print(error, len(items), file=sys.stderr),
)

for n, kind, user, feature in all():
    if kind == "page":
        posthog.capture("$pageview", distinct_id=user, properties={"$current_url": f"http://x/{n}"})
    elif kind == "identify":
        posthog.capture("$identify", distinct_id=user, properties={"$set": {"email": f"{user}@example.com"}})
    elif kind == "signup":
        posthog.capture("signup", distinct_id=user)
    elif kind == "model":
        said = {"$ai_model": "m", "$ai_input_tokens": 10, "$ai_output_tokens": 5, "$ai_input": "not to be kept"}
        posthog.capture("$ai_generation", distinct_id=user, properties=said)
    else:
        posthog.capture(feature, distinct_id=user, properties={"n": n})
posthog.set(distinct_id="user-0", properties={"plan": "pro"})
posthog.alias("before", "user-0")
posthog.flush(timeout_seconds=None)
posthog.shutdown()
