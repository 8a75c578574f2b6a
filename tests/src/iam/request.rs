//! What a request does, to what: the actions and resources that AWS asks policies about, after the Service Authorization Reference
//! (<https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>).
//!
//! A request that is not understood here is an error: what AWS would ask of it is then not known.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::form_urlencoded;

use super::policy::Access;
use super::{ACCOUNT, REGION};

mod partiql;
mod s3;

/// A request as it came.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The service that it was signed for.
    pub service: &'a str,
    /// `GET` and so on.
    pub method: &'a str,
    /// The path, as it was sent.
    pub path: &'a str,
    /// What follows the question mark, or nothing.
    pub query: &'a str,
    /// Headers by lower-case names.
    pub headers: &'a BTreeMap<String, String>,
    /// The body.
    pub body: &'a [u8],
}

impl Asked<'_> {
    /// A header's value.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The operation of a service that names it in a header, and its input.
    fn operation(&self) -> Result<(&str, Value)> {
        let target = self.header("x-amz-target").context("it names no operation")?;
        let operation = target.rsplit_once('.').map_or(target, |(_, operation)| operation);
        Ok((operation, serde_json::from_slice(self.body).context("its body is no JSON")?))
    }
}

/// All that a request does. `streams` tells the stream that an iterator or a token is of.
///
/// # Errors
/// Where the request is not understood.
pub fn accesses(asked: &Asked<'_>, streams: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Access>> {
    match asked.service {
        "cloudformation" => cloudformation(asked),
        "dynamodb" => dynamodb(asked),
        "kinesis" => kinesis(asked, streams),
        "lambda" => lambda(asked),
        "logs" => logs(asked),
        "s3" => s3::accesses(asked),
        "secretsmanager" => {
            let (operation, input) = asked.operation()?;
            let arn = arn("secretsmanager", &format!("secret:{}-AbCdEf", word(&input, "SecretId")?));
            Ok(vec![Access::new(format!("secretsmanager:{operation}"), arn)])
        }
        // Its protocol is a form: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
        "sns" => {
            let form: BTreeMap<_, _> = form_urlencoded::parse(asked.body).collect();
            let field = |name: &str| form.get(name).with_context(|| format!("it has no {name}"));
            Ok(vec![Access::new(format!("sns:{}", field("Action")?), field("TopicArn")?.clone())])
        }
        "sqs" => {
            let (operation, input) = asked.operation()?;
            let url = word(&input, "QueueUrl")?;
            let name = url.rsplit_once('/').map_or(url, |(_, name)| name);
            Ok(vec![Access::new(format!("sqs:{operation}"), arn("sqs", name))])
        }
        other => bail!("requests to {other} are not understood here"),
    }
}

/// The ARN of something in our account and region.
fn arn(service: &str, rest: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}")
}

fn word<'a>(input: &'a Value, name: &str) -> Result<&'a str> {
    input[name].as_str().with_context(|| format!("it has no {name}"))
}

/// The ARN of a table, or of one of its indexes, which may be named by name or ARN.
fn table(name: &str, index: Option<&str>) -> String {
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    let index = index.map(|index| format!("/index/{index}")).unwrap_or_default();
    arn("dynamodb", &format!("table/{name}{index}"))
}

fn dynamodb(asked: &Asked<'_>) -> Result<Vec<Access>> {
    let (operation, input) = asked.operation()?;
    let action = format!("dynamodb:{operation}");
    Ok(match operation {
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = input["RequestItems"].as_object().context("it names no tables")?;
            tables.keys().map(|name| Access::new(&action, table(name, None))).collect()
        }
        "TransactGetItems" | "TransactWriteItems" => {
            let parts = input["TransactItems"].as_array().context("it has no parts")?.iter();
            let parts = parts.flat_map(|part| part.as_object().into_iter().flatten());
            parts
                .map(|(kind, part)| {
                    let action = match kind.as_str() {
                        "ConditionCheck" => "dynamodb:ConditionCheckItem",
                        "Delete" => "dynamodb:DeleteItem",
                        "Get" => "dynamodb:GetItem",
                        "Put" => "dynamodb:PutItem",
                        "Update" => "dynamodb:UpdateItem",
                        other => bail!("a transaction with {other} is not understood here"),
                    };
                    Ok(Access::new(action, table(word(part, "TableName")?, None)))
                })
                .collect::<Result<_>>()?
        }
        "ExecuteStatement" => vec![partiql::access(word(&input, "Statement")?)?],
        "BatchExecuteStatement" => {
            let statements = input["Statements"].as_array().context("it has no statements")?.iter();
            statements.map(|one| partiql::access(word(one, "Statement")?)).collect::<Result<_>>()?
        }
        "ExecuteTransaction" => {
            let statements = input["TransactStatements"].as_array().context("it has no statements")?.iter();
            statements.map(|one| partiql::access(word(one, "Statement")?)).collect::<Result<_>>()?
        }
        "ListTables" => vec![Access::new(action, "*")],
        _ => vec![Access::new(action, table(word(&input, "TableName")?, input["IndexName"].as_str()))],
    })
}

fn kinesis(asked: &Asked<'_>, streams: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Access>> {
    let (operation, input) = asked.operation()?;
    let action = format!("kinesis:{operation}");
    if operation == "ListStreams" {
        return Ok(vec![Access::new(action, "*")]);
    }
    let named = input["StreamName"].as_str().or_else(|| Some(input["StreamARN"].as_str()?.rsplit_once('/')?.1));
    let remembered = ["ShardIterator", "NextToken"].into_iter().find_map(|name| streams(input[name].as_str()?));
    let stream = named.map(str::to_owned).or(remembered).context("it names no stream")?;
    Ok(vec![Access::new(action, arn("kinesis", &format!("stream/{stream}")))])
}

fn logs(asked: &Asked<'_>) -> Result<Vec<Access>> {
    let (operation, input) = asked.operation()?;
    let (group, stream) = (word(&input, "logGroupName")?, word(&input, "logStreamName")?);
    let resource = arn("logs", &format!("log-group:{group}:log-stream:{stream}"));
    Ok(vec![Access::new(format!("logs:{operation}"), resource)])
}

fn lambda(asked: &Asked<'_>) -> Result<Vec<Access>> {
    let parts: Vec<&str> = asked.path.trim_matches('/').split('/').skip(1).collect();
    let function = |name: &str| {
        let name = percent_decode_str(name).decode_utf8_lossy();
        let name = name.rsplit_once(':').map_or(&*name, |(_, name)| name);
        arn("lambda", &format!("function:{name}"))
    };
    let access = match (asked.method, &parts[..]) {
        ("GET", ["event-source-mappings"]) => Access::new("lambda:ListEventSourceMappings", "*"),
        ("GET", ["functions", name, "configuration"]) => Access::new("lambda:GetFunctionConfiguration", function(name)),
        ("POST", ["functions", name, "invocations"]) => Access::new("lambda:InvokeFunction", function(name)),
        (method, _) => bail!("{method} {} is not understood here", asked.path),
    };
    Ok(vec![access])
}

/// It names operation and stack in a form.
fn cloudformation(asked: &Asked<'_>) -> Result<Vec<Access>> {
    let form: BTreeMap<_, _> = form_urlencoded::parse(asked.body).collect();
    let operation = form.get("Action").context("it names no operation")?;
    let stack = form.get("StackName").context("it names no stack")?;
    let resource = arn("cloudformation", &format!("stack/{stack}/d0a825a0-e4cd-xmpl-b9fb-061c69e99205"));
    Ok(vec![Access::new(format!("cloudformation:{operation}"), resource)])
}

#[cfg(test)]
mod tests;
