//! The deployment on AWS, checked without an account: the template is expanded, linted, held to its policies, and
//! deployed to a stand-in that nobody here wrote.

mod addresses;
mod alarms;
mod deployed;
mod events;
mod iam;
mod independent;
mod lint;
mod log;
mod names;
mod parameters;
mod policies;
mod roles;
mod sam;
mod scripts;
mod secrets;
mod stand_in;
mod template;
mod truth;
