//! Integration tests.
mod sandbox;
mod sandbox_faults;
