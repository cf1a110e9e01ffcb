//! All that we know of Spotify's API.

mod class;
mod id;
mod kind;

pub use class::AppClass;
pub use id::{Id, NotAnId, Reference};
pub use kind::Kind;
