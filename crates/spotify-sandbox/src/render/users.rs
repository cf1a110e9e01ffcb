//! User profiles.

use super::RenderContext;
use crate::json::{self, ObjectWriter};

/// Writes the keys of a user inside playlists. `added_by` has no display name.
pub(crate) fn user_brief(view: &RenderContext<'_>, o: &mut ObjectWriter<'_>, id: &str) {
    view.write_identity(o, "user", id);
}

/// The JSON of a public profile.
pub(crate) fn public_user(view: &RenderContext<'_>, id: &str) -> String {
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.text("display_name", display_name(id));
        o.object("followers", |o| {
            o.raw("href", "null");
            o.display("total", id.len() * 7);
        });
        o.array("images", [(); 0], |_, ()| {});
        user_brief(view, o, id);
    });
    out
}

/// The display name of a user.
pub(crate) fn display_name(id: &str) -> &str {
    use crate::catalog::fixtures;
    match id {
        fixtures::HOME_USER => "Home Listening",
        fixtures::STUDIO_USER => "Studio \"B\"",
        fixtures::CURATOR_USER => "The Curator",
        fixtures::DIGGER_USER => "The Digger",
        other => other,
    }
}

/// The JSON of the profile of the current user; some keys need scopes.
pub(crate) fn private_user(view: &RenderContext<'_>, id: &str, may: impl Fn(&str) -> bool) -> String {
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.text("account_id", &crate::rng::generate_id(0, id, 0));
        if view.extended {
            if may("user-read-private") {
                o.text("country", crate::routes::COUNTRY);
                o.object("explicit_content", |o| {
                    o.display("filter_enabled", false);
                    o.display("filter_locked", false);
                });
                o.text("product", "premium");
            }
            if may("user-read-email") {
                o.text("email", &format!("{id}@example.com"));
            }
            o.object("followers", |o| {
                o.raw("href", "null");
                o.display("total", id.len());
            });
        }
        o.text("display_name", display_name(id));
        o.array("images", [(); 0], |_, ()| {});
        user_brief(view, o, id);
    });
    out
}
