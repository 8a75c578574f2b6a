"""Sends 1,200 events in each of the ways that there are. The last ones are still queued when the process ends."""

from concurrent.futures import ThreadPoolExecutor

from headcount import Headcount

analytics = Headcount()


def event(n):
    return {
        "user_id": f"user-{n % 50}",
        "session_id": f"session-{n % 50}",
        "event_type": "feature_use",
        "event_data": {"feature": f"f{n % 5}", "n": n},
        "metadata": {"user_agent": "Load/1", "ip_address": "203.0.113.9", "platform": "web"},
    }


with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda n: analytics.track_event(event(n)), range(400)))
for start in range(400, 800, 40):
    analytics.track_event_batch(event(n) for n in range(start, start + 40))
for n in range(800, 1_180):
    analytics.queue_event(event(n))
analytics.flush()
for n in range(1_180, 1_200):
    analytics.queue_event(event(n))
