//! The store: one SQLite file that is the record of everything that was fetched.
//!
//! One thread writes ([`Store`]), one transaction per task ([`WriteTx`]). Readers have their own connections and, thanks
//! to WAL, neither block nor are blocked. Everything is an upsert by key: any run may be killed and repeated.
//!
//! Where to look:
//! - the file: `open`, `open_writer`, `schema`, `migrations`, `migration_backups`, `backup`, `compact`, `wal`, `access`,
//!   `info`, `disk_space`;
//! - writing: `writer_thread`, `write_tx`, `pending_writes`, `row_write`;
//! - entities: `entity`, `entity_table`, `children`, `etags`, `freshness`, `code_matches`;
//! - lists: `lists` (key, row, checkpoint), `staging`, `list_commit` with `members`, `known_rows` and `playlist_commit`, `list_proof`,
//!   `list_quality`, `early_ends`, `known_gaps`, `list_kinds`, `interrupted_reads`;
//! - playlists over time: `playlist_diff`, `replay`, `changes`, `run_changes`, `playlist_names`, `find`;
//! - plays from files: `imported_plays`;
//! - runs: `runs`, `run_history`, `requested`, `skipped_items` with `anomaly_table`, `field_notes`, `skip_list`,
//!   `missing_ids`,
//!   `planned_calls`;
//! - exports: `views`, `query`, `published_files`, `file_marks`, `not_found`, `file_dependencies` with `changed_entities`;
//! - copies in other databases: `feed`;
//! - deleting and checking: `retention`, `purge`, `verify`.

mod access;
pub mod accounts;
pub mod anomaly_table;
mod backup;
mod cell_value;
mod changed_entities;
mod changes;
pub mod children;
pub mod code_matches;
mod compact;
mod dependency_kind;
pub mod digest_rows;
mod disk_space;
pub mod early_ends;
mod empty_schema;
pub mod entity;
mod entity_table;
mod error;
pub mod etags;
pub mod feed;
pub mod field_notes;
mod file_dependencies;
mod file_marks;
mod find;
pub mod freshness;
pub mod future_times;
mod imported_plays;
mod info;
pub mod interrupted_reads;
pub mod known_gaps;
mod known_rows;
pub mod library_playlists;
pub mod list_commit;
mod list_kinds;
pub mod list_proof;
pub mod list_quality;
mod list_result;
pub mod lists;
pub mod members;
mod migration_backups;
mod migrations;
pub mod missing_ids;
mod not_found;
mod open;
mod open_writer;
mod pending_writes;
pub mod planned_calls;
pub mod playlist_commit;
mod playlist_diff;
mod playlist_names;
mod published_files;
pub mod purge;
pub mod query;
mod raw_answers;
mod replay;
pub mod report_rows;
pub mod requested;
pub mod retention;
mod row_hash;
mod row_write;
mod run_changes;
mod run_history;
pub mod runs;
mod schema;
mod schema_comments;
#[cfg(test)]
mod schema_doc;
mod schema_wording;
mod skip_list;
pub mod skipped_items;
pub mod staging;
mod staleness;
mod time_span;
mod time_value;
mod timestamp;
mod upgrade_notes;
mod verify;
pub mod views;
mod wal;
mod write_tx;
mod writer_thread;

pub use access::{AccessTarget, FileAccess};
pub use accounts::{AccountIds, OwnerClaim, PlaylistOwner};
pub use anomaly_table::{Anomaly, AnomalyEffect};
pub use backup::{backup, copy_database, create_draft, remove_abandoned_drafts};
pub use cell_value::CellValue;
pub use changes::{ListChange, ListName, changes_of_job, title_and_owner};
pub use children::{CreditedEntity, ImageRows, MarketAvailability, MarketTable, TextValues};
pub use compact::{CompactReport, bytes_needed_to_compact};
pub use disk_space::{MIN_FREE_BYTES, free_bytes};
pub use early_ends::{EarlyEnd, LostRows};
pub use empty_schema::{copy_empty_schema, create_schema};
pub use entity_table::EntityTable;
pub use error::StoreError;
pub use feed::{
    FEED_TABLES, FeedColumn, FeedSnapshot, FeedState, FeedTable, FeedType, feed_state, feed_tables, known_feed_tables,
};
pub use field_notes::{FieldCount, FieldCounts, FieldFinding, FieldProblem, FieldReport, FieldScope};
pub use file_dependencies::{EntityChanges, FetchRef, confirm_files, fingerprint_lists};
pub use file_marks::{FileSource, MarkedFile, last_file_at, record_marks, sources_with_files};
pub use find::{FoundItem, find_in_lists};
pub use imported_plays::{ExportedPlay, ImportedPlays, import_plays};
pub use info::{StoreIdentity, data_version, known_state_folder, known_state_id};
pub use interrupted_reads::InterruptedRead;
pub use known_gaps::KnownGaps;
pub use known_rows::KeptRow;
pub use library_playlists::LibraryPlaylist;
pub use list_commit::SEARCH_POSITIONS_PER_TYPE;
pub use list_proof::{ListProof, ProofKind};
pub use list_quality::{FieldFlaws, ListQuality, StoredBatch};
pub use list_result::ListCommit;
pub use lists::{Checkpoint, ListKey, ListRow, SharedRows, UnreadItem};
pub use members::ListMember;
pub use migration_backups::{delete_all_backups, delete_old_backups};
pub use missing_ids::{ListedPlaylist, MissingIdKey};
pub use not_found::{has_not_found, not_found_query};
pub use open::{canonical_path, open_current_schema, open_reader, quick_check};
pub use open_writer::open_writer;
pub use planned_calls::PlannedCalls;
pub use playlist_names::{
    NamedPlaylist, find_playlists_by_name, owners_of_refused_playlists, playlist_details_at, playlist_titles,
    playlists_with_name_part,
};
pub use published_files::{
    KnownFile, OF_LIST, OVERVIEW_SOURCE, OutdatedFile, PublishedFile, REPORT_SOURCE, RecordedFile, RequestedList,
    WORKBOOK_SOURCE, edited_files, files_of_earlier_titles, forget_files, has_duplicate_requests, has_rows, known_file,
    largest_file, lists_of_fetch, no_list_was_read, note_edited_files, other_pages, outdated_files, record_files,
    recorded_files, run_state,
};
pub use purge::{PurgeCounts, PurgedUser};
pub use raw_answers::RawAnswers;
pub use replay::{PlaylistPlace, PlaylistVersion, ReplayError, playlist_at};
pub use requested::{RequestedItem, RequestedUser, has_ever_finished, users_of_job};
pub use run_changes::{RunChanges, changes_of_run};
pub use run_history::{
    JobRuns, RunRow, RunTotal, StateAfterRun, newest_runs, newest_runs_by_job, past_runs, run_totals, running_run_ids,
    state_after_run,
};
pub use runs::{CRASHED_REASON, FetchRecord, FetchState, RunRecord, RunState};
pub use schema_comments::{column_comment, table_comment};
pub use skip_list::{SkipEntry, SkipFilter, each_skip};
pub use skipped_items::SkippedItem;
pub use staging::StagedItem;
pub use staleness::{OldestRow, oldest_rows};
pub use time_span::TimeSpan;
pub use time_value::microseconds;
pub use timestamp::{canonical_time, timestamp};
pub use upgrade_notes::StoreUpgrade;
pub use verify::{StoreFinding, StoreReport, verify_store};
pub use wal::WAL_BLOCKED_WAIT;
pub use write_tx::WriteTx;
pub use writer_thread::Store;
