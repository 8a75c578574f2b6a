//! Events onto a Headcount stream, for services written in Rust.
//!
//! ```no_run
//! use std::time::Duration;
//! use headcount_producer::{NewEvent, Producer, connect};
//!
//! # async fn example() -> Result<(), headcount_producer::ProducerError> {
//! let client = connect::kinesis(None).await;
//! let producer = Producer::builder().build(&client, "headcount-events")?;
//!
//! // Never blocks; packed with others, sent within a second.
//! let event = NewEvent::new("feature_use", "user-42", "session-7")
//!     .metadata("my-service/1.4", "203.0.113.9", "backend")
//!     .data("feature", "search");
//! producer.queue(event.clone())?;
//!
//! // Waits until the stream has it.
//! let receipt = producer.track(event).await?;
//! println!("{}", receipt.event_id);
//!
//! producer.close(Duration::from_secs(10)).await
//! # }
//! ```
//!
//! The stream may refuse single records of a request; only these are sent again, in their order, after a pause with full
//! jitter. A request whose outcome is not known is sent again whole: ids and times were minted before the first try, so
//! the consumer removes what arrives twice. What the stream does not take in the end comes back as an error that holds it.

pub mod limits;

pub mod error;
pub mod event;
pub mod identity;

pub mod builder;
pub mod counts;
pub mod packing;
pub mod producer;

pub mod connect;
pub mod put_records;

mod assembler;
mod backlog;
mod pace;
mod room;
mod ticket;
mod worker;

pub use builder::ProducerBuilder;
pub use counts::Counts;
pub use error::{ProducerError, Refusal, Returned, StreamProblem, Unsent};
pub use event::NewEvent;
pub use packing::Packing;
pub use producer::{Producer, Receipt, Unchecked};
pub use put_records::kinesis::KinesisStream;
