//! Reading from Spotify into the store.

pub mod brake;
pub mod call_counts;
pub mod codes;
pub mod edited_playlists;
pub mod failures;
pub mod gaps;
pub mod list_history;
pub mod newest_items;
pub mod odd_fields;
pub mod odd_lists;
pub mod odd_pages;
mod odd_times;
pub mod overlapping_pages;
pub mod owners;
pub mod parent_names;
pub mod playlists;
pub mod readers;
pub mod release_watch;
pub mod repeated_items;
pub mod resume;
pub mod searches;
pub mod short_pages;
pub mod stray_refusals;
pub mod streams;
pub mod unread_items;
pub mod users;
pub mod wrong_totals;
