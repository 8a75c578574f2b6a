"""Puts records of the Kinesis aggregation library and of the aws command.

Arguments: endpoint, stream, how (`aggregated` by boto3, or `aws` for the command). One record's data a line of standard
input, as base64. Prints how many records were put.
"""

import base64
import pathlib
import subprocess
import sys
import tempfile

import boto3
from aws_kinesis_agg.aggregator import RecordAggregator

REGION = "us-east-1"


def put_aggregated(endpoint: str, stream: str, records: list[bytes]) -> int:
    client = boto3.client(
        "kinesis",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    aggregator = RecordAggregator()
    for number, data in enumerate(records):
        aggregator.add_user_record(f"key-{number % 3}", data, str(2**127 + number) if number % 2 else None)
    partition_key, hash_key, data = aggregator.clear_and_get().get_contents()
    placed = {"ExplicitHashKey": hash_key} if hash_key else {}
    client.put_record(StreamName=stream, PartitionKey=partition_key, Data=data, **placed)
    return 1


def put_by_command(endpoint: str, stream: str, records: list[bytes]) -> int:
    aws = pathlib.Path(sys.executable).parent / "aws"
    common = ["--endpoint-url", endpoint, "--region", REGION, "--output", "text"]
    environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(records):
            path = pathlib.Path(folder, str(number))
            path.write_bytes(data)
            put = ["kinesis", "put-record", "--stream-name", stream, "--partition-key", f"key-{number}"]
            command = [aws, *common, *put, "--data", f"fileb://{path}"]
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return len(records)


def main() -> None:
    endpoint, stream, how = sys.argv[1:]
    records = [base64.b64decode(line) for line in sys.stdin]
    put = {"aggregated": put_aggregated, "aws": put_by_command}[how]
    print(put(endpoint, stream, records))


main()
