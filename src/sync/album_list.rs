//! The list of an album's tracks, as far as the answer about the album holds it.

use super::anomalies::is_known_shortfall;
use super::brake::{SUSPECT_BATCH, describe_kept};
use super::context::{FetchContext, SyncContext};
use super::publication::{Publication, PublishOutcome, publish};
use super::skip_notes::SkipNotes;
use crate::ingest::{self, IngestContext, IngestError};
use crate::store::{Checkpoint, ListKey, ListProof, WriteTx, entity, list_proof, lists};
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

/// Circumstances under which albums are read.
#[derive(Debug, Clone)]
pub(super) struct AlbumReading {
    pub asked: IngestContext,
    /// Name of the job.
    pub job: String,
    /// Notes of the fetch that reads the albums.
    pub notes: SkipNotes,
    /// A suspicious batch of tracks is published all the same.
    pub accepts_batch: bool,
}

impl AlbumReading {
    pub(super) fn new(sync: &SyncContext, context: &FetchContext) -> AlbumReading {
        let asked = context.asked(sync.now());
        let notes = SkipNotes::new(sync, context, None, asked.now.clone());
        let accepts_batch = sync.full || context.accepts_batch;
        AlbumReading { asked, job: context.job.clone(), notes, accepts_batch }
    }
}

/// What came of the tracks in the answer about an album.
#[derive(Debug, Default)]
pub(super) struct IncludedTracks {
    /// Tracks that could not be stored, if the list is whole. Otherwise its read counts them.
    pub skipped: i64,
    /// Why the tracks were left out, if they were.
    pub left_out: Option<String>,
}

/// Writes the tracks that the answer about an album holds: as the whole list if they are all there, and
/// otherwise as the start of a read, if one is wanted.
pub(super) fn write_album_tracks(
    s: &mut WriteTx,
    (album, answer): (&str, &ApiResponse),
    start_read: bool,
    reading: &AlbumReading,
) -> Result<IncludedTracks, IngestError> {
    let (asked, run) = (&reading.asked, reading.notes.run);
    let key = album_tracks_key(album, asked);
    let Ok(Some(page)) = RawPage::read(answer, Envelope::Key("tracks")) else {
        if start_read {
            // The tracks are requested by themselves.
            let list = lists::open(s, &key)?.id;
            lists::discard_checkpoint(s, list)?;
            lists::save_checkpoint(s, list, run, &Checkpoint::default(), &asked.now)?;
        }
        return Ok(IncludedTracks::default());
    };
    let (announced, served) = (announced_tracks(s, album, &page)?, page.served());
    let known = lists::find(s, &key)?.unwrap_or_default();
    // A constant difference is what Spotify has: the list was read to its end before.
    let is_short_as_before = announced.is_some_and(|total| is_known_shortfall(&known, total, served));
    let is_as_before = known.whole_at.is_some() && known.served == Some(served) && known.announced == page.total;
    let is_whole = !page.more && (is_short_as_before || is_as_before || announced.is_none_or(|total| served >= total));
    if !is_whole && !start_read {
        return Ok(IncludedTracks::default());
    }
    let row = lists::open(s, &key)?;
    let list = row.id;
    lists::discard_checkpoint(s, list)?;
    let staged = ingest::stage_entries(s, list, EntryKind::AlbumTracks, album, 0, &page.entries(), asked)?;
    let notes = SkipNotes { parent_id: Some(album.to_owned()), ..reading.notes.clone() };
    let skipped = notes.record_page(s, list, staged)?;
    if is_whole {
        let announced = if is_as_before && !is_short_as_before { page.total } else { announced };
        let proof = ListProof { announced, served, skipped, ..ListProof::default() };
        let is_accepted = reading.accepts_batch;
        let publication = Publication {
            list,
            key: &key,
            max_items: None,
            proof: &proof,
            unread: &[],
            known_gaps: &[],
            run,
            now: &asked.now,
            is_accepted,
            is_emptied_twice: false,
            notes: &notes,
        };
        if let PublishOutcome::Suspect { detail } = publish(s, &publication)? {
            list_proof::record_unproved(s, list, &proof, run, SUSPECT_BATCH, &asked.now)?;
            lists::discard_checkpoint(s, list)?;
            notes.record_suspect(s, &detail)?;
            let kept = describe_kept(row.whole_at.as_deref().unwrap_or_default(), &reading.job, &notes.fetch);
            let left_out = Some(format!("{album}: {SUSPECT_BATCH}: {detail}; {kept}"));
            return Ok(IncludedTracks { skipped, left_out });
        }
        let wrong_total = announced
            .filter(|_| is_short_as_before)
            .map(|total| format!("Spotify announced {total} items, and the list ended after {served}"));
        let skipped = skipped + i64::from(wrong_total.is_some());
        notes.record_wrong_total(s, wrong_total)?;
        Ok(IncludedTracks { skipped, left_out: None })
    } else {
        let announced = announced.filter(|total| *total > served);
        let at = Checkpoint { next_offset: served, announced, skipped, ..Checkpoint::default() };
        lists::save_checkpoint(s, list, run, &at, &asked.now)?;
        Ok(IncludedTracks::default())
    }
}

/// The number of an album's tracks: the total of the page in its answer, if that fits the page and is not less than the
/// album's own number, and otherwise that.
fn announced_tracks(s: &WriteTx, album: &str, page: &RawPage) -> Result<Option<i64>, IngestError> {
    let fits = |total: &i64| *total > page.served() || (*total == page.served() && !page.more);
    let own = entity::album_track_counts(s, &[album.to_owned()])?.into_iter().next().flatten();
    let total = page.total.filter(fits);
    // Whether an album without tracks is believed is for the brake to decide.
    let is_empty = page.served() == 0 && total.is_some();
    Ok(if is_empty { total } else { total.max(own) })
}
