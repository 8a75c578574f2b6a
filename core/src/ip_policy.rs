//! What is kept of an IP address.
