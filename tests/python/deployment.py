"""Deploys the template to a stand-in for AWS, and uses what it made, through boto3.

    deployment.py deploy ENDPOINT STACK BINARIES [NAME=VALUE...] < template.yaml
                                                                    prints the stack's outputs and resources; without
                                                                    binaries (-) its functions cannot run
    deployment.py put ENDPOINT STREAM < records                     one a line: {"key": ..., "data": base64}
    deployment.py invoke ENDPOINT FUNCTION [EVENT]                  prints what the function answered
    deployment.py secret ENDPOINT NAME                              prints a secret
    deployment.py ask ENDPOINT URL METHOD [NAME=VALUE...] < body    asks a function URL with these headers
    deployment.py spoil ENDPOINT STACK < changes                    of its mapping and table, as the API names them
    deployment.py resources ENDPOINT STACK                          prints the types of its resources by name
    deployment.py describe ENDPOINT STACK                           prints what became of the stream, tables and mapping
"""

import base64
import http.client
import io
import json
import string
import sys
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import WaiterError

# What the stand-in lacks, and so is left out of the stack there.
LACKING = dict.fromkeys(
    ["IndexThrottles", "RejectedShare", "TableThrottles"], "alarms over an expression of metrics"
)

# The programs of the functions.
PROGRAMS = {
    "Consumer": "headcount-consumer",
    "Aggregator": "headcount-aggregator",
    "Prover": "headcount-aggregator",
    "Api": "headcount-dashboard",
    "Collector": "headcount-collector",
}

# Records that one PutRecords takes.
MOST_RECORDS = 500

# How long a call may take: the aggregator runs inside one.
PATIENCE = Config(read_timeout=170, retries={"total_max_attempts": 1})


def client(service: str, endpoint: str):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=PATIENCE,
    )


def pairs(arguments: tuple[str, ...]) -> dict[str, str]:
    return dict(argument.split("=", 1) for argument in arguments)


def deploy(endpoint: str, stack: str, binaries: str, *parameters: str) -> dict:
    """As `sam deploy` does it: upload the code, expand, create the stack, wait for it."""
    # Here, because it takes a second and only this command needs it.
    import template

    expanded = template.expand(sys.stdin.read())
    for name in LACKING:
        del expanded["Resources"][name]
    for resource in expanded["Resources"].values():
        # The stand-in knows no other way to leave characters out of a secret, and a comma would make two keys of one.
        if resource["Type"] == "AWS::SecretsManager::Secret":
            resource["Properties"]["GenerateSecretString"]["ExcludeCharacters"] = string.punctuation
    s3 = client("s3", endpoint)
    s3.create_bucket(Bucket=template.CODE_BUCKET)
    nothing = zipped(b"#!/bin/sh\n")
    for name, resource in expanded["Resources"].items():
        # What is made only where it was asked for needs its code only then.
        if resource["Type"] == "AWS::Lambda::Function" and (parameters or "Condition" not in resource):
            code = nothing if binaries == "-" else zipped((Path(binaries) / PROGRAMS[name]).read_bytes())
            s3.put_object(Bucket=template.CODE_BUCKET, Key=resource["Properties"]["Code"]["S3Key"], Body=code)
    cloudformation = client("cloudformation", endpoint)
    # As `sam` does it: a template that is handed over in the request has at most 51,200 bytes.
    s3.put_object(Bucket=template.CODE_BUCKET, Key="template.json", Body=json.dumps(expanded).encode())
    cloudformation.create_stack(
        StackName=stack,
        TemplateURL=f"{endpoint}/{template.CODE_BUCKET}/template.json",
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in pairs(parameters).items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    wait = {"Delay": 1, "MaxAttempts": 120}
    try:
        cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=wait)
    except WaiterError:
        events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        reasons = [f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason')}" for one in events]
        sys.exit("the stack was not made:\n" + "\n".join(reasons))
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    return {
        "status": described["StackStatus"],
        "outputs": {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]},
        "left_out": LACKING,
        "resources": {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources},
    }


def zipped(binary: bytes) -> bytes:
    """The binary as Lambda wants it: executable, and named `bootstrap`."""
    entry = zipfile.ZipInfo("bootstrap")
    entry.external_attr = 0o755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compresslevel=1) as archive:
        archive.writestr(entry, binary)
    return target.getvalue()


def put(endpoint: str, stream: str) -> dict:
    """Puts all records in their order; none may be refused."""
    kinesis = client("kinesis", endpoint)
    lines = [json.loads(line) for line in sys.stdin]
    records = [{"PartitionKey": line["key"], "Data": base64.b64decode(line["data"])} for line in lines]
    for at in range(0, len(records), MOST_RECORDS):
        answer = kinesis.put_records(StreamName=stream, Records=records[at : at + MOST_RECORDS])
        assert answer["FailedRecordCount"] == 0, answer
    return {"put": len(records)}


def invoke(endpoint: str, function: str, payload: str = "{}") -> dict:
    answer = client("lambda", endpoint).invoke(FunctionName=function, Payload=payload.encode())
    return {"error": answer.get("FunctionError"), "payload": json.load(answer["Payload"])}


def secret(endpoint: str, name: str) -> str:
    return client("secretsmanager", endpoint).get_secret_value(SecretId=name)["SecretString"]


def ask(endpoint: str, url: str, method: str, *headers: str) -> dict:
    """The stand-in knows a function by the host that it is asked for."""
    asked = urlsplit(url)
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=60)
    connection.request(method, asked.path, sys.stdin.buffer.read(), {"Host": asked.netloc, **pairs(headers)})
    answer = connection.getresponse()
    return {"status": answer.status, "headers": dict(answer.headers.items()), "body": answer.read().decode()}


def spoil(endpoint: str, stack: str) -> dict:
    """Changes what was deployed by hand, as somebody might in the console."""
    of_stack = client("cloudformation", endpoint).describe_stack_resources(StackName=stack)["StackResources"]
    names = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in of_stack}
    changes = json.load(sys.stdin)
    functions = client("lambda", endpoint)
    if mapping := changes.get("mapping"):
        functions.update_event_source_mapping(UUID=names["ConsumerStream"], **mapping)
    for change, name in [("aggregator", "Aggregator"), ("prover", "Prover")]:
        if variables := changes.get(change):
            told = functions.get_function_configuration(FunctionName=names[name])["Environment"]["Variables"]
            environment = {"Variables": told | variables}
            functions.update_function_configuration(FunctionName=names[name], Environment=environment)
    return {}


def resources(endpoint: str, stack: str) -> dict:
    cloudformation = client("cloudformation", endpoint)
    found = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    return {one["LogicalResourceId"]: one["ResourceType"] for one in found if "DELETE" not in one["ResourceStatus"]}


def describe(endpoint: str, stack: str) -> dict:
    of_stack = client("cloudformation", endpoint).describe_stack_resources(StackName=stack)["StackResources"]
    names = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in of_stack}
    dynamodb, functions = client("dynamodb", endpoint), client("lambda", endpoint)
    kinesis, bucket = client("kinesis", endpoint), client("s3", endpoint)
    table = names["EventsTable"]
    log, failures, logs = names["LogBucket"], names["FailureBucket"], client("logs", endpoint)
    groups = logs.describe_log_groups(logGroupNamePrefix=names["ConsumerLogs"])["logGroups"]
    configured = {
        name.lower(): functions.get_function_configuration(FunctionName=names[name])
        for name in PROGRAMS
        if name in names
    }
    return configured | {
        "names": names,
        "stream": kinesis.describe_stream_summary(StreamName=names["EventStream"])["StreamDescriptionSummary"],
        "table": dynamodb.describe_table(TableName=table)["Table"],
        "expiry": dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"],
        "backups": dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"],
        "mapping": functions.get_event_source_mapping(UUID=names["ConsumerStream"]),
        "concurrency": {
            name: functions.get_function_concurrency(FunctionName=configuration["FunctionName"])
            for name, configuration in configured.items()
        },
        "retries": functions.get_function_event_invoke_config(FunctionName=names["Aggregator"], Qualifier="$LATEST"),
        "schedule": client("scheduler", endpoint).get_schedule(Name=names["Schedule"]),
        "proofs": client("scheduler", endpoint).get_schedule(Name=names["ProofSchedule"]),
        "encryption": bucket.get_bucket_encryption(Bucket=failures),
        "private": bucket.get_public_access_block(Bucket=failures),
        "log": {
            "encryption": bucket.get_bucket_encryption(Bucket=log)["ServerSideEncryptionConfiguration"],
            "private": bucket.get_public_access_block(Bucket=log)["PublicAccessBlockConfiguration"],
            "versioning": bucket.get_bucket_versioning(Bucket=log).get("Status"),
            "policy": json.loads(bucket.get_bucket_policy(Bucket=log)["Policy"]),
        },
        "groups": groups,
        "alarms": client("cloudwatch", endpoint).describe_alarms()["MetricAlarms"],
    }


def main() -> None:
    command, *arguments = sys.argv[1:]
    commands = [deploy, put, invoke, secret, ask, spoil, resources, describe]
    answer = {one.__name__: one for one in commands}[command](*arguments)
    json.dump(answer, sys.stdout, default=str)


main()
