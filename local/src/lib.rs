//! Everything that stands in for AWS on one machine: the table, the stream, the event source mapping between the stream
//! and the consumer with the place that keeps what it gave up on, the aggregator's schedule, and a Lambda Runtime API for
//! the functions' real programs.
//!
//! Table and stream speak the services' own protocols over loopback sockets, so the very same SDK calls reach them that
//! reach the real services; and the mapping works as well on a real stream as on the embedded one. Web pages are kept out.

pub mod aws_names;
pub mod clients;
pub mod error;
pub mod failures;
pub mod lambda;
pub mod machine;
pub mod mapping;
pub mod schedule;
pub mod stream;
pub mod table;

mod data_dir;
mod sdk_door;
mod serving;

pub use data_dir::keep_files_private;
