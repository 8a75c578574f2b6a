//! The crate of Headcount that knows DynamoDB.
//!
//! Narrow traits say what the other crates need of the table, one method for one request, so that every way a request
//! can end (throttled, unknown, refused, conflicting) is visible to the caller. [`dynamo`] fulfils them with the AWS SDK.

pub mod batch;
pub mod budgets;
pub mod dynamo;
pub mod error;
pub mod meta;
pub mod numbers;
pub mod proof;
pub mod rows;
pub mod traits;
