//! Which table has the rows of each kind of list, from the table of streams. The kind of a list is the name of the
//! stream that reads it.

use crate::stream::{self, MembershipTable, StreamTable};

/// Returns the table with the rows of a kind of list.
pub(super) fn list_table(kind: &str) -> Option<StreamTable> {
    stream::find(kind).map(|stream| stream.table)
}

/// Returns the kind of the lists of plays.
pub(super) fn plays_kind() -> &'static str {
    stream::all().find(|stream| stream.table == StreamTable::Plays).map_or("", |stream| stream.name)
}

/// Whether a list contains the items of a playlist.
pub(super) fn is_playlist(kind: &str) -> bool {
    list_table(kind) == Some(StreamTable::PlaylistItems)
}

/// Returns the membership table of a kind of list, if it has one.
pub(super) fn membership_table(kind: &str) -> Option<MembershipTable> {
    match list_table(kind)? {
        StreamTable::Members(table) => Some(table),
        _ => None,
    }
}

/// Whether a list of this kind can have an item only once.
pub(super) fn has_items_once(kind: &str) -> bool {
    matches!(list_table(kind), Some(StreamTable::Members(_) | StreamTable::TopItems(_)))
}

/// Returns all membership tables.
pub(super) fn membership_tables() -> impl Iterator<Item = MembershipTable> {
    stream::all().filter_map(|stream| membership_table(stream.name))
}

/// Returns the kinds of lists that belong to one user, as an SQL list.
pub(super) fn personal_kinds() -> String {
    sql_list(|table| match table {
        StreamTable::Members(table) => table.is_personal(),
        StreamTable::TopItems(_) | StreamTable::Plays => true,
        StreamTable::Entities(_) | StreamTable::PlaylistItems | StreamTable::SearchResults => false,
    })
}

/// Returns the kinds of lists that are logs, as an SQL list.
pub(super) fn log_kinds() -> String {
    sql_list(|table| matches!(table, StreamTable::SearchResults | StreamTable::TopItems(_) | StreamTable::Plays))
}

fn sql_list(wanted: impl Fn(StreamTable) -> bool) -> String {
    let names = stream::all().filter(|stream| wanted(stream.table)).map(|stream| super::views::literal(stream.name));
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_and_log_lists_follow_the_streams() {
        assert_eq!(membership_tables().count(), 16);
        assert_eq!(log_kinds(), "'search', 'top_artists', 'top_tracks', 'recently_played'");
        for kind in ["my_playlists", "saved_tracks", "followed_artists", "top_artists", "recently_played"] {
            assert!(personal_kinds().contains(&format!("'{kind}'")), "{kind}");
        }
        assert!(!personal_kinds().contains("playlist_items"));
    }
}
