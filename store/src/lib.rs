//! The one room of Headcount that knows DynamoDB.
//!
//! Narrow traits say what the other rooms need of the table, one method for one request, so that every way a request
//! can end (throttled, unknown, refused, conflicting) is visible to the caller. Three adapters fulfil them:
//! [`dynamo`] for the real table, [`memory`] for tests, [`faulty`] around either to make it fail on command.
//! One contract suite runs on all.

pub mod error;
pub mod numbers;
pub mod rows;
pub mod traits;

mod batch;
pub mod clock;
pub mod retry;

pub mod telemetry;

pub mod deployment;

pub mod dynamo;
pub mod faulty;
pub mod memory;

pub mod defects;
