//! Accounts as others see them.

use super::View;
use crate::sandbox::json::{self, Object};

/// The keys of an account inside playlists; no name beside `added_by`.
pub(crate) fn user_brief(view: &View<'_>, o: &mut Object<'_>, id: &str) {
    view.identity(o, "user", id);
}

/// What anybody may know of an account.
pub(crate) fn public_user(view: &View<'_>, id: &str) -> String {
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.text("display_name", display_name(id));
        o.object("followers", |o| {
            o.raw("href", "null");
            o.plain("total", id.len() * 7);
        });
        o.array("images", [(); 0], |_, ()| {});
        user_brief(view, o, id);
    });
    out
}

/// The name that an account goes by.
pub(crate) fn display_name(id: &str) -> &str {
    use crate::sandbox::catalog::known;
    match id {
        known::HOME => "Home Listening",
        known::STUDIO => "Studio \"B\"",
        known::CURATOR => "The Curator",
        other => other,
    }
}
