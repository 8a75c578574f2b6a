//! An expanded template with all references resolved, as `CloudFormation` would once everything is made.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use super::policy::Policy;
use super::{ACCOUNT, REGION};

/// The name of a bucket that the template leaves to `CloudFormation`: the one that AWS's documents use.
pub const BUCKET: &str = "amzn-s3-demo-bucket";

/// The bucket of the event log, as the documents call it.
pub const LOG_BUCKET: &str = "amzn-s3-demo-log-bucket";

/// A template whose parameters are decided.
#[derive(Clone, Debug)]
pub struct Template {
    template: Value,
    parameters: BTreeMap<String, Value>,
}

impl Template {
    /// Plain `CloudFormation`, with these parameters in the place of their defaults.
    ///
    /// # Errors
    /// Where a parameter does not exist.
    pub fn new(template: Value, parameters: &[(&str, &str)]) -> Result<Self> {
        let known = template["Parameters"].as_object().context("a template has parameters")?;
        let mut decided: BTreeMap<_, _> =
            known.iter().map(|(name, parameter)| (name.clone(), parameter["Default"].clone())).collect();
        for (name, value) in parameters {
            *decided.get_mut(*name).with_context(|| format!("there is no parameter {name}"))? = (*value).into();
        }
        Ok(Self { template, parameters: decided })
    }

    /// Names and properties of the resources of a type that are made, resolved.
    ///
    /// # Errors
    /// Where something cannot be resolved.
    pub fn all(&self, kind: &str) -> Result<Vec<(&str, Value)>> {
        let resources = self.template["Resources"].as_object().into_iter().flatten();
        let mut found = Vec::new();
        for (name, resource) in resources.filter(|(_, resource)| resource["Type"] == kind) {
            if self.is_made(resource)? {
                let properties = self.value(&resource["Properties"]).with_context(|| format!("of {name}"))?;
                found.push((name.as_str(), properties.unwrap_or_default()));
            }
        }
        Ok(found)
    }

    /// The policies of every role, by the role's name in the template.
    ///
    /// # Errors
    /// Where a policy has something that is not understood here.
    pub fn roles(&self) -> Result<BTreeMap<String, Policy>> {
        let mut roles = BTreeMap::new();
        for (name, role) in self.all("AWS::IAM::Role")? {
            let mut policy = Policy::default();
            for inline in role["Policies"].as_array().into_iter().flatten() {
                policy = policy.and(Policy::read(&inline["PolicyDocument"]).with_context(|| format!("of {name}"))?);
            }
            roles.insert(name.to_owned(), policy);
        }
        Ok(roles)
    }

    /// What buckets and queues themselves say of whoever comes.
    ///
    /// # Errors
    /// Where a policy has something that is not understood here.
    pub fn of_resources(&self) -> Result<Policy> {
        let mut policy = Policy::default();
        for kind in ["AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"] {
            for (name, properties) in self.all(kind)? {
                policy = policy.and(Policy::read(&properties["PolicyDocument"]).with_context(|| format!("of {name}"))?);
            }
        }
        Ok(policy)
    }

    /// The variables of a function.
    ///
    /// # Errors
    /// Where there is no such function, or something cannot be resolved.
    pub fn variables(&self, function: &str) -> Result<Vec<(String, String)>> {
        let functions = self.all("AWS::Lambda::Function")?;
        let (_, properties) =
            functions.iter().find(|(name, _)| *name == function).with_context(|| format!("no function {function}"))?;
        let variables = properties["Environment"]["Variables"].as_object().context("it has no variables")?;
        Ok(variables.iter().map(|(name, value)| (name.clone(), text(value))).collect())
    }

    /// What a `Ref` to a resource or parameter comes to, as text.
    ///
    /// # Errors
    /// Where there is no such thing.
    pub fn reference(&self, name: &str) -> Result<String> {
        Ok(text(&self.referred(name)?.with_context(|| format!("{name} is left out"))?))
    }

    fn is_made(&self, resource: &Value) -> Result<bool> {
        resource["Condition"].as_str().map_or(Ok(true), |name| self.holds(&self.template["Conditions"][name]))
    }

    fn holds(&self, condition: &Value) -> Result<bool> {
        let (function, argument) = only(condition).with_context(|| format!("the condition {condition}"))?;
        let all = || argument.as_array().context("a condition without a list");
        Ok(match function {
            "Fn::Equals" => {
                let [left, right] = &all()?[..] else { bail!("{condition} does not compare two") };
                self.value(left)?.map(|value| text(&value)) == self.value(right)?.map(|value| text(&value))
            }
            "Fn::Not" => !self.holds(&all()?[0])?,
            "Fn::And" => all()?.iter().map(|one| self.holds(one)).collect::<Result<Vec<_>>>()?.iter().all(|is| *is),
            "Fn::Or" => all()?.iter().map(|one| self.holds(one)).collect::<Result<Vec<_>>>()?.iter().any(|is| *is),
            "Condition" => self.holds(&self.template["Conditions"][argument.as_str().unwrap_or_default()])?,
            other => bail!("{other} is not understood here"),
        })
    }

    /// A value with all in it resolved; `None` for what is left out.
    fn value(&self, value: &Value) -> Result<Option<Value>> {
        match value {
            Value::Object(parts) => {
                if let Some((function, argument)) = only(value).filter(|(name, _)| is_function(name)) {
                    return self.call(function, argument).with_context(|| format!("in {value}"));
                }
                let mut resolved = Map::new();
                for (name, part) in parts {
                    if let Some(part) = self.value(part)? {
                        resolved.insert(name.clone(), part);
                    }
                }
                Ok(Some(resolved.into()))
            }
            Value::Array(all) => {
                let all = all.iter().filter_map(|one| self.value(one).transpose()).collect::<Result<Vec<_>>>()?;
                Ok(Some(all.into()))
            }
            plain => Ok(Some(plain.clone())),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Result<Option<Value>> {
        let list = || argument.as_array().context("it has no list");
        match function {
            "Ref" => self.referred(argument.as_str().context("a reference to no name")?),
            "Fn::GetAtt" => {
                let [resource, attribute] = &list()?[..] else { bail!("it names no attribute") };
                Ok(Some(self.attribute(&text(resource), &text(attribute))?.into()))
            }
            "Fn::Sub" => {
                let template = argument.as_str().context("only a plain text is understood here")?;
                Ok(Some(self.substituted(template)?.into()))
            }
            "Fn::If" => {
                let [condition, then, otherwise] = &list()?[..] else { bail!("it has not two ways") };
                let condition = &self.template["Conditions"][text(condition)];
                self.value(if self.holds(condition)? { then } else { otherwise })
            }
            "Fn::FindInMap" => {
                let [map, first, second] = &list()?[..] else { bail!("it has not two keys") };
                let key = |value: &Value| Ok::<_, anyhow::Error>(text(&self.value(value)?.unwrap_or_default()));
                Ok(Some(self.template["Mappings"][text(map)][key(first)?][key(second)?].clone()))
            }
            other => bail!("{other} is not understood here"),
        }
    }

    /// The text with each `${...}` replaced.
    fn substituted(&self, template: &str) -> Result<String> {
        let mut parts = template.split("${");
        let mut said = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').context("a brace is not closed")?;
            match name.split_once('.') {
                Some((resource, attribute)) => said.push_str(&self.attribute(resource, attribute)?),
                None => said.push_str(&self.reference(name)?),
            }
            said.push_str(rest);
        }
        Ok(said)
    }

    fn referred(&self, name: &str) -> Result<Option<Value>> {
        Ok(Some(match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::Region" => REGION.into(),
            "AWS::AccountId" => ACCOUNT.into(),
            "AWS::Partition" => "aws".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            "AWS::StackName" => self.parameters["ProjectName"].clone(),
            _ => match self.parameters.get(name) {
                Some(value) => value.clone(),
                None => self.identity(name)?.into(),
            },
        }))
    }

    /// What `Ref` says of a resource.
    fn identity(&self, resource: &str) -> Result<String> {
        Ok(match self.kind(resource)? {
            "AWS::SQS::Queue" => format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{}", self.name(resource)?),
            "AWS::SNS::Topic" | "AWS::SecretsManager::Secret" => self.attribute(resource, "Arn")?,
            _ => self.name(resource)?,
        })
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Result<String> {
        let (kind, name) = (self.kind(resource)?, self.name(resource)?);
        if attribute == "QueueName" {
            return Ok(name);
        }
        if attribute != "Arn" {
            bail!("{resource}.{attribute} is not understood here");
        }
        let arn = |service: &str, rest: String| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}");
        Ok(match kind {
            "AWS::DynamoDB::Table" => arn("dynamodb", format!("table/{name}")),
            "AWS::IAM::Role" => format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
            "AWS::Kinesis::Stream" => arn("kinesis", format!("stream/{name}")),
            "AWS::Lambda::Function" => arn("lambda", format!("function:{name}")),
            "AWS::Logs::LogGroup" => arn("logs", format!("log-group:{name}:*")),
            "AWS::S3::Bucket" => format!("arn:aws:s3:::{name}"),
            "AWS::SNS::Topic" => arn("sns", name),
            "AWS::SQS::Queue" => arn("sqs", name),
            "AWS::SecretsManager::Secret" => arn("secretsmanager", format!("secret:{name}-AbCdEf")),
            other => bail!("the ARN of {other} is not understood here"),
        })
    }

    fn kind(&self, resource: &str) -> Result<&str> {
        let kind = self.template["Resources"][resource]["Type"].as_str();
        kind.with_context(|| format!("there is no resource {resource}"))
    }

    /// The name that a resource is given, or gets.
    fn name(&self, resource: &str) -> Result<String> {
        const NAMES: [&str; 7] =
            ["TableName", "Name", "FunctionName", "QueueName", "TopicName", "LogGroupName", "BucketName"];
        let properties = &self.template["Resources"][resource]["Properties"];
        for name in NAMES {
            if let Some(given) = properties.get(name) {
                return Ok(text(&self.value(given)?.unwrap_or_default()));
            }
        }
        Ok(match (self.kind(resource)?, resource) {
            ("AWS::S3::Bucket", "LogBucket") => LOG_BUCKET.to_owned(),
            ("AWS::S3::Bucket", _) => BUCKET.to_owned(),
            _ => format!("made-{resource}"),
        })
    }
}

/// Whether a name is one of `CloudFormation`'s functions.
fn is_function(name: &str) -> bool {
    name == "Ref" || name.starts_with("Fn::")
}

/// The one part of an object that has just one.
fn only(value: &Value) -> Option<(&str, &Value)> {
    let parts = value.as_object().filter(|parts| parts.len() == 1)?;
    parts.iter().next().map(|(name, value)| (name.as_str(), value))
}

/// A text as it is, anything else as JSON writes it.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::iam::policy::Access;

    fn template() -> Value {
        json!({
            "Parameters": {"ProjectName": {"Default": "clicks"}, "Apart": {"Default": "false"}},
            "Conditions": {"IsApart": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Apart"}, "false"]}]}},
            "Mappings": {"Ages": {"24": {"Seconds": 7}}},
            "Resources": {
                "Events": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": {"Ref": "ProjectName"}}},
                "Figures": {
                    "Type": "AWS::DynamoDB::Table", "Condition": "IsApart",
                    "Properties": {"TableName": {"Fn::Sub": "${ProjectName}-metrics"}},
                },
                "Role": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": {
                        "Effect": "Allow", "Action": "dynamodb:Query",
                        "Resource": [
                            {"Fn::Sub": "${Events.Arn}/index/*"},
                            {"Fn::If": ["IsApart", {"Fn::GetAtt": ["Figures", "Arn"]}, {"Ref": "AWS::NoValue"}]},
                        ],
                    },
                }}]}},
                "Worker": {"Type": "AWS::Lambda::Function", "Properties": {"Environment": {"Variables": {
                    "AGE": {"Fn::FindInMap": ["Ages", "24", "Seconds"]}, "TABLE": {"Ref": "Events"},
                }}}},
            },
        })
    }

    #[test]
    fn references_conditions_and_maps_are_resolved() {
        let query =
            |resource: &str| Access::new("dynamodb:Query", format!("arn:aws:dynamodb:us-east-1:{ACCOUNT}:{resource}"));
        for (apart, figures) in [("false", false), ("true", true)] {
            let template = Template::new(template(), &[("Apart", apart)]).unwrap();
            let role = &template.roles().unwrap()["Role"];
            assert!(role.allows(&query("table/clicks/index/GSI1")).is_some());
            assert_eq!(role.allows(&query("table/clicks-metrics")).is_some(), figures, "{apart}");
            assert_eq!(template.all("AWS::DynamoDB::Table").unwrap().len(), if figures { 2 } else { 1 });
            let variables = template.variables("Worker").unwrap();
            assert_eq!(variables, [("AGE".into(), "7".into()), ("TABLE".into(), "clicks".into())]);
        }
    }

    #[test]
    fn what_is_not_there_or_not_understood_is_an_error() {
        assert!(Template::new(template(), &[("Other", "1")]).is_err());
        let mut odd = template();
        odd["Resources"]["Worker"]["Properties"]["Environment"]["Variables"]["X"] = json!({"Fn::Cidr": []});
        assert!(Template::new(odd, &[]).unwrap().variables("Worker").is_err());
        assert!(Template::new(template(), &[]).unwrap().reference("Nothing").is_err());
    }
}
