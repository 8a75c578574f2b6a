//! What people and programs look at: the JSON API over Headcount's figures, and the web page on top of it.
//!
//! One [`router`] for `headcount serve`, for `headcount dashboard`, and for the Lambda function of this crate. Who may
//! read is decided by [`access::Access`], before anything else.

pub mod access;
pub mod config;
pub mod openapi;
pub mod token;

mod answer;
mod endpoints;
mod headers;
mod parameters;
mod problem;
mod server;
mod sessions;
mod sign_in;
mod site;

pub use access::Access;
pub use server::{Health, router};
pub use token::ReadToken;
