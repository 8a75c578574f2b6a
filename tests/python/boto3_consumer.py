"""The obvious consumer: decodes, parses and writes what an event source mapping delivers, by boto3's batch_writer.

Arguments: endpoint, table, a file with the JSON of an invocation, seconds of processor time to measure.

Prints {"events", "cpuSeconds"} as JSON. It neither validates nor deduplicates nor counts.
"""

import base64
import json
import sys
import time
from datetime import datetime, timezone
from decimal import Decimal

import boto3

endpoint, table_name, path, seconds = sys.argv[1:]
table = boto3.resource(
    "dynamodb",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
).Table(table_name)


def item(record, now):
    event = json.loads(base64.b64decode(record["kinesis"]["data"]), parse_float=Decimal)
    date = datetime.fromtimestamp(event["timestamp"] / 1000, timezone.utc).date()
    return {
        "PK": f"ANALYTICS#{date}",
        "SK": f"EVENT#{event['timestamp']}#{event['eventId']}",
        "EntityType": "AnalyticsEvent",
        "Data": event,
        "GSI1PK": f"USER#{event['userId']}",
        "GSI1SK": f"EVENT#{event['timestamp']}",
        "TTL": now // 1000 + 90 * 86400,
        "CreatedAt": now,
        "UpdatedAt": now,
        "Origin": f"{record['eventID']}#0",
    }


def handler(invocation):
    now = int(time.time() * 1000)
    with table.batch_writer() as batch:
        for record in invocation["Records"]:
            batch.put_item(Item=item(record, now))
    return len(invocation["Records"])


with open(path) as file:
    text = file.read()
handler(json.loads(text))
events, began = 0, time.process_time()
while time.process_time() - began < float(seconds):
    events += handler(json.loads(text))
print(json.dumps({"events": events, "cpuSeconds": time.process_time() - began}))
