"""Sends events by async-kinesis. Arguments: endpoint, stream, a file of events, one a line.

Prints {"events", "seconds", "cpuSeconds", "bytes"} as JSON; bytes are those of the records' data and partition keys.
"""

import asyncio
import json
import os
import sys
import time

from kinesis import Producer

os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")


async def main() -> None:
    endpoint, stream, path = sys.argv[1:]
    with open(path) as lines:
        events = [json.loads(line) for line in lines]
    sent = 0

    def count(params, **_):
        nonlocal sent
        sent += sum(len(record["Data"]) + len(record["PartitionKey"]) for record in params["Records"])

    async with Producer(
        stream,
        endpoint_url=endpoint,
        region_name="us-east-1",
        put_rate_limit_per_shard=10**9,
        put_bandwidth_limit_per_shard=10**9,
    ) as producer:
        producer.client.meta.events.register("provide-client-params.kinesis.PutRecords", count)
        began, cpu = time.perf_counter(), time.process_time()
        for event in events:
            await producer.put(event)
        await producer.flush()
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps({"events": len(events), "seconds": seconds, "cpuSeconds": cpu, "bytes": sent}))


asyncio.run(main())
