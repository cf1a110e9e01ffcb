//! All that we know of Spotify's Web API: tokens, calls, errors, ids, and the shapes of its answers.

mod app_class;
pub mod auth;
mod call;
pub mod client;
mod deferral;
mod entity_kind;
pub mod error;
mod error_body;
pub mod family;
pub mod forbidden;
pub mod http;
mod id;
mod limits;
pub mod page;
mod request;
pub mod state;
pub mod wire;

pub use deferral::{Deferral, DeferralReason, DeferralScope};
pub use entity_kind::EntityKind;
pub use id::{InvalidId, Reference, SpotifyId};

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
