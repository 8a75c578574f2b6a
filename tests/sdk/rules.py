"""Prints the fields whose rules each event breaks, by their names on the wire: one event a line of the standard input."""

import json
import sys

from headcount import Headcount, InvalidEventsError
from headcount._events import DATA_FIELDS, FIELDS, METADATA_FIELDS

PYTHON_NAMES = {wire: name for name, wire in FIELDS.items()}
WIRE_NAMES = {**FIELDS, **DATA_FIELDS, **METADATA_FIELDS}

analytics = Headcount(flush_at=10**6, max_queue_size=10**6, flush_interval=10**6, flush_on_exit=False)
for line in sys.stdin:
    event = {PYTHON_NAMES[name]: value for name, value in json.loads(line).items()}
    fields = []
    try:
        analytics.queue_event(event)
    except InvalidEventsError as error:
        fields = [problem.field for problem in error.rejected[0].problems]
    print(json.dumps([".".join(WIRE_NAMES.get(part, part) for part in field.split(".")) for field in fields]))
