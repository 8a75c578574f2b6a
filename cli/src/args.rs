//! Arguments that several commands share.

mod connection;
mod consumer;
mod items;
mod prices;
mod question;
mod range;
mod rules;
pub(crate) mod values;

pub(crate) use connection::{
    COLLECTOR_PORT, DEFAULT_STREAM, DEFAULT_TABLE, DYNAMODB_PORT, DeploymentArgs, DynamoArgs, KINESIS_PORT,
    KinesisArgs, LogArgs, ServiceArgs, StreamArgs, TableArgs, TablesArgs, WEB_PORT,
};
pub(crate) use consumer::ConsumerArgs;
pub(crate) use items::ItemArgs;
pub(crate) use prices::PriceArgs;
pub(crate) use question::QuestionArgs;
pub(crate) use range::{FormatArgs, PageArgs, RangeArgs};
pub(crate) use rules::RuleArgs;
pub(crate) use values::{Moment, Programs, Source};
