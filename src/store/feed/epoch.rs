//! Notices that a store was replaced by a backup: the state folder remembers the newest version of each store.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{FeedState, STORE_ID, feed_state, store_id};
use crate::store::{canonical_path, info};

/// How often a writer notes its version while it writes. What a killed writer did not note is noted by the next one.
const NOTE_EVERY: Duration = Duration::from_secs(5);

/// The note about one store in the state folder.
#[derive(Debug)]
pub(in crate::store) struct EpochRecord {
    /// None if there is no state folder, as in tests.
    file: Option<PathBuf>,
    noted_at: Option<Instant>,
    noted: Option<FeedNote>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FeedNote {
    store: PathBuf,
    epoch: String,
    version: i64,
}

impl EpochRecord {
    fn of(state_folder: &Path, store: &Path) -> EpochRecord {
        let store = canonical_path(store);
        let name = format!("feed-{:016x}.json", xxh3_64(store.as_os_str().as_encoded_bytes()));
        let file = state_folder.is_dir().then(|| state_folder.join(name));
        EpochRecord { file, noted_at: None, noted: None }
    }

    /// A record that notes nothing.
    pub(in crate::store) fn none() -> EpochRecord {
        EpochRecord { file: None, noted_at: None, noted: None }
    }

    /// Whether a store of this epoch had a later version, here or under another path.
    fn had_later(&self, now: &FeedState) -> bool {
        let Some(entries) = self.file.as_ref().and_then(|file| std::fs::read_dir(file.parent()?).ok()) else {
            return false;
        };
        let is_note = |name: &str| name.starts_with("feed-") && name.ends_with(".json");
        let paths = entries.flatten().filter(|entry| is_note(&entry.file_name().to_string_lossy()));
        let mut notes = paths.filter_map(|entry| read_note(&entry.path()));
        notes.any(|note| note.epoch == now.epoch && note.version > now.version)
    }

    /// Notes the version, unless that was done a moment ago.
    pub(in crate::store) fn note_sometimes(&mut self, conn: &Connection, store: &Path) {
        if self.file.is_some() && self.noted_at.is_none_or(|at| at.elapsed() >= NOTE_EVERY) {
            self.note(conn, store);
        }
    }

    /// Notes the version. A failure is no failure of the writer: the note only serves to notice a restored backup.
    pub(in crate::store) fn note(&mut self, conn: &Connection, store: &Path) {
        let Some(file) = &self.file else { return };
        self.noted_at = Some(Instant::now());
        let Ok(FeedState { version, epoch, .. }) = feed_state(conn) else { return };
        let note = FeedNote { store: canonical_path(store), epoch, version };
        if self.noted.as_ref() == Some(&note) {
            return;
        }
        match write_note(file, &note) {
            Ok(()) => self.noted = Some(note),
            Err(error) => tracing::debug!(%error, file = %file.display(), "the version of the store is not noted"),
        }
    }
}

fn read_note(path: &Path) -> Option<FeedNote> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn write_note(path: &Path, note: &FeedNote) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut file, note)?;
    file.flush()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Begins a new epoch if the store is older than it was, or of another epoch: its next versions may already belong to
/// other rows. Returns the record, in which later versions are noted.
pub(in crate::store) fn begin_epoch_if_restored(
    conn: &Connection,
    store: &Path,
    state_folder: &Path,
) -> rusqlite::Result<EpochRecord> {
    let mut record = EpochRecord::of(state_folder, store);
    // First the notes and then the store: another process may be writing it and noting its versions.
    record.noted = record.file.as_deref().and_then(read_note);
    let now = feed_state(conn)?;
    if info::get_value(conn, STORE_ID)?.is_none() {
        // Before a new epoch begins: a backup that was made before the store had an id gets the same one.
        info::set_value(conn, STORE_ID, &store_id(conn)?)?;
    }
    if record.noted.as_ref().is_some_and(|noted| noted.epoch != now.epoch) || record.had_later(&now) {
        let epoch: String = conn.query_row("SELECT lower(hex(randomblob(8)))", [], |row| row.get(0))?;
        info::set_value(conn, "feed_epoch", &epoch)?;
        tracing::info!(
            "the store was replaced by an earlier one, so copies of it in other databases are written again"
        );
    }
    record.note(conn, store);
    Ok(record)
}
