//! AWS's access control for stand-ins that have none: a proxy before them derives action and resource of each request, asks the
//! policies of whoever signed it, and refuses what they do not allow.
//!
//! - [`policy`]: a policy document, and whether it allows an action.
//! - [`template`]: roles, functions and names of an expanded template, all references resolved.
//! - [`request`]: what a request does, to what.
//! - [`proxy`]: the proxy, and who used which right.
//!
//! Signatures are not checked: the access key's id names the principal, its scope the service.

pub mod policy;
pub mod proxy;
pub mod request;
pub mod template;

/// The account that everything belongs to: the one that AWS's documents use.
pub const ACCOUNT: &str = "111122223333";

/// The region of everything.
pub const REGION: &str = "us-east-1";
