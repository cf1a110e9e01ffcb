//! The list of an album's tracks, as far as the answer about the album holds it.

use crate::ingest::{self, IngestContext, IngestError};
use crate::store::{Checkpoint, ListKey, ListProof, WriteTx, list_commit, lists};
use crate::stream::{ALBUM_TRACKS, EntryKind};
use spotify_client::client::ApiResponse;
use spotify_client::page::{Envelope, RawPage};

/// The key of the list of an album's tracks.
pub(super) fn album_tracks_key(album: &str, asked: &IngestContext) -> ListKey {
    ListKey {
        kind: ALBUM_TRACKS,
        parent_id: album.to_owned(),
        audience: asked.user_id.clone().unwrap_or_else(|| "app".into()),
        market: asked.market.clone(),
        variant: String::new(),
    }
}

/// Writes the tracks that the answer about an album holds: as the whole list if they are all there, and
/// otherwise as the start of a read, if one is wanted.
pub(super) fn write_album_tracks(
    s: &mut WriteTx,
    (album, answer): (&str, &ApiResponse),
    start_read: bool,
    (asked, run): (&IngestContext, i64),
) -> Result<(), IngestError> {
    let Ok(Some(page)) = RawPage::read(answer, Envelope::Key("tracks")) else { return Ok(()) };
    let is_whole = page.total.is_none_or(|total| page.served() >= total);
    if !is_whole && !start_read {
        return Ok(());
    }
    let key = album_tracks_key(album, asked);
    let list = lists::open(s, &key)?.id;
    lists::discard_checkpoint(s, list)?;
    let staged = ingest::stage_entries(s, list, EntryKind::AlbumTracks, album, 0, &page.entries(), asked)?;
    let skipped = i64::try_from(staged.unstored.len()).unwrap_or(i64::MAX);
    if is_whole {
        let proof = ListProof { announced: page.total, served: page.served(), skipped, ..ListProof::default() };
        list_commit::commit(s, list, &key, &proof, run, &asked.now)?;
    } else {
        let at = Checkpoint { next_offset: page.served(), announced: page.total, skipped, ..Checkpoint::default() };
        lists::save_checkpoint(s, list, run, &at, &asked.now)?;
    }
    Ok(())
}
