//! `headcount demo`.

mod compare;
mod expected;
mod report;
mod spans;
