//! How a polite call is made, whoever is called: transport, the gate that says when, and what to
//! do with an answer.
//!
//! In the order of one call: [`gate`] waits for the deadline, the pace and a permit and books the
//! call; [`transport`] sends it, once; [`retry`] looks at the outcome and decides, without acting;
//! whoever drives the loop (`spotify::call`, and `spotify::auth` for tokens) does what it says.
//! Nothing else in the program decides to wait or to retry. [`observer`] hears of it all, [`clock`]
//! is where time comes from.

pub mod breaker;
pub mod cancellation;
pub mod clock;
pub mod family;
pub mod limiter;
pub mod observer;
pub mod retry;
pub mod retry_after;
pub mod transport;
