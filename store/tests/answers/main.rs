//! What becomes of DynamoDB's answers: errors, half answers, none; and of tables that are not as they should be.

mod credentials;
mod errors;
mod leftovers;
mod scripted;
mod set_up;
mod tables;
