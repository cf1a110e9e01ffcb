//! All that we know of Spotify's Web API: tokens, calls, errors, and which routes there are.

pub mod auth;
pub mod client;
pub mod error;
pub mod family;
pub mod refusal;
