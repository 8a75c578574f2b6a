//! A function's real program, asked as its URL would ask it.

use std::time::Duration;

use headcount_local::lambda::fleet::{Fleet, FleetOptions};
use serde_json::{Value, json};

use crate::command::binary;

/// Longest life of an invocation.
const LIMIT: Duration = Duration::from_secs(30);

/// The processes of a function behind a Runtime API.
pub(crate) struct Function(Fleet);

impl Function {
    /// The program of this name, which lies beside the command, with these variables.
    pub(crate) fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let program = binary().with_file_name(name);
        assert!(program.is_file(), "{} is not there: build the workspace first", program.display());
        let mut options = FleetOptions::new(name, program);
        options.environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self(Fleet::new(options))
    }

    /// Its answer to a request.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: Value, body: &str) -> Value {
        let request = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": headers,
            "requestContext": {
                "accountId": "anonymous", "apiId": "url", "domainName": "url.lambda-url.us-east-1.on.aws",
                "domainPrefix": "url", "requestId": "r", "routeKey": "$default", "stage": "$default",
                "time": "25/Nov/2026:00:00:00 +0000", "timeEpoch": 0,
                "http": {
                    "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.77", "userAgent": "x",
                },
            },
            "body": body, "isBase64Encoded": false,
        });
        let by = tokio::time::Instant::now() + LIMIT;
        let answer = self.0.invoke(request.to_string(), by).await.expect("the function answers");
        serde_json::from_slice(&answer).expect("it answers with JSON")
    }

    /// Ends its processes.
    pub(crate) async fn stop(self) {
        self.0.stop().await;
    }
}
