//! The `csv_NAME` views: the rows of each stream, flat and ready to read, as in its CSV file.
//!
//! A [`StreamView`] has the SQL for each column of a stream. From it come the view that Datasette shows, the
//! SELECT that the exporter runs (with another list separator, fewer columns, and only the rows that one fetch
//! requested), and the temporary views that queries read. There is one source, so they cannot differ.
//!
//! Analysts open the store with the `sqlite3` of their system, so the views use only syntax that 3.37 knows
//! (the first with STRICT tables): ordered lists are `group_concat` over an ordered subquery and not over its
//! own ORDER BY, which came with 3.44.

mod catalog;
mod library;
mod parts;
mod playlist;
mod search;
mod select;

use rusqlite::{Connection, OptionalExtension};

pub use select::{JoinedInputs, ListStyle, RowScope, SplitQuery, ViewSelect, identifier, literal};

use super::feed;
use crate::stream::{self, Stream, StreamTable};

/// The SQL of one column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ColumnSql {
    One(&'static str),
    /// An ordered list.
    List(ListColumn),
}

/// An ordered list: every `value` of `from`, by `order`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListColumn {
    value: &'static str,
    from: &'static str,
    order: &'static str,
    /// Text joined with "; " that is shown if the list is empty.
    fallback: Option<&'static str>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ViewColumn {
    name: &'static str,
    sql: ColumnSql,
}

const fn column(name: &'static str, sql: &'static str) -> ViewColumn {
    ViewColumn { name, sql: ColumnSql::One(sql) }
}

const fn list_column(name: &'static str, value: &'static str, from: &'static str, order: &'static str) -> ViewColumn {
    ViewColumn { name, sql: ColumnSql::List(ListColumn { value, from, order, fallback: None }) }
}

/// How the rows that a fetch requested are found from a row `q` of `requested`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RequestedBy {
    /// This expression equals `q.list_id`.
    List(&'static str),
    /// This expression equals `q.item_id`, or the parent of `q.list_id`.
    Item(&'static str),
    /// This expression equals `q.user_id`.
    User(&'static str),
}

/// The entity that a row shows. Many rows may show the same one.
///
/// Its columns depend only on `keys`, so that the exporter can render them once per entity and not once per
/// row: a million playlist items name some ten thousand tracks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowEntity {
    /// Columns of the row table `i` that identify it.
    keys: &'static [&'static str],
    /// Joins that start at `i`. All are LEFT joins, because every row is shown.
    joins: &'static str,
    /// Column groups; the first group with a name wins.
    fields: &'static [&'static [ViewColumn]],
}

/// The SQL of a stream's rows.
#[derive(Debug)]
pub struct StreamView {
    name: &'static str,
    /// FROM clause. The table with the rows has the alias `i`.
    rows: &'static str,
    /// Condition for a row to be shown, which hides removed rows.
    visible_if: Option<&'static str>,
    requested_by: RequestedBy,
    /// Order of the rows of one requested item.
    order: &'static str,
    /// For logs: the column that `window` compares; `true` if it has a day.
    time_column: Option<(&'static str, bool)>,
    fields: &'static [&'static [ViewColumn]],
    entity: Option<RowEntity>,
}

impl StreamView {
    /// Returns the view of a stream.
    pub fn for_stream(stream: &Stream) -> &'static StreamView {
        Self::all().find(|view| view.name == stream.name).expect("every stream has a view; a test holds it")
    }

    fn all() -> impl Iterator<Item = &'static StreamView> {
        [catalog::VIEWS, playlist::VIEWS, search::VIEWS, library::VIEWS].into_iter().flatten()
    }

    /// Returns the SQL of a column, and whether it depends only on the entity.
    fn field(&self, name: &str) -> Option<(ColumnSql, bool)> {
        let of = |groups: &[&'static [ViewColumn]]| {
            groups.iter().flat_map(|g| g.iter()).find(|f| f.name == name).map(|f| f.sql)
        };
        of(self.fields)
            .map(|sql| (sql, false))
            .or_else(|| self.entity.and_then(|thing| of(thing.fields)).map(|sql| (sql, true)))
    }
}

/// Returns name and `CREATE VIEW` statement of every stream, in the order of the table of streams.
pub fn definitions() -> impl Iterator<Item = (String, String)> {
    stream::all().map(|stream| {
        let name = stream.view();
        let select = ViewSelect::new(stream, stream.columns().map(|c| c.name)).sql();
        (name.clone(), format!("CREATE VIEW {name} AS\n{select}"))
    })
}

/// The view of items that joined a list after its first read. The first read of a list is its baseline. An item that
/// left a list and came back is not new.
fn new_in_lists() -> String {
    let of_kind = |stream: &Stream| {
        let StreamTable::Members(table) = stream.table else { return None };
        Some(format!(
            "SELECT l.id AS list_id, l.kind, l.parent_id, i.{} AS item_id, i.first_seen_at FROM lists l JOIN {} i \
             ON i.list_id = l.id WHERE l.kind = {} AND i.removed_at IS NULL AND i.first_seen_at > l.first_read_at",
            table.item_column,
            table.table,
            literal(stream.name)
        ))
    };
    let all: Vec<String> = stream::all().filter_map(of_kind).collect();
    format!("CREATE VIEW new_in_lists AS\n{}", all.join("\nUNION ALL "))
}

/// The view of the changes of playlists with names, for people.
const NAMED_CHANGES: &str = "CREATE VIEW named_changes AS
SELECT c.seen_at, p.name AS playlist_name, c.change,
  CASE WHEN c.kind = 'episode' THEN e.name ELSE coalesce(t.name, f.name) END AS title,
  CASE WHEN c.kind = 'episode' THEN s.name ELSE coalesce(
    (SELECT group_concat(name, '; ') FROM (SELECT a.name FROM track_artists x JOIN artists a ON a.id = x.artist_id
      WHERE x.track_id = c.track_id ORDER BY x.position)), f.artist_names) END AS artist_names,
  al.name AS album_name, c.added_at, coalesce(u.display_name, c.added_by) AS added_by_name, t.isrc,
  c.position_before, c.position_after, c.kind, c.uri, c.playlist_id, c.track_id, c.episode_id, c.seen_before_at, c.run_id, c.id
FROM playlist_changes c JOIN playlists p ON p.id = c.playlist_id
LEFT JOIN tracks t ON t.id = c.track_id LEFT JOIN albums al ON al.id = t.album_id
LEFT JOIN episodes e ON e.id = c.episode_id LEFT JOIN shows s ON s.id = e.show_id
LEFT JOIN local_files f ON f.uri = c.uri LEFT JOIN users u ON u.id = c.added_by";

/// Whether the views of a store are those of this version.
///
/// # Errors
/// Whatever SQLite reports.
pub fn are_current(store: &Connection) -> rusqlite::Result<bool> {
    let known: Option<String> =
        store.query_row("SELECT value FROM store_info WHERE key = 'views'", [], |row| row.get(0)).optional()?;
    Ok(known.as_deref() == Some(views_hash().as_str()))
}

fn views_hash() -> String {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let of_all = || {
        let text: String = definitions()
            .map(|(_, sql)| sql)
            .chain([new_in_lists(), NAMED_CHANGES.to_owned(), feed::views_format()])
            .collect();
        format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
    };
    HASH.get_or_init(of_all).clone()
}

/// Creates all views again if they are not those of this version.
///
/// They are derived, so no migration contains them: `store_info` has a hash of their definitions. Call this in
/// the transaction that opens the store, because two processes may start at the same time.
///
/// # Errors
/// Whatever SQLite reports.
pub fn create_all(store: &Connection) -> rusqlite::Result<()> {
    if are_current(store)? {
        return Ok(());
    }
    let old: Vec<String> = store
        .prepare(r"SELECT name FROM sqlite_schema WHERE type = 'view' AND (name LIKE 'csv\_%' ESCAPE '\' OR name LIKE 'feed\_%' ESCAPE '\')")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for name in old {
        store.execute_batch(&format!("DROP VIEW {}", identifier(&name)))?;
    }
    for (_, sql) in definitions() {
        store.execute_batch(&sql)?;
    }
    store.execute_batch("DROP VIEW IF EXISTS new_in_lists")?;
    store.execute_batch(&new_in_lists())?;
    store.execute_batch("DROP VIEW IF EXISTS named_changes")?;
    store.execute_batch(NAMED_CHANGES)?;
    feed::create_views(store)?;
    store.execute("INSERT OR REPLACE INTO store_info (key, value) VALUES ('views', ?1)", [views_hash()])?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
