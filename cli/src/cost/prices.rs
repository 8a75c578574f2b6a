//! List prices, from a file.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The prices that come with the command.
const BUILT_IN: &str = include_str!("../../prices/us-east-1.toml");

/// What things cost, in US dollars.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    pub(crate) region: String,
    pub(crate) date: String,
    pub(crate) kinesis: Kinesis,
    pub(crate) lambda: Lambda,
    pub(crate) dynamodb: Dynamodb,
    pub(crate) s3: S3,
    pub(crate) cloudwatch: Cloudwatch,
    pub(crate) scheduler: Scheduler,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kinesis {
    /// Where AWS publishes them.
    pub(crate) page: String,
    pub(crate) shard_hour: f64,
    pub(crate) put_million: f64,
    pub(crate) extended_shard_hour: f64,
    pub(crate) on_demand_stream_hour: f64,
    pub(crate) on_demand_in_gb: f64,
    pub(crate) on_demand_out_gb: f64,
    pub(crate) on_demand_extended_gb: f64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lambda {
    /// Where AWS publishes them.
    pub(crate) page: String,
    pub(crate) request_million: f64,
    pub(crate) gb_second: f64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dynamodb {
    /// Where AWS publishes them.
    pub(crate) page: String,
    pub(crate) write_million: f64,
    pub(crate) read_million: f64,
    pub(crate) write_unit_hour: f64,
    pub(crate) read_unit_hour: f64,
    pub(crate) storage_gb: f64,
    pub(crate) recovery_gb: f64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3 {
    /// Where AWS publishes them.
    pub(crate) page: String,
    pub(crate) put_million: f64,
    pub(crate) get_million: f64,
    pub(crate) storage_gb: f64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cloudwatch {
    /// Where AWS publishes them.
    pub(crate) page: String,
    pub(crate) logs_gb: f64,
    pub(crate) metric: f64,
    pub(crate) alarm: f64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scheduler {
    /// Where AWS publishes them.
    pub(crate) page: String,
    pub(crate) invocation_million: f64,
}

impl Prices {
    /// Those of the file, or those that come with the command.
    pub(crate) fn read(file: Option<&std::path::Path>) -> Result<Self, Failure> {
        let Some(path) = file else { return Self::parse(BUILT_IN, "the built-in prices") };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("{name} cannot be read ({error})"), "check --prices"))?;
        Self::parse(&text, &name)
    }

    fn parse(text: &str, name: &str) -> Result<Self, Failure> {
        toml::from_str(text).map_err(|error| {
            let what = format!("{name} is no file of prices: {}", error.message());
            Failure::new(what, "begin with `headcount cost --print-prices > prices.toml` and change the numbers")
        })
    }

    /// The built-in file, as it is.
    pub(crate) const fn built_in() -> &'static str {
        BUILT_IN
    }
}
