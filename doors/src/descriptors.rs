//! The file descriptors that this process may have.

/// Raises the limit of open files to what the system allows this process, and returns it: each connection is one.
#[cfg(unix)]
pub fn raise_descriptor_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { raised.current } else { limit.current };
    current.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

/// This system has no such limit.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() -> usize {
    usize::MAX
}
