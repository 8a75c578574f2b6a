//! `headcount demo`.

mod compare;
mod expected;
mod feed;
mod report;
mod spans;
mod trickle;
