"""Overwrites one part of a stored partial by boto3: endpoint, table, date, part. Prints the source and what was there.

Of the date's partials the one that counted most is taken: the part's last byte is turned over.
"""

import sys

import boto3
from boto3.dynamodb.conditions import Key
from boto3.dynamodb.types import Binary


def main() -> None:
    endpoint, table, date, part = sys.argv[1:]
    service = boto3.resource(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    rows = service.Table(table)
    partials = rows.query(KeyConditionExpression=Key("PK").eq(f"SKETCH#{date}"), ConsistentRead=True)["Items"]
    partial = max(partials, key=lambda item: len(item["Users"].value))
    before = bytes(partial[part].value)
    after = before[:-1] + bytes([before[-1] ^ 0xFF])
    rows.update_item(
        Key={"PK": partial["PK"], "SK": partial["SK"]},
        UpdateExpression="SET #part = :bytes",
        ExpressionAttributeNames={"#part": part},
        ExpressionAttributeValues={":bytes": Binary(after)},
    )
    print(partial["SK"].removeprefix("SOURCE#"))


main()
