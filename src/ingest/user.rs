//! Users: owners, people who added items, and the signed-in user.

use super::artist::write_images;
use super::cell::{inner, link, noted_id, plain, required_int, required_text};
use super::{IngestContext, IngestError, write_row};
use crate::store::{CellValue, EntityTable, WriteTx};
use spotify_client::EntityKind;
use spotify_client::wire::UserProfile;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Writes a user and returns the id. Spotify has sent empty ids; they count as none.
pub(super) fn write_user(
    s: &mut WriteTx,
    u: &UserProfile<'_>,
    asked: &IngestContext,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = noted_id(&u.id, &u.uri, EntityKind::User, asked) else { return Ok(None) };
    let text_hash = |field| xxh3_64(plain(field).unwrap_or_default().as_bytes());
    let content =
        text_hash(&u.display_name) ^ text_hash(&u.account_id).rotate_left(1) ^ u64::from(u.display_name.is_present());
    let key = xxh3_128(format!("user:{id}").as_bytes());
    if !whole && s.was_written(key, content) {
        return Ok(Some(id.to_owned()));
    }
    s.remember_written(key, content);
    let followers = inner(&u.followers, |f| required_int(&f.total));
    let cells = [
        required_text(&u.account_id),
        CellValue::Absent,
        required_text(&u.display_name),
        required_text(&u.uri),
        required_text(&u.country),
        required_text(&u.product),
        followers,
        link(&u.external_urls),
    ];
    write_row(s, EntityTable::users(), id, &cells, asked, whole)?;
    write_images(s, "user", id, &u.images, asked)?;
    Ok(Some(id.to_owned()))
}
