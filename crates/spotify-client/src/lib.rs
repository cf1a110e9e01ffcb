//! All that we know of Spotify's Web API: tokens, calls, errors, ids, and the shapes of its answers.

pub mod auth;
mod call;
mod class;
pub mod client;
pub mod error;
pub mod family;
pub mod http;
mod id;
mod kind;
mod limits;
pub mod page;
pub mod refusal;
mod request;
mod said;
pub mod state;
pub mod wire;

pub use id::{Id, NotAnId, Reference};
pub use kind::Kind;

pub use crate::state::AppClass;

/// A text as one segment of a path: everything but unreserved characters is percent-encoded.
pub fn path_segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
