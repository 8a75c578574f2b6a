//! One record taken apart.
