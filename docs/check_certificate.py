#!/usr/bin/env python3
"""Repeats the count of a certificate from a copy of the event log, without Headcount.

    python3 check_certificate.py CERTIFICATE FOLDER

FOLDER is a data directory's folder log, or a copy of the bucket: the folder that has log/ in it. Needs Python 3.9 or newer and
the command zstdcat. Recomputes the Merkle root, events by type and hour, names, users, sessions and duplicates; prints each
value that differs. Exit code 0: all are the same; 1: something differs.
"""

import hashlib
import json
import math
import pathlib
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import datetime
from zoneinfo import ZoneInfo

# The kind of name that an event of this type has, and its field in eventData.
NAMES = {
    "feature_use": ("features", "feature"),
    "content_create": ("content", "contentType"),
    "error": ("errors", "errorType"),
}

COUNTED = ("events", "rejected", "duplicates", "without_user", "without_session")


def name(value):
    """The name that counts: 100 bytes at most; what is no text, or empty, is (none)."""
    if not isinstance(value, str) or not value:
        return "(none)"
    return value.encode()[:100].decode(errors="ignore")


def merkle_root(hashes):
    """The tree of RFC 6962 over these SHA-256 hashes."""
    level = [hashlib.sha256(b"\x00" + one).digest() for one in hashes]
    while len(level) > 1:
        pairs = [level[at:at + 2] for at in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\x01" + b"".join(pair)).digest() if len(pair) == 2 else pair[0] for pair in pairs]
    return (level[0] if level else hashlib.sha256().digest()).hex()


def entries(folder, positions):
    """The objects up to the positions, in order of source and number, each with its lines."""
    for source in sorted(positions, key=str.encode):
        for path in sorted((folder / "log" / source).glob("*.ndjson.zst")):
            if int(path.name.split(".")[0]) <= positions[source]:
                text = subprocess.run(["zstdcat", str(path)], check=True, stdout=subprocess.PIPE).stdout
                yield path, [json.loads(line) for line in text.split(b"\n") if line]


def count(folder, certificate):
    zone, date = ZoneInfo(certificate["zone"]), certificate["date"]
    hashes, seen, times = [], set(), defaultdict(set)
    figures, hours, users, sessions = Counter(), [0] * 24, set(), {}
    names = defaultdict(Counter)
    for path, (header, *lines) in entries(folder, certificate["positions"]):
        counts = header["headcount"]["dates"].get(date)
        if counts is None:
            continue
        hashes.append(hashlib.sha256(path.read_bytes()).digest())
        figures.update(duplicates=counts["duplicates"], rejected=counts["rejected"])
        for event in lines:
            if "eventId" not in event:
                continue  # what was rejected
            at_ms = event.get("countedAt", event["timestamp"])
            at = datetime.fromtimestamp(at_ms // 1000, zone)
            if at.date().isoformat() != date:
                continue
            times[event["eventId"]].add(event["timestamp"])
            if (event["eventId"], event["timestamp"]) in seen:
                figures["duplicates"] += 1
                continue
            seen.add((event["eventId"], event["timestamp"]))
            user, data = event["userId"], event.get("eventData", {})
            figures["events"] += 1
            hours[at.hour] += 1
            names["by_type"][event["eventType"]] += 1
            names["platforms"][name(event["metadata"].get("platform"))] += 1
            if event["eventType"] in NAMES:
                kind, field = NAMES[event["eventType"]]
                names[kind][name(data.get(field))] += 1
            if user.startswith("anonymous:"):
                figures["without_user"] += 1
            elif event["eventType"] != "identify":
                users.add(user)
            # Who becomes known is not active by that, and in no session.
            session = event.get("sessionId") if event["eventType"] != "identify" else None
            if session is None:
                figures["without_session"] += 1
            else:
                first, last = sessions.get((session, user), (at_ms, at_ms))
                sessions[session, user] = min(first, at_ms), max(last, at_ms)
    durations = sorted(last - first for first, last in sessions.values())
    rank = lambda percent: durations[max(math.ceil(len(durations) * percent / 100), 1) - 1] if durations else 0
    found = {"entries": len(hashes), "merkleRoot": merkle_root(hashes)}
    found.update({f"figures.counters.{one}": figures[one] for one in COUNTED})
    found["figures.counters.by_hour"] = hours
    for kind in ("by_type", "platforms", "features", "content", "errors"):
        # The 250 most used names are listed one by one, all others together as (other).
        listed = certificate["figures"]["counters"][kind]
        others = sum(number for one, number in names[kind].items() if one not in listed)
        found[f"figures.counters.{kind}"] = {one: names[kind][one] for one in listed if one != "(other)"}
        if others:
            found[f"figures.counters.{kind}"]["(other)"] = others
    found["figures.users"] = len(users)
    found["figures.sessions"] = {
        "count": len(durations), "totalMs": sum(durations), "p50Ms": rank(50), "p95Ms": rank(95),
    }
    found["figures.idsWithSeveralTimes"] = sum(len(several) > 1 for several in times.values())
    return found


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    certificate = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    differences = 0
    for field, counted in count(pathlib.Path(sys.argv[2]), certificate).items():
        certified = certificate
        for part in field.split("."):
            certified = certified[part]
        if certified != counted:
            differences += 1
            print(f"{field}: certified {certified}, counted {counted}")
    print(f"{certificate['date']}: " + (f"{differences} values differ" if differences else "confirmed"))
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
