//! Counters of a read.

use crate::store::{Checkpoint, FetchRecord};

/// Counters of a read, of one list or of a whole fetch.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordCounts {
    /// Entities and lists that were fresh or unchanged.
    pub unchanged: i64,
    /// Entities and lists that were read.
    pub read: i64,
    /// Lists that were read incrementally: from the newest item to the first known one.
    pub presumed: i64,
    /// Items that Spotify announced, if it did.
    pub announced: Option<i64>,
    /// Items that Spotify served, nulls included.
    pub served: i64,
    /// Rows that are published.
    pub stored: i64,
    /// Items with a row in `skipped_items`.
    pub skipped: i64,
}

impl RecordCounts {
    /// The counts of a list, once its rows are published. This run served its items from an offset on, except for those
    /// that could not be read.
    pub(super) fn of_read(at: &Checkpoint, stored: i64, (from, unread): (i64, i64)) -> RecordCounts {
        let count = |items: usize| i64::try_from(items).unwrap_or(i64::MAX);
        RecordCounts {
            announced: at.announced,
            served: at.next_offset - from - unread,
            stored,
            skipped: at.skipped + count(at.unread.len()),
            ..RecordCounts::default()
        }
    }

    /// Adds the counts of another read.
    pub fn add(&mut self, other: RecordCounts) {
        self.unchanged += other.unchanged;
        self.read += other.read;
        self.presumed += other.presumed;
        self.served += other.served;
        self.stored += other.stored;
        self.skipped += other.skipped;
        if let Some(announced) = other.announced {
            *self.announced.get_or_insert(0) += announced;
        }
    }

    /// Copies the counts into the record of a fetch.
    pub fn write_to(self, record: &mut FetchRecord) {
        record.unchanged = self.unchanged;
        record.presumed = self.presumed;
        record.announced = self.announced;
        record.served = self.served;
        record.stored = self.stored;
        record.skipped = self.skipped;
    }
}
