//! The whole path with access control enforced: every function as its real program with exactly its role, what AWS's services do
//! in a role's name, and the commands of people with the policies that docs/aws.md gives them.

mod documents;
mod path;
mod people;
mod rights;
pub(crate) mod services;
mod world;
