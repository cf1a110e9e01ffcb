//! The shapes of Spotify's responses for both app classes. Nothing is decided about them here.

mod field;
mod lenient;
mod object_id;
#[expect(missing_docs, reason = "the fields are Spotify's own, under Spotify's own names")]
mod objects;
mod page;
pub mod scan;
mod version;

pub use field::{HasNextPage, JsonField, JsonInt, JsonList, JsonText, JsonTime};
pub use lenient::{FieldAnomaly, find_field_anomalies, take_anomaly_count};
pub use object_id::id_of;
pub use objects::{
    Album, Artist, Audiobook, Category, Copyright, EntryDiscriminator, Episode, ExternalIds, ExternalUrls, Followers,
    Image, LinkedTrack, LocalAlbum, NamedPerson, OtherItem, PlayContext, Playlist, PlaylistItem, PlaylistItemFields,
    Restrictions, ResumePoint, SavedObject, SavedObjectFields, Show, Track, UserProfile,
};
pub use page::{PageCursors, PageObject, RawEntry};
pub use version::JsonVersion;
