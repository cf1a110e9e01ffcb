//! Items of another kind than that of their list, as a track among albums. They have an id, but no row in its table.

use super::flaws::{EntryObject, kind_in_list};
use crate::stream::EntryKind;
use spotify_client::EntityKind;
use spotify_client::wire::scan;

/// The kind of an object, if it says that it is another one than expected. Its URI counts more than its type.
pub(super) fn find_other_kind(expected: EntityKind, object: &str) -> Option<EntityKind> {
    other_kind(expected, scan::find_values(object, ["type", "uri"]))
}

fn other_kind(expected: EntityKind, [kind, uri]: [Option<&str>; 2]) -> Option<EntityKind> {
    let in_uri = uri.and_then(scan::plain_text).and_then(kind_of_uri);
    let kind = in_uri.or_else(|| kind.and_then(scan::plain_text).and_then(kind_of_name))?;
    (!is_same_kind(expected, kind)).then_some(kind)
}

/// The kind of an entry of a list other than a playlist, if it is another one than that of the list.
pub(super) fn find_other_entry(shape: EntryKind, object: EntryObject<'_>) -> Option<EntityKind> {
    other_kind(kind_in_list(shape)?, object.type_and_uri())
}

/// Whether the item of an entry is of another kind than its list.
pub fn is_other_kind(shape: EntryKind, item: &str) -> bool {
    kind_in_list(shape).is_some_and(|kind| find_other_kind(kind, item).is_some())
}

/// What such an item is, for people.
pub(super) fn describe_other_kind(kind: EntityKind, object: &str) -> String {
    let [uri, id] = scan::find_values(object, ["uri", "id"]).map(|value| value.and_then(scan::plain_text));
    let name = uri.or(id).map_or_else(String::new, |name| format!(": {name}"));
    match kind {
        EntityKind::Album | EntityKind::Artist | EntityKind::Episode | EntityKind::Audiobook => {
            format!("it is an {kind}{name}")
        }
        kind => format!("it is a {kind}{name}"),
    }
}

fn kind_of_uri(uri: &str) -> Option<EntityKind> {
    let mut parts = uri.strip_prefix("spotify:")?.split(':');
    match (parts.next()?, parts.nth(1)) {
        ("user", Some("playlist")) => Some(EntityKind::Playlist),
        ("local", _) => Some(EntityKind::Track),
        (name, _) => kind_of_name(name),
    }
}

fn kind_of_name(name: &str) -> Option<EntityKind> {
    EntityKind::ALL.into_iter().find(|kind| kind.as_str() == name)
}

/// Spotify calls audiobooks shows, and chapters episodes.
fn is_same_kind(expected: EntityKind, kind: EntityKind) -> bool {
    let family = |kind| match kind {
        EntityKind::Audiobook => EntityKind::Show,
        EntityKind::Chapter => EntityKind::Episode,
        kind => kind,
    };
    family(expected) == family(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uri_says_more_than_type() {
        let table = [
            (EntityKind::Album, r#"{"uri":"spotify:track:a","type":"album"}"#, Some(EntityKind::Track)),
            (EntityKind::Album, r#"{"uri":"spotify:album:a","type":"track"}"#, None),
            (EntityKind::Album, r#"{"uri":null,"type":"track"}"#, Some(EntityKind::Track)),
            (EntityKind::Album, r#"{"uri":5,"type":["track"]}"#, None),
            (EntityKind::Album, r#"{"id":"a","type":"single"}"#, None),
            (EntityKind::Audiobook, r#"{"uri":"spotify:show:a","type":"audiobook"}"#, None),
            (EntityKind::Chapter, r#"{"uri":"spotify:episode:a","type":"episode"}"#, None),
            (EntityKind::Playlist, r#"{"uri":"spotify:user:me:playlist:a"}"#, None),
            (EntityKind::Artist, r#"{"uri":"spotify:user:me","type":"user"}"#, Some(EntityKind::User)),
            (EntityKind::Track, r#"{"uri":"spotify:local:a:b:c:1","type":"track"}"#, None),
            (EntityKind::Track, r#"{"uri":"spotify:episode:a","type":"track"}"#, Some(EntityKind::Episode)),
        ];
        for (expected, object, other) in table {
            assert_eq!(find_other_kind(expected, object), other, "{object}");
        }
    }
}
