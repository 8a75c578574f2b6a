//! x
#[cfg_attr(not(test), expect(dead_code, reason = "the commands that use it are on their way"))]
mod generate;
fn main() {}
