//! The id of an object in an answer, which may become part of the path of a later request.

use super::field::{JsonField, JsonText};
use crate::EntityKind;

/// Ids of all kinds but users have this length.
const USUAL_LENGTH: usize = 22;

/// No id is longer. Those of users are free text.
const MAX_LENGTH: usize = 128;

/// The id of an object: its own, or the one in its URI. An id that would lead to another address counts as none, and one
/// that does not look like an id of Spotify yields to one that does.
pub fn id_of<'a>(
    id: &'a JsonField<JsonText<'_>>,
    uri: &'a JsonField<JsonText<'_>>,
    kind: EntityKind,
) -> Option<&'a str> {
    let own = id.value().map(|id| &**id);
    let in_uri = || {
        let rest = uri.value()?.trim().strip_prefix("spotify:")?;
        let (owner, id) = rest.rsplit_once(':')?;
        (owner.rsplit(':').next() == Some(kind.as_str())).then_some(id)
    };
    let own = own.filter(|id| is_usable(id, kind));
    if own.is_some_and(is_usual) || kind == EntityKind::User {
        return own.or_else(|| in_uri().filter(|id| is_usable(id, kind)));
    }
    let in_uri = in_uri().filter(|id| is_usable(id, kind));
    in_uri.filter(|id| is_usual(id)).or(own).or(in_uri)
}

/// Whether it looks like the ids of all kinds but users.
fn is_usual(id: &str) -> bool {
    id.len() == USUAL_LENGTH && id.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_usable(id: &str, kind: EntityKind) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let may_be = match kind {
        // It is percent-encoded, but URL parsers resolve these even then.
        EntityKind::User => !id.trim().is_empty() && !matches!(id, "." | ".."),
        _ => !id.is_empty() && id.chars().all(is_plain),
    };
    may_be && id.len() <= MAX_LENGTH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_lead_elsewhere_are_none() {
        let text = |text: &str| JsonField::Value(JsonText(text.to_owned().into()));
        let cases = [
            (EntityKind::Album, "4aawyAB9vmqN3uQ7FjRGTy", "", Some("4aawyAB9vmqN3uQ7FjRGTy")),
            (EntityKind::Album, "", "spotify:album:a1", Some("a1")),
            (EntityKind::Album, "undefined", "spotify:album:4aawyAB9vmqN3uQ7FjRGTy", Some("4aawyAB9vmqN3uQ7FjRGTy")),
            (EntityKind::Album, "undefined", "spotify:artist:4aawyAB9vmqN3uQ7FjRGTy", Some("undefined")),
            (EntityKind::Playlist, " ", "spotify:user:x:playlist:p1", Some("p1")),
            (EntityKind::Album, "x/../../me", "spotify:album:a1", Some("a1")),
            (EntityKind::Album, "x/../../me", "spotify:album:..", None),
            (EntityKind::Album, "a?b=c#d", "spotify:artist:a1", None),
            (EntityKind::Album, "%2e%2e", "", None),
            (EntityKind::User, "anna b/c", "", Some("anna b/c")),
            (EntityKind::User, "..", "", None),
        ];
        for (kind, id, uri, want) in cases {
            assert_eq!(id_of(&text(id), &text(uri), kind), want, "{id} {uri}");
        }
        assert_eq!(id_of(&text(&"x".repeat(200)), &JsonField::Null, EntityKind::Album), None);
    }
}
