//! All that we know of Spotify's Web API: tokens, calls, errors, ids, and the shapes of its answers.

pub mod auth;
pub mod client;
pub mod error;
pub mod family;
mod kind;
pub mod refusal;
pub mod wire;

pub use kind::Kind;
