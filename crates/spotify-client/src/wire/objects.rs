//! Spotify's objects, full and simplified in one shape each: every key may be missing.
//!
//! Which of the two an object is follows from where it stands, not from its keys, so the reader of
//! an endpoint says so. Unknown keys are ignored. Where Development Mode renamed a key (February
//! 2026), both names are fields: an answer may hold both, and serde's `alias` would refuse that.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::field::{Field, Int, Text};
use super::page::{Entry, Page};
use super::scan;

type Str<'a> = Field<Text<'a>>;

/// `external_urls`.
#[derive(Debug, Deserialize, Default)]
pub struct Links<'a> {
    /// The page on open.spotify.com.
    #[serde(borrow, default)]
    pub spotify: Str<'a>,
}

/// `external_ids`.
#[derive(Debug, Deserialize, Default)]
pub struct Codes<'a> {
    /// International Standard Recording Code.
    #[serde(borrow, default)]
    pub isrc: Str<'a>,
    /// International Article Number.
    #[serde(borrow, default)]
    pub ean: Str<'a>,
    /// Universal Product Code.
    #[serde(borrow, default)]
    pub upc: Str<'a>,
}

/// A picture.
#[derive(Debug, Deserialize)]
pub struct Image<'a> {
    /// Where it is.
    #[serde(borrow, default)]
    pub url: Str<'a>,
    /// Pixels across.
    #[serde(default)]
    pub width: Field<Int>,
    /// Pixels down.
    #[serde(default)]
    pub height: Field<Int>,
}

/// `followers`.
#[derive(Debug, Deserialize, Default)]
pub struct Followers {
    /// How many.
    #[serde(default)]
    pub total: Field<Int>,
}

/// `restrictions`.
#[derive(Debug, Deserialize, Default)]
pub struct Restrictions<'a> {
    /// market, product, explicit, …
    #[serde(borrow, default)]
    pub reason: Str<'a>,
}

/// An object of which only the id matters here.
#[derive(Debug, Deserialize, Default)]
pub struct Linked<'a> {
    /// Its id.
    #[serde(borrow, default)]
    pub id: Str<'a>,
}

/// A copyright line.
#[derive(Debug, Deserialize)]
pub struct Copyright<'a> {
    /// The line.
    #[serde(borrow, default)]
    pub text: Str<'a>,
    /// C or P.
    #[serde(borrow, default, rename = "type")]
    pub kind: Str<'a>,
}

/// Somebody with a name: an author or narrator.
#[derive(Debug, Deserialize)]
pub struct Named<'a> {
    /// The name.
    #[serde(borrow, default)]
    pub name: Str<'a>,
}

/// An artist.
#[derive(Debug, Deserialize)]
pub struct Artist<'a> {
    #[serde(borrow, default)]
    pub id: Str<'a>,
    #[serde(borrow, default)]
    pub name: Str<'a>,
    #[serde(borrow, default)]
    pub uri: Str<'a>,
    #[serde(borrow, default)]
    pub external_urls: Field<Links<'a>>,
    #[serde(borrow, default)]
    pub genres: Field<Vec<Text<'a>>>,
    #[serde(default)]
    pub followers: Field<Followers>,
    #[serde(default)]
    pub popularity: Field<Int>,
    #[serde(borrow, default)]
    pub images: Field<Vec<Image<'a>>>,
}

/// An album; in discographies with `album_group`, whole with its first page of tracks.
#[derive(Debug, Deserialize)]
pub struct Album<'a> {
    #[serde(borrow, default)]
    pub id: Str<'a>,
    #[serde(borrow, default)]
    pub name: Str<'a>,
    #[serde(borrow, default)]
    pub uri: Str<'a>,
    #[serde(borrow, default)]
    pub album_type: Str<'a>,
    #[serde(borrow, default)]
    pub album_group: Str<'a>,
    #[serde(borrow, default)]
    pub release_date: Str<'a>,
    #[serde(borrow, default)]
    pub release_date_precision: Str<'a>,
    #[serde(default)]
    pub total_tracks: Field<Int>,
    #[serde(borrow, default)]
    pub label: Str<'a>,
    #[serde(default)]
    pub popularity: Field<Int>,
    #[serde(borrow, default)]
    pub external_ids: Field<Codes<'a>>,
    #[serde(borrow, default)]
    pub external_urls: Field<Links<'a>>,
    #[serde(borrow, default)]
    pub artists: Field<Vec<Artist<'a>>>,
    #[serde(borrow, default)]
    pub copyrights: Field<Vec<Copyright<'a>>>,
    #[serde(borrow, default)]
    pub images: Field<Vec<Image<'a>>>,
    #[serde(borrow, default)]
    pub tracks: Option<Page<'a>>,
}

/// A track, whole or simplified.
#[derive(Debug, Deserialize)]
pub struct Track<'a> {
    #[serde(borrow, default)]
    pub id: Str<'a>,
    #[serde(borrow, default)]
    pub name: Str<'a>,
    #[serde(borrow, default)]
    pub uri: Str<'a>,
    #[serde(borrow, default)]
    pub album: Entry<'a>,
    #[serde(borrow, default)]
    pub artists: Field<Vec<Artist<'a>>>,
    #[serde(default)]
    pub disc_number: Field<Int>,
    #[serde(default)]
    pub track_number: Field<Int>,
    #[serde(default)]
    pub duration_ms: Field<Int>,
    #[serde(default)]
    pub explicit: Field<bool>,
    #[serde(default)]
    pub popularity: Field<Int>,
    #[serde(borrow, default)]
    pub external_ids: Field<Codes<'a>>,
    #[serde(borrow, default)]
    pub external_urls: Field<Links<'a>>,
    #[serde(borrow, default)]
    pub preview_url: Str<'a>,
    #[serde(default)]
    pub is_playable: Field<bool>,
    #[serde(borrow, default)]
    pub restrictions: Field<Restrictions<'a>>,
    #[serde(borrow, default)]
    pub linked_from: Field<Linked<'a>>,
}

/// The album of a local file: a name and nothing else.
#[derive(Debug, Deserialize)]
pub struct LocalAlbum<'a> {
    #[serde(borrow, default)]
    pub name: Str<'a>,
}

/// What tells the items of a playlist apart before they are read whole.
#[derive(Debug, Deserialize)]
pub struct Discriminator<'a> {
    #[serde(borrow, default)]
    pub id: Str<'a>,
    #[serde(borrow, default)]
    pub uri: Str<'a>,
    #[serde(borrow, default, rename = "type")]
    pub kind: Str<'a>,
    #[serde(default)]
    pub is_local: Field<bool>,
}

/// An entry of a playlist, with what stands there unread. `item` is today's name, `track` that of
/// Extended Quota.
#[derive(Debug)]
pub struct PlaylistItem<'a> {
    pub added_at: Str<'a>,
    pub added_by: Field<User<'a>>,
    pub is_local: Field<bool>,
    pub item: Option<&'a str>,
    pub track: Option<&'a str>,
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
        fn field<'a, T: Deserialize<'a>>(raw: Option<&'a str>) -> serde_json::Result<Field<T>> {
            raw.map_or(Ok(Field::Absent), serde_json::from_str)
        }
        let keys = ["added_at", "added_by", "is_local", "item", "track"];
        let [added_at, added_by, is_local, item, track] = scan::values(raw, keys);
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
    pub id: Str<'a>,
    #[serde(borrow, default)]
    pub name: Str<'a>,
    #[serde(borrow, default)]
    pub uri: Str<'a>,
    #[serde(borrow, default)]
    pub description: Str<'a>,
    #[serde(borrow, default)]
    pub owner: Field<User<'a>>,
    #[serde(default)]
    pub public: Field<bool>,
    #[serde(default)]
    pub collaborative: Field<bool>,
    #[serde(borrow, default)]
    pub snapshot_id: Str<'a>,
    #[serde(default)]
    pub followers: Field<Followers>,
    #[serde(borrow, default)]
    pub external_urls: Field<Links<'a>>,
    #[serde(borrow, default)]
    pub images: Field<Vec<Image<'a>>>,
    #[serde(borrow, default)]
    pub items: Option<Page<'a>>,
    #[serde(borrow, default)]
    pub tracks: Option<Page<'a>>,
}

impl<'a> Playlist<'a> {
    /// The contents, under whichever name they came; of both, the one that holds entries.
    pub fn contents(&self) -> Option<&Page<'a>> {
        match (&self.items, &self.tracks) {
            (Some(items), _) if items.items.is_some() => Some(items),
            (_, Some(tracks)) if tracks.items.is_some() => Some(tracks),
            (items, tracks) => items.as_ref().or(tracks.as_ref()),
        }
    }
}

/// A user: owner, contributor or the signed-in one.
#[derive(Debug, Deserialize)]
pub struct User<'a> {
    #[serde(borrow, default)]
    pub id: Str<'a>,
    #[serde(borrow, default)]
    pub account_id: Str<'a>,
    #[serde(borrow, default)]
    pub display_name: Str<'a>,
    #[serde(borrow, default)]
    pub uri: Str<'a>,
    #[serde(borrow, default)]
    pub country: Str<'a>,
    #[serde(borrow, default)]
    pub product: Str<'a>,
    #[serde(default)]
    pub followers: Field<Followers>,
    #[serde(borrow, default)]
    pub external_urls: Field<Links<'a>>,
    #[serde(borrow, default)]
    pub images: Field<Vec<Image<'a>>>,
}

/// A podcast.
#[derive(Debug, Deserialize)]
pub struct Show<'a> {
    #[serde(borrow, default)]
    pub id: Str<'a>,
    #[serde(borrow, default)]
    pub name: Str<'a>,
    #[serde(borrow, default)]
    pub uri: Str<'a>,
    #[serde(borrow, default)]
    pub publisher: Str<'a>,
    #[serde(borrow, default)]
    pub description: Str<'a>,
    #[serde(borrow, default)]
    pub html_description: Str<'a>,
    #[serde(borrow, default)]
    pub media_type: Str<'a>,
    #[serde(default)]
    pub explicit: Field<bool>,
    #[serde(default)]
    pub is_externally_hosted: Field<bool>,
    #[serde(default)]
    pub total_episodes: Field<Int>,
    #[serde(borrow, default)]
    pub external_urls: Field<Links<'a>>,
    #[serde(borrow, default)]
    pub languages: Field<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    pub copyrights: Field<Vec<Copyright<'a>>>,
    #[serde(borrow, default)]
    pub images: Field<Vec<Image<'a>>>,
    #[serde(borrow, default)]
    pub episodes: Option<Page<'a>>,
}

/// `resume_point`: how far the user listened.
#[derive(Debug, Deserialize)]
pub struct ResumePoint {
    #[serde(default)]
    pub fully_played: Field<bool>,
    #[serde(default)]
    pub resume_position_ms: Field<Int>,
}

/// An episode of a podcast, or a chapter of an audiobook: Spotify gives both the same shape.
#[derive(Debug, Deserialize)]
pub struct Episode<'a> {
    #[serde(borrow, default)]
    pub id: Str<'a>,
    #[serde(borrow, default)]
    pub name: Str<'a>,
    #[serde(borrow, default)]
    pub uri: Str<'a>,
    #[serde(borrow, default)]
    pub description: Str<'a>,
    #[serde(borrow, default)]
    pub html_description: Str<'a>,
    #[serde(borrow, default)]
    pub release_date: Str<'a>,
    #[serde(borrow, default)]
    pub release_date_precision: Str<'a>,
    #[serde(default)]
    pub duration_ms: Field<Int>,
    #[serde(default)]
    pub chapter_number: Field<Int>,
    #[serde(default)]
    pub explicit: Field<bool>,
    #[serde(default)]
    pub is_externally_hosted: Field<bool>,
    #[serde(borrow, default)]
    pub audio_preview_url: Str<'a>,
    #[serde(borrow, default)]
    pub external_urls: Field<Links<'a>>,
    #[serde(borrow, default)]
    pub languages: Field<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    pub images: Field<Vec<Image<'a>>>,
    #[serde(default)]
    pub is_playable: Field<bool>,
    #[serde(borrow, default)]
    pub restrictions: Field<Restrictions<'a>>,
    #[serde(default)]
    pub resume_point: Field<ResumePoint>,
    #[serde(borrow, default)]
    pub show: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub audiobook: Option<&'a RawValue>,
}

/// An audiobook.
#[derive(Debug, Deserialize)]
pub struct Audiobook<'a> {
    #[serde(borrow, default)]
    pub id: Str<'a>,
    #[serde(borrow, default)]
    pub name: Str<'a>,
    #[serde(borrow, default)]
    pub uri: Str<'a>,
    #[serde(borrow, default)]
    pub publisher: Str<'a>,
    #[serde(borrow, default)]
    pub edition: Str<'a>,
    #[serde(borrow, default)]
    pub description: Str<'a>,
    #[serde(borrow, default)]
    pub html_description: Str<'a>,
    #[serde(borrow, default)]
    pub media_type: Str<'a>,
    #[serde(default)]
    pub explicit: Field<bool>,
    #[serde(default)]
    pub total_chapters: Field<Int>,
    #[serde(borrow, default)]
    pub external_urls: Field<Links<'a>>,
    #[serde(borrow, default)]
    pub authors: Field<Vec<Named<'a>>>,
    #[serde(borrow, default)]
    pub narrators: Field<Vec<Named<'a>>>,
    #[serde(borrow, default)]
    pub languages: Field<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    pub copyrights: Field<Vec<Copyright<'a>>>,
    #[serde(borrow, default)]
    pub images: Field<Vec<Image<'a>>>,
    #[serde(borrow, default)]
    pub chapters: Option<Page<'a>>,
}

/// A browse category.
#[derive(Debug, Deserialize)]
pub struct Category<'a> {
    #[serde(borrow, default)]
    pub id: Str<'a>,
    #[serde(borrow, default)]
    pub name: Str<'a>,
    #[serde(borrow, default)]
    pub icons: Field<Vec<Image<'a>>>,
}

/// An entry of a user's library or history: when, and what.
#[derive(Debug, Deserialize)]
pub struct Saved<'a> {
    #[serde(borrow, default)]
    pub added_at: Str<'a>,
    #[serde(borrow, default)]
    pub played_at: Str<'a>,
    #[serde(borrow, default)]
    pub track: Entry<'a>,
    #[serde(borrow, default)]
    pub album: Entry<'a>,
    #[serde(borrow, default)]
    pub show: Entry<'a>,
    #[serde(borrow, default)]
    pub episode: Entry<'a>,
    #[serde(borrow, default)]
    pub audiobook: Entry<'a>,
    #[serde(borrow, default)]
    pub context: Field<Context<'a>>,
}

/// What a play was played from.
#[derive(Debug, Deserialize)]
pub struct Context<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow, default)]
    pub uri: Str<'a>,
}
