//! All that we know of Spotify's Web API: tokens, calls, errors, ids, and the shapes of its answers.

pub mod auth;
mod call;
pub mod client;
pub mod error;
pub mod family;
mod kind;
mod limits;
pub mod refusal;
mod request;
mod said;
pub mod wire;

pub use kind::Kind;
