//! Problems of list items that have a row nevertheless: fields of an unexpected type, and fields that
//! are blank although every item of the kind has them.
//!
//! One such item is normal. A batch full of them is suspicious, so they are counted with the staged rows.

use std::collections::BTreeMap;

use crate::stream::EntryKind;
use spotify_client::EntityKind;
use spotify_client::wire::{
    Album, Artist, Audiobook, Category, Episode, Playlist, SavedObjectFields, Show, Track, find_field_anomalies, scan,
};

/// The first four are fields that Spotify blanks in objects that are no longer available.
const FIELDS: [&str; 6] = ["name", "duration_ms", "release_date", "artists", "type", "uri"];

/// The entity in an entry of a list, with the values of some of its fields.
#[derive(Clone, Copy)]
pub(super) struct EntryObject<'a> {
    pub json: &'a str,
    fields: [Option<&'a str>; FIELDS.len()],
}

impl<'a> EntryObject<'a> {
    pub(super) fn read(json: &'a str) -> EntryObject<'a> {
        EntryObject { json, fields: scan::find_values(json, FIELDS) }
    }

    /// Returns its type and its URI, as they were sent.
    pub(super) fn type_and_uri(&self) -> [Option<&'a str>; 2] {
        let [.., kind, uri] = self.fields;
        [kind, uri]
    }
}

/// The value that was sent for each blank or unreadable field of an item, as a JSON object; `None` if there are none.
/// `object` is the entity in the entry. `has_anomalies` says that reading the item found values of unexpected types.
pub(super) fn find_flaws(shape: EntryKind, raw: &str, object: EntryObject<'_>, has_anomalies: bool) -> Option<String> {
    let mut flaws: BTreeMap<String, &str> = BTreeMap::new();
    let is_placed = matches!(shape, EntryKind::PlaylistItems | EntryKind::Saved(_));
    if is_placed
        && let [Some(added_at)] = scan::find_values(raw, ["added_at"])
        && is_blank("added_at", added_at)
    {
        flaws.insert("added_at".to_owned(), "blank");
    }
    let [kind, uri] = object.type_and_uri();
    // Files of a user have what the user wrote into them.
    let is_local = uri.is_some_and(|uri| uri.starts_with("\"spotify:local:"));
    for (field, value) in FIELDS.into_iter().zip(object.fields).take(4) {
        let is_lacking = || uri.is_some() && is_required(field, entity_kind(shape, kind, uri));
        if !is_local && value.map_or_else(is_lacking, |value| is_blank(field, value)) {
            flaws.insert(field.to_owned(), "blank");
        }
    }
    if has_anomalies {
        if is_placed {
            add_anomalies::<SavedObjectFields<'_>>(raw, "", &mut flaws);
        }
        if !is_local {
            add_entity_anomalies(entity_kind(shape, kind, uri), object.json, &mut flaws);
        }
    }
    if flaws.is_empty() { None } else { serde_json::to_string(&flaws).ok() }
}

/// Whether every object of a kind has a field, so that one without it is as odd as a blank one.
fn is_required(field: &str, kind: Option<EntityKind>) -> bool {
    match kind {
        Some(EntityKind::Track) => matches!(field, "name" | "duration_ms" | "artists"),
        Some(EntityKind::Album) => matches!(field, "name" | "release_date" | "artists"),
        Some(EntityKind::Episode) => matches!(field, "name" | "duration_ms" | "release_date"),
        Some(_) => field == "name",
        None => false,
    }
}

/// The kind of the entities in a list. In a playlist, the URI of each item says it, or its type.
fn entity_kind(shape: EntryKind, sent: Option<&str>, uri: Option<&str>) -> Option<EntityKind> {
    let in_uri = |kind: &str| uri.is_some_and(|uri| uri.starts_with(&format!("\"spotify:{kind}:")));
    match shape {
        EntryKind::PlaylistItems if in_uri("episode") || sent == Some("\"episode\"") && !in_uri("track") => {
            Some(EntityKind::Episode)
        }
        EntryKind::PlaylistItems => Some(EntityKind::Track),
        shape => kind_in_list(shape),
    }
}

/// The kind of the entities in a list, if they are all of one kind.
pub(super) fn kind_in_list(shape: EntryKind) -> Option<EntityKind> {
    match shape {
        EntryKind::Tracks | EntryKind::AlbumTracks => Some(EntityKind::Track),
        EntryKind::Saved(kind) => Some(kind),
        EntryKind::Albums => Some(EntityKind::Album),
        EntryKind::Episodes => Some(EntityKind::Episode),
        EntryKind::Chapters => Some(EntityKind::Chapter),
        EntryKind::Playlists => Some(EntityKind::Playlist),
        EntryKind::Artists => Some(EntityKind::Artist),
        EntryKind::PlaylistItems | EntryKind::Categories | EntryKind::Markets => None,
    }
}

/// Whether a value is what Spotify sends for a field of an object that is no longer available.
fn is_blank(field: &str, value: &str) -> bool {
    let text = scan::plain_text(value);
    match field {
        "duration_ms" => matches!(value, "0" | "null"),
        "artists" => value == "null" || value.strip_prefix('[').is_some_and(|rest| rest.trim_start() == "]"),
        "release_date" => value == "null" || text.is_some_and(|date| date.is_empty() || date.starts_with("0000")),
        _ => value == "null" || text.is_some_and(|text| text.trim().is_empty()),
    }
}

fn add_entity_anomalies(kind: Option<EntityKind>, object: &str, flaws: &mut BTreeMap<String, &'static str>) {
    match kind {
        Some(EntityKind::Track) => {
            add_anomalies::<Track<'_>>(object, "", flaws);
            if let [Some(album)] = scan::find_values(object, ["album"]) {
                add_anomalies::<Album<'_>>(album, "album.", flaws);
            }
        }
        Some(EntityKind::Album) => add_anomalies::<Album<'_>>(object, "", flaws),
        Some(EntityKind::Artist) => add_anomalies::<Artist<'_>>(object, "", flaws),
        Some(EntityKind::Episode | EntityKind::Chapter) => {
            add_anomalies::<Episode<'_>>(object, "", flaws);
            if let [Some(show)] = scan::find_values(object, ["show"]) {
                add_anomalies::<Show<'_>>(show, "show.", flaws);
            }
        }
        Some(EntityKind::Show) => add_anomalies::<Show<'_>>(object, "", flaws),
        Some(EntityKind::Audiobook) => add_anomalies::<Audiobook<'_>>(object, "", flaws),
        Some(EntityKind::Playlist) => add_anomalies::<Playlist<'_>>(object, "", flaws),
        Some(EntityKind::User) => {}
        None => add_anomalies::<Category<'_>>(object, "", flaws),
    }
}

fn add_anomalies<'a, T: serde::Deserialize<'a>>(
    raw: &'a str,
    prefix: &str,
    flaws: &mut BTreeMap<String, &'static str>,
) {
    if !raw.starts_with('{') {
        return;
    }
    for anomaly in find_field_anomalies::<T>(raw).into_iter().filter(|anomaly| !anomaly.converted) {
        flaws.insert(format!("{prefix}{}", anomaly.path), anomaly.sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flaws_name_field_and_value() {
        let saved = EntryKind::Saved(EntityKind::Track);
        let table = [
            ("in order", saved, r#"{"added_at":"2020-01-01","track":{"name":"a","duration_ms":5}}"#, None),
            ("blank name", saved, r#"{"added_at":"2020-01-01","track":{"name":" "}}"#, Some(r#"{"name":"blank"}"#)),
            ("null name", EntryKind::Albums, r#"{"name":null}"#, Some(r#"{"name":"blank"}"#)),
            ("no artists", EntryKind::Albums, r#"{"artists":[]}"#, Some(r#"{"artists":"blank"}"#)),
            ("no date", saved, r#"{"added_at":null,"track":{}}"#, Some(r#"{"added_at":"blank"}"#)),
            ("date", EntryKind::Episodes, r#"{"release_date":"0000"}"#, Some(r#"{"release_date":"blank"}"#)),
            ("object", saved, r#"{"track":{"duration_ms":{"a":1}}}"#, Some(r#"{"duration_ms":"object"}"#)),
            ("converted", saved, r#"{"track":{"duration_ms":"10"}}"#, None),
            (
                "nested",
                EntryKind::PlaylistItems,
                r#"{"track":{"album":{"name":[1]}}}"#,
                Some(r#"{"album.name":"list"}"#),
            ),
            ("local", EntryKind::PlaylistItems, r#"{"track":{"uri":"spotify:local:a","artists":[]}}"#, None),
            ("saved local", saved, r#"{"track":{"uri":"spotify:local:a","artists":[]}}"#, None),
        ];
        for (name, shape, raw, expected) in table {
            let object = match shape {
                EntryKind::PlaylistItems => scan::find_values(raw, ["track"])[0].unwrap(),
                EntryKind::Saved(kind) => scan::find_values(raw, [kind.as_str()])[0].unwrap(),
                _ => raw,
            };
            let object = EntryObject::read(object);
            assert_eq!(find_flaws(shape, raw, object, true).as_deref(), expected, "{name}");
        }
    }
}
