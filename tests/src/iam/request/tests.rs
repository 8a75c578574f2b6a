use serde_json::json;

use super::*;

/// Action and resource of each access, without what all ARNs begin with.
fn check(service: &str, line: &str, headers: &[(&str, &str)], body: &str, expected: &[(&str, &str)]) {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (method, uri) = line.split_once(' ').unwrap();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let asked = Asked { service, method, path, query, headers: &headers, body: body.as_bytes() };
    let streams = |iterator: &str| (iterator == "AAA").then(|| "clicks".to_owned());
    let found: Vec<_> = accesses(&asked, &streams).unwrap().into_iter().map(|one| (one.action, one.resource)).collect();
    let ours = format!("{REGION}:{ACCOUNT}:");
    let found: Vec<_> = found.iter().map(|(action, resource)| (action.as_str(), resource.replace(&ours, ""))).collect();
    let found: Vec<_> = found.iter().map(|(action, resource)| (*action, resource.as_str())).collect();
    assert_eq!(found, expected, "{line} {body}");
}

fn target(service: &str, operation: &str, input: Value, expected: &[(&str, &str)]) {
    let target = format!("Any_2012.{operation}");
    check(service, "POST /", &[("x-amz-target", &target)], &input.to_string(), expected);
}

#[test]
fn tables_and_indexes_of_plain_requests() {
    let table = "arn:aws:dynamodb:table/t";
    target("dynamodb", "PutItem", json!({"TableName": "t"}), &[("dynamodb:PutItem", table)]);
    target(
        "dynamodb",
        "Query",
        json!({"TableName": "t", "IndexName": "i"}),
        &[("dynamodb:Query", "arn:aws:dynamodb:table/t/index/i")],
    );
    let arn = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/t");
    target("dynamodb", "GetItem", json!({"TableName": arn}), &[("dynamodb:GetItem", table)]);
    target(
        "dynamodb",
        "BatchWriteItem",
        json!({"RequestItems": {"t": [], "u": []}}),
        &[("dynamodb:BatchWriteItem", table), ("dynamodb:BatchWriteItem", "arn:aws:dynamodb:table/u")],
    );
    let parts = json!([{"Put": {"TableName": "t"}}, {"ConditionCheck": {"TableName": "t"}}]);
    target(
        "dynamodb",
        "TransactWriteItems",
        json!({"TransactItems": parts}),
        &[("dynamodb:PutItem", table), ("dynamodb:ConditionCheckItem", table)],
    );
}

#[test]
fn statements_tell_verb_and_table() {
    for (statement, action, resource) in [
        (r#"INSERT INTO "t" VALUE {'PK': ?}"#, "PartiQLInsert", "t"),
        (r#"SELECT * FROM "t"."i" WHERE PK = ?"#, "PartiQLSelect", "t/index/i"),
        ("select a from t where PK in [?]", "PartiQLSelect", "t"),
        (r#"UPDATE "t" SET a = ?"#, "PartiQLUpdate", "t"),
        (r#"DELETE FROM "t" WHERE PK = ?"#, "PartiQLDelete", "t"),
    ] {
        let expected = [(&*format!("dynamodb:{action}"), &*format!("arn:aws:dynamodb:table/{resource}"))];
        target("dynamodb", "ExecuteStatement", json!({"Statement": statement}), &expected);
        target("dynamodb", "BatchExecuteStatement", json!({"Statements": [{"Statement": statement}]}), &expected);
    }
    assert!(partiql::access("EXPLAIN x").is_err());
}

#[test]
fn streams_are_told_by_name_arn_or_iterator() {
    let stream = "arn:aws:kinesis:stream/clicks";
    target("kinesis", "PutRecords", json!({"StreamName": "clicks"}), &[("kinesis:PutRecords", stream)]);
    let arn = format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/clicks");
    target("kinesis", "ListShards", json!({"StreamARN": arn}), &[("kinesis:ListShards", stream)]);
    target("kinesis", "GetRecords", json!({"ShardIterator": "AAA"}), &[("kinesis:GetRecords", stream)]);
}

#[test]
fn objects_are_told_by_path_or_host_and_operations_by_method_and_query() {
    let plain: &[(&str, &str)] = &[("host", "127.0.0.1:80")];
    let virtual_host: &[(&str, &str)] = &[("host", "b.s3.us-east-1.amazonaws.com")];
    let list = [("s3:ListBucket", "arn:aws:s3:::b")];
    check("s3", "GET /b?list-type=2&prefix=log%2F", plain, "", &list);
    check("s3", "GET /?list-type=2", virtual_host, "", &list);
    check("s3", "HEAD /b", plain, "", &list);
    let object = "arn:aws:s3:::b/a b/c";
    for (line, action) in [
        ("GET /b/a%20b/c", "s3:GetObject"),
        ("HEAD /b/a%20b/c", "s3:GetObject"),
        ("PUT /b/a%20b/c", "s3:PutObject"),
        ("DELETE /b/a%20b/c", "s3:DeleteObject"),
        ("POST /b/a%20b/c?uploads", "s3:PutObject"),
        ("DELETE /b/a%20b/c?uploadId=1", "s3:AbortMultipartUpload"),
    ] {
        check("s3", line, plain, "", &[(action, object)]);
        check("s3", &line.replacen("/b/", "/", 1), virtual_host, "", &[(action, object)]);
    }
    let replace = [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:GetObject", "arn:aws:s3:::b/k")];
    check("s3", "PUT /b/k", &[("if-match", "\"1\"")], "", &replace);
    let body = "<Delete><Object><Key>x</Key></Object><Object><Key>y</Key></Object></Delete>";
    let deleted = [("s3:DeleteObject", "arn:aws:s3:::b/x"), ("s3:DeleteObject", "arn:aws:s3:::b/y")];
    check("s3", "POST /b?delete", plain, body, &deleted);
}

#[test]
fn a_conditional_put_shows_its_condition_to_policies() {
    let headers = BTreeMap::from([("if-none-match".to_owned(), "*".to_owned())]);
    let asked = Asked { service: "s3", method: "PUT", path: "/b/k", query: "", headers: &headers, body: b"" };
    let access = &accesses(&asked, &|_| None).unwrap()[0];
    assert_eq!(access.keys["s3:if-none-match"], ["*"]);
}

#[test]
fn the_other_services() {
    let queue = json!({"QueueUrl": "https://sqs.us-east-1.amazonaws.com/1/q"});
    target("sqs", "SendMessage", queue, &[("sqs:SendMessage", "arn:aws:sqs:q")]);
    let secret = "arn:aws:secretsmanager:secret:s-AbCdEf";
    target("secretsmanager", "GetSecretValue", json!({"SecretId": "s"}), &[("secretsmanager:GetSecretValue", secret)]);
    let logs = json!({"logGroupName": "g", "logStreamName": "s"});
    target("logs", "PutLogEvents", logs, &[("logs:PutLogEvents", "arn:aws:logs:log-group:g:log-stream:s")]);
    check(
        "lambda",
        "GET /2015-03-31/event-source-mappings?EventSourceArn=x",
        &[],
        "",
        &[("lambda:ListEventSourceMappings", "*")],
    );
    let function = "arn:aws:lambda:function:f";
    let configuration = [("lambda:GetFunctionConfiguration", function)];
    check("lambda", "GET /2015-03-31/functions/f/configuration", &[], "", &configuration);
    let by_arn = "GET /2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af/configuration";
    check("lambda", by_arn, &[], "", &configuration);
    let invoke = [("lambda:InvokeFunction", function)];
    check("lambda", "POST /2015-03-31/functions/f/invocations", &[], "{}", &invoke);
    let stack = "arn:aws:cloudformation:stack/s/d0a825a0-e4cd-xmpl-b9fb-061c69e99205";
    check(
        "cloudformation",
        "POST /",
        &[],
        "Action=DescribeStackResources&StackName=s",
        &[("cloudformation:DescribeStackResources", stack)],
    );
}

#[test]
fn what_is_not_understood_is_an_error() {
    let headers = BTreeMap::new();
    for (service, line) in [("ec2", "POST /"), ("s3", "GET /"), ("lambda", "DELETE /2015-03-31/functions/f")] {
        let (method, path) = line.split_once(' ').unwrap();
        let asked = Asked { service, method, path, query: "", headers: &headers, body: b"" };
        assert!(accesses(&asked, &|_| None).is_err(), "{service} {line}");
    }
}
