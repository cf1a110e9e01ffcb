//! Accounts as others see them.

use super::View;
use crate::json::{self, Object};

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
    use crate::catalog::known;
    match id {
        known::HOME => "Home Listening",
        known::STUDIO => "Studio \"B\"",
        known::CURATOR => "The Curator",
        known::DIGGER => "The Digger",
        other => other,
    }
}

/// What an account's owner may know of it, given leave.
pub(crate) fn private_user(view: &View<'_>, id: &str, may: impl Fn(&str) -> bool) -> String {
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.text("account_id", &crate::dice::id(0, id, 0));
        if view.extended {
            if may("user-read-private") {
                o.text("country", crate::routes::COUNTRY);
                o.object("explicit_content", |o| {
                    o.plain("filter_enabled", false);
                    o.plain("filter_locked", false);
                });
                o.text("product", "premium");
            }
            if may("user-read-email") {
                o.text("email", &format!("{id}@example.com"));
            }
            o.object("followers", |o| {
                o.raw("href", "null");
                o.plain("total", id.len());
            });
        }
        o.text("display_name", display_name(id));
        o.array("images", [(); 0], |_, ()| {});
        user_brief(view, o, id);
    });
    out
}
