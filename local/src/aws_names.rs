//! Names that AWS chooses and that a deployment depends on, each with the page that documents it or the public source that
//! shows it.
//!
//! What stands in for AWS here may send only names from this table, and the template may watch only names from it. What reads such a
//! name, as `headcount redrive` does, accepts names that it does not know: AWS may add some at any time.

/// The retries that a mapping allows are spent.
pub const RETRY_ATTEMPTS_EXHAUSTED: &str = "RetryAttemptsExhausted";

/// A record became older than its mapping allows.
pub const RECORD_AGE_EXCEEDED: &str = "RecordAgeExceeded";

/// A name, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// As AWS spells it.
    pub name: &'static str,
    /// The page that documents it, or the public source that shows it.
    pub source: &'static str,
}

/// A metric of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its namespace.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The sets of dimensions under which it is published, each sorted by name.
    pub dimensions: &'static [&'static [&'static str]],
}

const fn name(name: &'static str, source: &'static str) -> Name {
    Name { name, source }
}

const fn metric(namespace: &'static str, name: &'static str, dimensions: &'static [&'static [&'static str]]) -> Metric {
    Metric { namespace, name, dimensions }
}

/// Why an event source mapping gives up. No AWS page lists them.
pub const CONDITIONS: [Name; 2] = [
    name(
        RETRY_ATTEMPTS_EXHAUSTED,
        "https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html (the example)",
    ),
    name(
        RECORD_AGE_EXCEEDED,
        "https://github.com/localstack/localstack, the stream poller of lambda_/event_source_mapping, whose tests record AWS",
    ),
];

const DYNAMODB_ERRORS: &str =
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html";
const PARTIQL_ERRORS: &str =
    "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html";
const KINESIS_ERRORS: &str = "https://docs.aws.amazon.com/kinesis/latest/APIReference/CommonErrors.html";
const S3_ERRORS: &str = "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html";
const LAMBDA_ERRORS: &str = "https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html";

/// Codes of errors that services answer with.
pub const ERROR_CODES: [Name; 9] = [
    name("AccessDeniedException", DYNAMODB_ERRORS),
    name("AccessDenied", S3_ERRORS),
    name("DuplicateItem", PARTIQL_ERRORS),
    name("InternalServerError", DYNAMODB_ERRORS),
    name("ProvisionedThroughputExceededException", DYNAMODB_ERRORS),
    name("ServiceUnavailableException", KINESIS_ERRORS),
    name("ThrottlingError", PARTIQL_ERRORS),
    name("ThrottlingException", DYNAMODB_ERRORS),
    name("UnrecognizedClientException", LAMBDA_ERRORS),
];

/// Where the metrics of a namespace are documented.
pub const NAMESPACES: [Name; 5] = [
    name("AWS/DynamoDB", "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html"),
    name("AWS/Kinesis", "https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html"),
    name("AWS/Lambda", "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"),
    name("AWS/S3", "https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html"),
    name(
        "AWS/SQS",
        "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html",
    ),
];

const TABLE: &[&str] = &["TableName"];
const INDEX: &[&str] = &["GlobalSecondaryIndexName", "TableName"];
const FUNCTION: &[&str] = &["FunctionName"];
const MAPPING: &[&str] = &["EventSourceMappingUUID"];

/// Metrics that services publish, and that the template watches or shows.
pub const METRICS: [Metric; 17] = [
    metric("AWS/DynamoDB", "ConsumedReadCapacityUnits", &[TABLE, INDEX]),
    metric("AWS/DynamoDB", "ConsumedWriteCapacityUnits", &[TABLE, INDEX]),
    metric("AWS/DynamoDB", "WriteThrottleEvents", &[TABLE, INDEX]),
    metric("AWS/Kinesis", "IncomingRecords", &[&["StreamName"]]),
    metric("AWS/Kinesis", "WriteProvisionedThroughputExceeded", &[&["StreamName"]]),
    metric("AWS/Lambda", "DestinationDeliveryFailures", &[FUNCTION]),
    metric("AWS/Lambda", "DroppedEventCount", &[MAPPING]),
    metric("AWS/Lambda", "Duration", &[FUNCTION]),
    metric("AWS/Lambda", "Errors", &[FUNCTION]),
    metric("AWS/Lambda", "InvokedEventCount", &[MAPPING]),
    metric("AWS/Lambda", "Invocations", &[FUNCTION]),
    metric("AWS/Lambda", "IteratorAge", &[FUNCTION]),
    metric("AWS/Lambda", "OnFailureDestinationDeliveredEventCount", &[MAPPING]),
    metric("AWS/Lambda", "Throttles", &[FUNCTION]),
    metric("AWS/Lambda", "Url5xxCount", &[FUNCTION]),
    metric("AWS/S3", "NumberOfObjects", &[&["BucketName", "StorageType"]]),
    metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", &[&["QueueName"]]),
];

const STATISTIC: &str = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html";

/// Statistics of metrics.
pub const STATISTICS: [Name; 4] =
    [name("Average", STATISTIC), name("Maximum", STATISTIC), name("Sum", STATISTIC), name("p95", STATISTIC)];

/// Whether `of` has a name.
pub fn has(of: &[Name], name: &str) -> bool {
    of.iter().any(|known| known.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_source_and_stands_once() {
        for names in [&CONDITIONS[..], &ERROR_CODES, &NAMESPACES, &STATISTICS] {
            for (at, one) in names.iter().enumerate() {
                assert!(one.source.starts_with("https://"), "{one:?}");
                assert!(!has(&names[..at], one.name), "{one:?} stands twice");
            }
        }
        for (at, one) in METRICS.iter().enumerate() {
            assert!(has(&NAMESPACES, one.namespace) && !METRICS[..at].contains(one), "{one:?}");
            assert!(one.dimensions.iter().all(|dimensions| dimensions.is_sorted()), "{one:?}");
        }
    }
}
