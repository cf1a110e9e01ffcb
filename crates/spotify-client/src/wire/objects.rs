//! Spotify's objects. The full and the simplified form share one struct, and every key may be missing.
//!
//! The place of an object tells which of the two it is, not its keys, so the reader of an endpoint says
//! so. Unknown keys are ignored. Where Development Mode renamed a key (February 2026), both names are
//! fields: a response may hold both, and the `alias` of serde would refuse that.

use crate::EntityKind;
use serde::de::MapAccess;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::field::{JsonField, JsonInt, JsonList, JsonText, JsonTime};
use super::lenient::{self, Lenient, LenientValue};
use super::object_id::id_of;
use super::page::{PageCursors, PageObject, RawEntry};
use super::scan;
use super::version::JsonVersion;

type TextField<'a> = JsonField<JsonText<'a>>;

/// `external_urls`.
#[derive(Debug, Deserialize, Default)]
pub struct ExternalUrls<'a> {
    /// The page on open.spotify.com.
    #[serde(borrow, default)]
    pub spotify: TextField<'a>,
}

/// `external_ids`.
#[derive(Debug, Deserialize, Default)]
pub struct ExternalIds<'a> {
    /// International Standard Recording Code.
    #[serde(borrow, default)]
    pub isrc: TextField<'a>,
    /// International Article Number.
    #[serde(borrow, default)]
    pub ean: TextField<'a>,
    /// Universal Product Code.
    #[serde(borrow, default)]
    pub upc: TextField<'a>,
}

/// A picture.
#[derive(Debug, Deserialize)]
pub struct Image<'a> {
    /// Where it is.
    #[serde(borrow, default)]
    pub url: TextField<'a>,
    /// Pixels across.
    #[serde(default)]
    pub width: JsonField<JsonInt>,
    /// Pixels down.
    #[serde(default)]
    pub height: JsonField<JsonInt>,
}

/// `followers`.
#[derive(Debug, Deserialize, Default)]
pub struct Followers {
    /// How many.
    #[serde(default)]
    pub total: JsonField<JsonInt>,
}

/// `restrictions`.
#[derive(Debug, Deserialize, Default)]
pub struct Restrictions<'a> {
    /// market, product, explicit, …
    #[serde(borrow, default)]
    pub reason: TextField<'a>,
}

/// An object of which only the id matters here.
#[derive(Debug, Deserialize, Default)]
pub struct LinkedTrack<'a> {
    /// Its id.
    #[serde(borrow, default)]
    pub id: TextField<'a>,
}

/// A copyright line.
#[derive(Debug, Deserialize)]
pub struct Copyright<'a> {
    /// The line.
    #[serde(borrow, default)]
    pub text: TextField<'a>,
    /// C or P.
    #[serde(borrow, default, rename = "type")]
    pub kind: TextField<'a>,
}

/// A person with a name: an author or narrator.
#[derive(Debug, Deserialize)]
pub struct NamedPerson<'a> {
    /// The name.
    #[serde(borrow, default)]
    pub name: TextField<'a>,
}

/// An artist.
#[derive(Debug, Deserialize)]
pub struct Artist<'a> {
    #[serde(borrow, default)]
    pub id: TextField<'a>,
    #[serde(borrow, default)]
    pub name: TextField<'a>,
    #[serde(borrow, default)]
    pub uri: TextField<'a>,
    #[serde(borrow, default)]
    pub external_urls: JsonField<ExternalUrls<'a>>,
    #[serde(borrow, default)]
    pub genres: JsonField<JsonList<JsonText<'a>>>,
    #[serde(default)]
    pub followers: JsonField<Followers>,
    #[serde(default)]
    pub popularity: JsonField<JsonInt>,
    #[serde(borrow, default)]
    pub images: JsonField<JsonList<Image<'a>>>,
}

/// An album; in discographies with `album_group`, whole with its first page of tracks.
#[derive(Debug, Deserialize)]
pub struct Album<'a> {
    #[serde(borrow, default)]
    pub id: TextField<'a>,
    #[serde(borrow, default)]
    pub name: TextField<'a>,
    #[serde(borrow, default)]
    pub uri: TextField<'a>,
    #[serde(borrow, default)]
    pub album_type: TextField<'a>,
    #[serde(borrow, default)]
    pub album_group: TextField<'a>,
    #[serde(borrow, default)]
    pub release_date: TextField<'a>,
    #[serde(borrow, default)]
    pub release_date_precision: TextField<'a>,
    #[serde(default)]
    pub total_tracks: JsonField<JsonInt>,
    #[serde(borrow, default)]
    pub label: TextField<'a>,
    #[serde(default)]
    pub popularity: JsonField<JsonInt>,
    #[serde(borrow, default)]
    pub external_ids: JsonField<ExternalIds<'a>>,
    #[serde(borrow, default)]
    pub external_urls: JsonField<ExternalUrls<'a>>,
    #[serde(borrow, default)]
    pub artists: JsonField<JsonList<Artist<'a>>>,
    #[serde(borrow, default)]
    pub copyrights: JsonField<JsonList<Copyright<'a>>>,
    #[serde(borrow, default)]
    pub images: JsonField<JsonList<Image<'a>>>,
    #[serde(borrow, default, deserialize_with = "optional")]
    pub tracks: Option<PageObject<'a>>,
}

/// A track, whole or simplified.
#[derive(Debug, Deserialize)]
pub struct Track<'a> {
    #[serde(borrow, default)]
    pub id: TextField<'a>,
    #[serde(borrow, default)]
    pub name: TextField<'a>,
    #[serde(borrow, default)]
    pub uri: TextField<'a>,
    #[serde(borrow, default)]
    pub album: RawEntry<'a>,
    #[serde(borrow, default)]
    pub artists: JsonField<JsonList<Artist<'a>>>,
    #[serde(default)]
    pub disc_number: JsonField<JsonInt>,
    #[serde(default)]
    pub track_number: JsonField<JsonInt>,
    #[serde(default)]
    pub duration_ms: JsonField<JsonInt>,
    #[serde(default)]
    pub explicit: JsonField<bool>,
    #[serde(default)]
    pub popularity: JsonField<JsonInt>,
    #[serde(borrow, default)]
    pub external_ids: JsonField<ExternalIds<'a>>,
    #[serde(borrow, default)]
    pub external_urls: JsonField<ExternalUrls<'a>>,
    #[serde(borrow, default)]
    pub preview_url: TextField<'a>,
    #[serde(default)]
    pub is_playable: JsonField<bool>,
    #[serde(borrow, default)]
    pub restrictions: JsonField<Restrictions<'a>>,
    #[serde(borrow, default)]
    pub linked_from: JsonField<LinkedTrack<'a>>,
}

/// The album of a local file: a name and nothing else.
#[derive(Debug, Deserialize)]
pub struct LocalAlbum<'a> {
    #[serde(borrow, default)]
    pub name: TextField<'a>,
}

/// What every item of a playlist has, whatever its type.
#[derive(Debug, Deserialize)]
pub struct OtherItem<'a> {
    #[serde(borrow, default)]
    pub name: TextField<'a>,
    #[serde(borrow, default)]
    pub artists: JsonField<JsonList<NamedPerson<'a>>>,
    #[serde(default)]
    pub duration_ms: JsonField<JsonInt>,
    #[serde(borrow, default)]
    pub album: JsonField<NamedPerson<'a>>,
    #[serde(borrow, default)]
    pub show: JsonField<NamedPerson<'a>>,
    #[serde(borrow, default)]
    pub audiobook: JsonField<NamedPerson<'a>>,
}

/// What tells the items of a playlist apart before they are read whole.
#[derive(Debug, Deserialize)]
pub struct EntryDiscriminator<'a> {
    #[serde(borrow, default)]
    pub id: TextField<'a>,
    #[serde(borrow, default)]
    pub uri: TextField<'a>,
    #[serde(borrow, default, rename = "type")]
    pub kind: TextField<'a>,
    #[serde(default)]
    pub is_local: JsonField<bool>,
}

impl<'a> EntryDiscriminator<'a> {
    /// Reads these fields of an object without parsing the others.
    ///
    /// # Errors
    /// If one of them is not JSON.
    pub fn read(raw: &'a str) -> serde_json::Result<Self> {
        let [id, uri, kind, is_local] = scan::find_values(raw, ["id", "uri", "type", "is_local"]);
        Ok(EntryDiscriminator { id: field(id)?, uri: field(uri)?, kind: field(kind)?, is_local: field(is_local)? })
    }
}

/// Reads the value of a field, if the object has the field.
fn field<'a, T: LenientValue<'a>>(raw: Option<&'a str>) -> serde_json::Result<JsonField<T>> {
    raw.map_or(Ok(JsonField::Absent), serde_json::from_str)
}

/// An entry of a playlist, with its item as raw JSON. `item` is today's name, `track` that of Extended
/// Quota.
#[derive(Debug)]
pub struct PlaylistItem<'a> {
    pub added_at: JsonField<JsonTime<'a>>,
    pub added_by: JsonField<UserProfile<'a>>,
    pub is_local: JsonField<bool>,
    pub item: Option<&'a str>,
    pub track: Option<&'a str>,
}

/// The fields of [`PlaylistItem`] other than the item, to find out which of them were sent in another type.
#[derive(Debug, Deserialize)]
pub struct PlaylistItemFields<'a> {
    #[serde(borrow, default)]
    pub added_at: JsonField<JsonTime<'a>>,
    #[serde(borrow, default)]
    pub added_by: JsonField<UserProfile<'a>>,
    #[serde(default)]
    pub is_local: JsonField<bool>,
}

impl<'a> PlaylistItem<'a> {
    /// Reads an entry of a page, which is JSON, without going through the item in it once more.
    ///
    /// # Errors
    /// If it is no object, or one of its values is of another kind.
    pub fn read(raw: &'a str) -> serde_json::Result<Self> {
        if !raw.starts_with('{') {
            return Err(serde::de::Error::custom("an entry that is no object"));
        }
        let keys = ["added_at", "added_by", "is_local", "item", "track"];
        let [added_at, added_by, is_local, item, track] = scan::find_values(raw, keys);
        let something = |raw: Option<&'a str>| raw.filter(|raw| *raw != "null");
        Ok(PlaylistItem {
            added_at: field(added_at)?,
            added_by: field(added_by)?,
            is_local: field(is_local)?,
            item: something(item),
            track: something(track),
        })
    }
}

/// A playlist, whole or simplified. `items` is today's name, `tracks` that of Extended Quota.
#[derive(Debug, Deserialize)]
pub struct Playlist<'a> {
    #[serde(borrow, default)]
    pub id: TextField<'a>,
    #[serde(borrow, default)]
    pub name: TextField<'a>,
    #[serde(borrow, default)]
    pub uri: TextField<'a>,
    #[serde(borrow, default)]
    pub description: TextField<'a>,
    #[serde(borrow, default)]
    pub owner: JsonField<UserProfile<'a>>,
    #[serde(default)]
    pub public: JsonField<bool>,
    #[serde(default)]
    pub collaborative: JsonField<bool>,
    #[serde(borrow, default)]
    pub snapshot_id: JsonField<JsonVersion<'a>>,
    #[serde(default)]
    pub followers: JsonField<Followers>,
    #[serde(borrow, default)]
    pub external_urls: JsonField<ExternalUrls<'a>>,
    #[serde(borrow, default)]
    pub images: JsonField<JsonList<Image<'a>>>,
    #[serde(borrow, default, deserialize_with = "optional")]
    pub items: Option<PageObject<'a>>,
    #[serde(borrow, default, deserialize_with = "optional")]
    pub tracks: Option<PageObject<'a>>,
}

impl<'a> Playlist<'a> {
    /// Its id, or the one that its URI names.
    pub fn id_or_uri(&self) -> Option<String> {
        id_of(&self.id, &self.uri, EntityKind::Playlist).map(str::to_owned)
    }

    /// The contents, under either name. If both are present, the one that has entries.
    pub fn contents(&self) -> Option<&PageObject<'a>> {
        match (&self.items, &self.tracks) {
            (Some(items), _) if items.items.is_some() => Some(items),
            (_, Some(tracks)) if tracks.items.is_some() => Some(tracks),
            (items, tracks) => items.as_ref().or(tracks.as_ref()),
        }
    }
}

/// A user: owner, contributor or the signed-in one.
#[derive(Debug, Deserialize)]
pub struct UserProfile<'a> {
    #[serde(borrow, default)]
    pub id: TextField<'a>,
    #[serde(borrow, default)]
    pub account_id: TextField<'a>,
    #[serde(borrow, default)]
    pub display_name: TextField<'a>,
    #[serde(borrow, default)]
    pub uri: TextField<'a>,
    #[serde(borrow, default)]
    pub country: TextField<'a>,
    #[serde(borrow, default)]
    pub product: TextField<'a>,
    #[serde(default)]
    pub followers: JsonField<Followers>,
    #[serde(borrow, default)]
    pub external_urls: JsonField<ExternalUrls<'a>>,
    #[serde(borrow, default)]
    pub images: JsonField<JsonList<Image<'a>>>,
}

/// A podcast.
#[derive(Debug, Deserialize)]
pub struct Show<'a> {
    #[serde(borrow, default)]
    pub id: TextField<'a>,
    #[serde(borrow, default)]
    pub name: TextField<'a>,
    #[serde(borrow, default)]
    pub uri: TextField<'a>,
    #[serde(borrow, default)]
    pub publisher: TextField<'a>,
    #[serde(borrow, default)]
    pub description: TextField<'a>,
    #[serde(borrow, default)]
    pub html_description: TextField<'a>,
    #[serde(borrow, default)]
    pub media_type: TextField<'a>,
    #[serde(default)]
    pub explicit: JsonField<bool>,
    #[serde(default)]
    pub is_externally_hosted: JsonField<bool>,
    #[serde(default)]
    pub total_episodes: JsonField<JsonInt>,
    #[serde(borrow, default)]
    pub external_urls: JsonField<ExternalUrls<'a>>,
    #[serde(borrow, default)]
    pub languages: JsonField<JsonList<JsonText<'a>>>,
    #[serde(borrow, default)]
    pub copyrights: JsonField<JsonList<Copyright<'a>>>,
    #[serde(borrow, default)]
    pub images: JsonField<JsonList<Image<'a>>>,
    #[serde(borrow, default, deserialize_with = "optional")]
    pub episodes: Option<PageObject<'a>>,
}

/// `resume_point`: how far the user listened.
#[derive(Debug, Deserialize)]
pub struct ResumePoint {
    #[serde(default)]
    pub fully_played: JsonField<bool>,
    #[serde(default)]
    pub resume_position_ms: JsonField<JsonInt>,
}

/// An episode of a podcast, or a chapter of an audiobook: Spotify gives both the same shape.
#[derive(Debug, Deserialize)]
pub struct Episode<'a> {
    #[serde(borrow, default)]
    pub id: TextField<'a>,
    #[serde(borrow, default)]
    pub name: TextField<'a>,
    #[serde(borrow, default)]
    pub uri: TextField<'a>,
    #[serde(borrow, default)]
    pub description: TextField<'a>,
    #[serde(borrow, default)]
    pub html_description: TextField<'a>,
    #[serde(borrow, default)]
    pub release_date: TextField<'a>,
    #[serde(borrow, default)]
    pub release_date_precision: TextField<'a>,
    #[serde(default)]
    pub duration_ms: JsonField<JsonInt>,
    #[serde(default)]
    pub chapter_number: JsonField<JsonInt>,
    #[serde(default)]
    pub explicit: JsonField<bool>,
    #[serde(default)]
    pub is_externally_hosted: JsonField<bool>,
    #[serde(borrow, default)]
    pub audio_preview_url: TextField<'a>,
    #[serde(borrow, default)]
    pub external_urls: JsonField<ExternalUrls<'a>>,
    #[serde(borrow, default)]
    pub languages: JsonField<JsonList<JsonText<'a>>>,
    #[serde(borrow, default)]
    pub images: JsonField<JsonList<Image<'a>>>,
    #[serde(default)]
    pub is_playable: JsonField<bool>,
    #[serde(borrow, default)]
    pub restrictions: JsonField<Restrictions<'a>>,
    #[serde(default)]
    pub resume_point: JsonField<ResumePoint>,
    /// In the shape of a track, an episode has its show here.
    #[serde(borrow, default)]
    pub album: RawEntry<'a>,
    #[serde(borrow, default)]
    pub show: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub audiobook: Option<&'a RawValue>,
}

/// An audiobook.
#[derive(Debug, Deserialize)]
pub struct Audiobook<'a> {
    #[serde(borrow, default)]
    pub id: TextField<'a>,
    #[serde(borrow, default)]
    pub name: TextField<'a>,
    #[serde(borrow, default)]
    pub uri: TextField<'a>,
    #[serde(borrow, default)]
    pub publisher: TextField<'a>,
    #[serde(borrow, default)]
    pub edition: TextField<'a>,
    #[serde(borrow, default)]
    pub description: TextField<'a>,
    #[serde(borrow, default)]
    pub html_description: TextField<'a>,
    #[serde(borrow, default)]
    pub media_type: TextField<'a>,
    #[serde(default)]
    pub explicit: JsonField<bool>,
    #[serde(default)]
    pub total_chapters: JsonField<JsonInt>,
    #[serde(borrow, default)]
    pub external_urls: JsonField<ExternalUrls<'a>>,
    #[serde(borrow, default)]
    pub authors: JsonField<JsonList<NamedPerson<'a>>>,
    #[serde(borrow, default)]
    pub narrators: JsonField<JsonList<NamedPerson<'a>>>,
    #[serde(borrow, default)]
    pub languages: JsonField<JsonList<JsonText<'a>>>,
    #[serde(borrow, default)]
    pub copyrights: JsonField<JsonList<Copyright<'a>>>,
    #[serde(borrow, default)]
    pub images: JsonField<JsonList<Image<'a>>>,
    #[serde(borrow, default, deserialize_with = "optional")]
    pub chapters: Option<PageObject<'a>>,
}

/// A browse category.
#[derive(Debug, Deserialize)]
pub struct Category<'a> {
    #[serde(borrow, default)]
    pub id: TextField<'a>,
    #[serde(borrow, default)]
    pub name: TextField<'a>,
    #[serde(borrow, default)]
    pub icons: JsonField<JsonList<Image<'a>>>,
}

/// An entry of a user's library or history: when, and the entity as raw JSON.
#[derive(Debug)]
pub struct SavedObject<'a> {
    pub added_at: JsonField<JsonTime<'a>>,
    pub played_at: JsonField<JsonTime<'a>>,
    pub context: JsonField<PlayContext<'a>>,
    /// `None` for null, and where the entry is the entity itself.
    pub entity: Option<&'a str>,
}

/// The fields of [`SavedObject`] other than the entity, to find out which of them were sent in another type.
#[derive(Debug, Deserialize)]
pub struct SavedObjectFields<'a> {
    #[serde(borrow, default)]
    pub added_at: JsonField<JsonTime<'a>>,
    #[serde(borrow, default)]
    pub played_at: JsonField<JsonTime<'a>>,
    #[serde(borrow, default)]
    pub context: JsonField<PlayContext<'a>>,
}

impl<'a> SavedObject<'a> {
    /// Reads an entry of a page, which is JSON, without going through the entity in it once more.
    ///
    /// # Errors
    /// If it is no object, or one of its values is of another kind.
    pub fn read(raw: &'a str, kind: EntityKind) -> serde_json::Result<Self> {
        if !raw.starts_with('{') {
            return Err(serde::de::Error::custom("it is not an object"));
        }
        let [added_at, played_at, context, entity] =
            scan::find_values(raw, ["added_at", "played_at", "context", kind.as_str()]);
        Ok(SavedObject {
            added_at: field(added_at)?,
            played_at: field(played_at)?,
            context: field(context)?,
            entity: entity.filter(|raw| *raw != "null"),
        })
    }
}

/// What a play was played from.
#[derive(Debug, Deserialize)]
pub struct PlayContext<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: TextField<'a>,
    #[serde(borrow, default)]
    pub uri: TextField<'a>,
}

/// Objects are read field by field; any other JSON type in their place is unreadable.
macro_rules! lenient_objects {
    ($($object:ty),* $(,)?) => {
        $(impl<'de: 'a, 'a> LenientValue<'de> for $object {
            fn from_object<A: MapAccess<'de>>(object: A) -> Result<Lenient<Self>, A::Error> {
                lenient::read_object(object)
            }
        })*
    };
}

lenient_objects! { ExternalUrls<'a>, ExternalIds<'a>, Image<'a>, Restrictions<'a>, LinkedTrack<'a>, Copyright<'a>, NamedPerson<'a>, Artist<'a>, UserProfile<'a>, PlayContext<'a>, PageObject<'a>, PageCursors<'a> }

impl<'de> LenientValue<'de> for Followers {
    fn from_object<A: MapAccess<'de>>(object: A) -> Result<Lenient<Self>, A::Error> {
        lenient::read_object(object)
    }

    fn from_int(total: i64) -> Lenient<Self> {
        Lenient::Converted(Followers { total: JsonField::Value(JsonInt(total)) })
    }
}

impl<'de> LenientValue<'de> for ResumePoint {
    fn from_object<A: MapAccess<'de>>(object: A) -> Result<Lenient<Self>, A::Error> {
        lenient::read_object(object)
    }
}

/// Reads an optional object; any other JSON type in its place counts as none.
pub(super) fn optional<'de, D: Deserializer<'de>, T: LenientValue<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(match JsonField::<T>::deserialize(deserializer)? {
        JsonField::Value(value) => Some(value),
        JsonField::Absent | JsonField::Null | JsonField::Unreadable => None,
    })
}
