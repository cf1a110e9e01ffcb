#![doc = include_str!("../README.md")]

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
mod hex;
pub mod http;
mod id;
pub mod json_repair;
mod limits;
pub mod page;
mod random;
mod refusals;
mod request;
pub mod state;
pub mod wire;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

pub use deferral::{Deferral, DeferralReason, DeferralScope};
pub use entity_kind::EntityKind;
pub use id::{InvalidId, Reference, SpotifyId, trim_invisible};

pub use crate::state::AppClass;

/// The characters that a segment of a path may hold as they are (RFC 3986, unreserved).
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Decodes a percent-encoded text; `None` if it is not UTF-8.
pub fn percent_decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(String::from)
}

/// Percent-encodes a text as one segment of a path.
pub fn path_segment(text: &str) -> String {
    utf8_percent_encode(text, &UNRESERVED).to_string()
}
