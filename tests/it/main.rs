//! Integration tests.
mod sandbox;
mod sandbox_faults;
mod sandbox_users;
