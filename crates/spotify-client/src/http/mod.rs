//! How a polite call is made: the transport, the limiter, and what to do with a response.
//!
//! In the order of one call: [`limiter`] waits for the deadline, the pace and a permit, and records the
//! call; [`transport`] sends it, once; [`retry`] looks at the outcome and decides, but does not act; the
//! caller (`call.rs`, and `auth/endpoint.rs` for tokens) carries it out. Nothing else in this crate
//! decides to wait or to retry. [`observer`] reports all of it, [`clock`] is the source of time.

pub mod breaker;
pub mod cancellation;
pub mod clock;
pub mod family;
pub mod limiter;
pub mod observer;
pub mod retry;
pub mod retry_after;
pub mod transport;
