//! Where the rows of a stream are in the store.

use spotify_client::EntityKind;

/// The table or tables with the rows of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamTable {
    /// One row per entity, in this table.
    Entities(&'static str),
    /// One row per member of a list.
    Members(MembershipTable),
    /// One row per position of a playlist, including positions with an item that could not be stored.
    PlaylistItems,
    /// A log of search results.
    SearchResults,
    /// A log of ranks per day, with entities of this kind.
    TopItems(EntityKind),
    /// A log of plays.
    Plays,
}

/// The table of list members, with one row per list and member. Members that a later read no longer sees stay with
/// a `removed_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MembershipTable {
    /// The name of the table.
    pub table: &'static str,
    /// The column for the owner of the list, and its value.
    pub parent: Option<(&'static str, ParentColumn)>,
    /// Whether the table has a column `market`.
    pub has_market: bool,
    /// The column for the variant of the list.
    pub variant: Option<&'static str>,
    /// The kind of the members.
    pub item_kind: &'static str,
    /// The column with the id of the member.
    pub item_column: &'static str,
    /// More columns, each with the column of the staged row that it is filled from.
    pub extra_columns: &'static [(&'static str, &'static str)],
}

/// Which part of the list key identifies the owner of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentColumn {
    /// The id of the parent entity.
    Id,
    /// The user.
    Audience,
}

impl MembershipTable {
    /// A table of a list without an owner.
    pub(super) const fn new(
        table: &'static str,
        item_kind: &'static str,
        item_column: &'static str,
    ) -> MembershipTable {
        MembershipTable {
            table,
            parent: None,
            has_market: false,
            variant: None,
            item_kind,
            item_column,
            extra_columns: &[],
        }
    }

    /// A table of a user's list.
    pub(super) const fn of_user(
        table: &'static str,
        item_kind: &'static str,
        item_column: &'static str,
    ) -> MembershipTable {
        MembershipTable {
            parent: Some(("user_id", ParentColumn::Audience)),
            ..MembershipTable::new(table, item_kind, item_column)
        }
    }

    /// A table of a user's library, with the time when each entity was saved.
    pub(super) const fn saved(
        table: &'static str,
        item_kind: &'static str,
        item_column: &'static str,
    ) -> MembershipTable {
        MembershipTable {
            extra_columns: &[("added_at", "added_at")],
            ..MembershipTable::of_user(table, item_kind, item_column)
        }
    }

    /// Whether the list belongs to a user.
    pub fn is_personal(&self) -> bool {
        matches!(self.parent, Some((_, ParentColumn::Audience)))
    }
}
