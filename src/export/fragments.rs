//! A cache for the rendered cells of entities that occur in many rows.
//!
//! A million playlist items contain perhaps ten thousand tracks, and the cells of a track cost six look-ups and
//! two sorted lists. The rendered cells are kept as bytes in one arena of limited size. A full arena
//! is kept until it has missed as often as it has entries: a working set that is slightly too
//! large then loses little, and an outdated working set is replaced.

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_128;

use super::cell::CellMark;

/// Size of the arena. 50,000 tracks with all default columns take about 16 MiB.
const ARENA_BYTES: usize = 20 << 20;

/// The rendered cells of one entity.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct CsvFragment {
    /// The cells, one run after the other. Within a run there are delimiters between the cells.
    pub bytes: Vec<u8>,
    /// Where each run ends.
    pub ends: Vec<u32>,
    /// Columns of the entity that the formula guard changed, one bit each.
    pub guarded: u64,
    /// Columns that contained a NUL.
    pub nul: u64,
    /// Columns that are too long for Excel.
    pub long: u64,
}

impl CsvFragment {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        (self.guarded, self.nul, self.long) = (0, 0, 0);
    }

    /// Ends a run of cells.
    pub(super) fn end_run(&mut self) -> std::io::Result<()> {
        let end = u32::try_from(self.bytes.len()).map_err(|_| std::io::Error::other("a row of over 4 GiB"))?;
        self.ends.push(end);
        Ok(())
    }

    /// Records the mark of the cell in a column of the entity (below 64).
    pub(super) fn mark(&mut self, column: usize, mark: CellMark) {
        self.guarded |= u64::from(mark.guarded) << column;
        self.nul |= u64::from(mark.nul) << column;
        self.long |= u64::from(mark.long) << column;
    }
}

/// The place of a fragment in the arena: the ends of its runs, then its bytes.
struct FragmentEntry {
    at: u32,
    len: u32,
}

/// A cache of fragments by key, of limited size. It stores the 128-bit hash of the key, which is
/// a third of its size. A collision among a billion entities is less likely than a broken disk.
#[derive(Default)]
pub(super) struct FragmentCache {
    runs: usize,
    index: FxHashMap<u128, FragmentEntry>,
    arena: Vec<u8>,
    marks: FxHashMap<u32, (u64, u64, u64)>,
    missed: usize,
}

impl FragmentCache {
    /// A cache for fragments with this number of runs.
    pub(super) fn new(runs: usize) -> Self {
        FragmentCache { runs, index: FxHashMap::default(), arena: Vec::new(), marks: FxHashMap::default(), missed: 0 }
    }

    /// Copies the fragment of this key into `into`, if it is cached.
    pub(super) fn find(&mut self, key: &[u8], into: &mut CsvFragment) -> bool {
        let Some(entry) = self.index.get(&xxh3_128(key)) else {
            self.missed += 1;
            return false;
        };
        let ends = entry.at as usize;
        let bytes = ends + 4 * self.runs;
        into.clear();
        into.ends.extend(self.arena[ends..bytes].chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        into.bytes.extend_from_slice(&self.arena[bytes..bytes + entry.len as usize]);
        if !self.marks.is_empty()
            && let Some(marks) = self.marks.get(&entry.at)
        {
            (into.guarded, into.nul, into.long) = *marks;
        }
        true
    }

    /// Adds a fragment, unless there is no room for it now.
    pub(super) fn insert(&mut self, key: &[u8], fragment: &CsvFragment) {
        let size = 4 * self.runs + fragment.bytes.len();
        if self.arena.len() + size > ARENA_BYTES {
            if size > ARENA_BYTES || self.missed <= self.index.len() {
                return;
            }
            self.index.clear();
            self.marks.clear();
            self.arena.clear();
        }
        // Allocate the whole arena at once: growing by doubling fragments the heap, and the next export of the run
        // would fragment it further. Unused pages take no memory.
        if self.arena.capacity() == 0 {
            self.arena.reserve_exact(ARENA_BYTES);
        }
        let small = "the arena is smaller than 4 GiB";
        let at = u32::try_from(self.arena.len()).expect(small);
        let len = u32::try_from(fragment.bytes.len()).expect(small);
        self.arena.extend(fragment.ends.iter().flat_map(|end| end.to_le_bytes()));
        self.arena.extend_from_slice(&fragment.bytes);
        if (fragment.guarded, fragment.nul, fragment.long) != (0, 0, 0) {
            self.marks.insert(at, (fragment.guarded, fragment.nul, fragment.long));
        }
        self.index.insert(xxh3_128(key), FragmentEntry { at, len });
        self.missed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(n: usize, size: usize) -> CsvFragment {
        CsvFragment {
            bytes: vec![b'x'; size],
            ends: vec![1, u32::try_from(size).unwrap()],
            guarded: n as u64 % 3,
            nul: 0,
            long: 0,
        }
    }

    #[test]
    fn what_was_kept_is_found_as_it_was() {
        let mut kept = FragmentCache::new(2);
        for n in 0..1000 {
            kept.insert(n.to_string().as_bytes(), &fragment(n, 1 + n));
        }
        let mut found = CsvFragment::default();
        for n in 0..1000 {
            assert!(kept.find(n.to_string().as_bytes(), &mut found));
            assert_eq!(found, fragment(n, 1 + n));
        }
        assert!(!kept.find(b"none", &mut found));
    }

    #[test]
    fn new_working_set_replaces_the_old_one() {
        let mut kept = FragmentCache::new(2);
        let mut found = CsvFragment::default();
        for n in 0..200_000_usize {
            let key = n.to_string();
            if !kept.find(key.as_bytes(), &mut found) {
                kept.insert(key.as_bytes(), &fragment(n, 500));
            }
            assert!(kept.arena.len() <= ARENA_BYTES);
        }
        assert!((150_000..200_000_usize).any(|n| kept.find(n.to_string().as_bytes(), &mut found)));
    }
}
