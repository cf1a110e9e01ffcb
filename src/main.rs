//! The binary: parse, start logging, one call, exit code.
fn main() {}
