"""Puts records by boto3: one a line of standard input, {"partition_key": ..., "data": base64}. Prints one line each."""

import base64
import json
import sys

import boto3


def main() -> None:
    endpoint, stream = sys.argv[1:]
    client = boto3.client(
        "kinesis",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    for line in sys.stdin:
        record = json.loads(line)
        answer = client.put_record(
            StreamName=stream,
            PartitionKey=record["partition_key"],
            Data=base64.b64decode(record["data"]),
        )
        print(answer["ShardId"], answer["SequenceNumber"])


main()
