"""What every script sends: a thousand things by forty users. The same is in truth.cjs, and what comes of it in clients.rs."""

import os
from datetime import datetime, timedelta, timezone

import time_machine

EVENTS = 1000
KINDS = {0: "page", 1: "identify", 2: "signup", 3: "model"}

# A clock that is wrong by so many milliseconds, for all that is imported later.
SKEW = timedelta(milliseconds=int(os.environ.get("SKEW_MS", "0")))
if SKEW:
    time_machine.travel(datetime.now(timezone.utc) + SKEW, tick=True).start()


def all():
    for n in range(EVENTS):
        yield n, KINDS.get(n % 10, "feature"), f"user-{n % 40}", f"feature {n % 7}"
