//! Integration tests.
#![expect(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

mod auth;
mod cli;
mod export;
mod limits;
mod reach;
mod reliability;
mod sandbox;
mod schedule;
mod security;
mod store;
mod support;
mod sync;
