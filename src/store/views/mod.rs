//! The `csv_NAME` views: each stream's rows, flat and ready to read, as its CSV holds them.
//!
//! A [`View`] says which SQL stands behind each column of a stream. From it come the view that
//! Datasette shows, the SELECT that the exporter runs (with another list separator, fewer columns,
//! and only what one fetch asked for), and the temporary views that queries read. One source, so
//! that they cannot differ.
//!
//! Analysts open the store with whatever `sqlite3` their system has, so the views keep to syntax
//! that 3.37 knows (the first with STRICT tables): ordered lists are `group_concat` over an ordered
//! subquery, not over its own ORDER BY, which came with 3.44.

mod catalog;
mod library;
mod parts;
mod playlist;
mod search;
mod select;

use rusqlite::{Connection, OptionalExtension};

pub use select::{ListStyle, RowScope, SplitQuery, ViewSelect, identifier, literal};

use crate::stream::{self, Stream};

/// The SQL behind one column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ColumnSql {
    /// One value.
    One(&'static str),
    /// A list, in order.
    List(ListColumn),
}

/// An ordered list: every `value` of `from`, by `order`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListColumn {
    value: &'static str,
    from: &'static str,
    order: &'static str,
    /// Text already joined with "; ", shown where the list is empty.
    fallback: Option<&'static str>,
}

/// A column and its SQL.
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

/// How the rows that one fetch asked for are found from a row `q` of `requested`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RequestedBy {
    /// This expression is `q.list_id`.
    List(&'static str),
    /// This expression is `q.item_id`, or the parent of `q.list_id`.
    Item(&'static str),
    /// This expression is `q.user_id`.
    User(&'static str),
}

/// The thing that a row shows, where many rows may show the same one.
///
/// Its columns depend on `keys` alone, so that the exporter may render them once per thing and not
/// once per row: a million playlist items name some ten thousand tracks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowEntity {
    /// Columns of the row table `i` that name it.
    keys: &'static [&'static str],
    /// Joins that begin at `i`; LEFT throughout, since every row is shown.
    joins: &'static str,
    /// Its columns; the first group that has a name gives it.
    fields: &'static [&'static [ViewColumn]],
}

/// The SQL behind a stream's rows.
#[derive(Debug)]
pub struct StreamView {
    name: &'static str,
    /// FROM clause; the table whose rows are shown has the alias `i`.
    rows: &'static str,
    /// Condition for a row to be shown at all: what a whole read no longer saw is not.
    visible_if: Option<&'static str>,
    requested_by: RequestedBy,
    /// Order of the rows below one thing asked for.
    order: &'static str,
    /// For logs: the column that `window` looks at, `true` if it is a day.
    time_column: Option<(&'static str, bool)>,
    fields: &'static [&'static [ViewColumn]],
    entity: Option<RowEntity>,
}

impl StreamView {
    /// The view of a stream.
    pub fn for_stream(stream: &Stream) -> &'static StreamView {
        Self::all().find(|view| view.name == stream.name).expect("every stream has a view; a test holds it")
    }

    fn all() -> impl Iterator<Item = &'static StreamView> {
        [catalog::VIEWS, playlist::VIEWS, search::VIEWS, library::VIEWS].into_iter().flatten()
    }

    /// The SQL of a column, and whether it depends on the thing alone.
    fn field(&self, name: &str) -> Option<(ColumnSql, bool)> {
        let of = |groups: &[&'static [ViewColumn]]| {
            groups.iter().flat_map(|g| g.iter()).find(|f| f.name == name).map(|f| f.sql)
        };
        of(self.fields)
            .map(|sql| (sql, false))
            .or_else(|| self.entity.and_then(|thing| of(thing.fields)).map(|sql| (sql, true)))
    }
}

/// The `CREATE VIEW` of every stream, in the order of the table of streams.
pub fn definitions() -> impl Iterator<Item = (String, String)> {
    stream::all().map(|stream| {
        let name = stream.view();
        let select = ViewSelect::new(stream, stream.columns().map(|c| c.name)).sql();
        (name.clone(), format!("CREATE VIEW {name} AS\n{select}"))
    })
}

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
        let text: String = definitions().map(|(_, sql)| sql).collect();
        format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
    };
    HASH.get_or_init(of_all).clone()
}

/// Creates all views anew if they are not the ones of this version.
///
/// They are derived, so no migration keeps them: their definitions' hash stands in `store_info`.
/// Call it in the transaction that opens the store, since two processes may start at once.
///
/// # Errors
/// Whatever SQLite reports.
pub fn create_all(store: &Connection) -> rusqlite::Result<()> {
    if are_current(store)? {
        return Ok(());
    }
    let old: Vec<String> = store
        .prepare(r"SELECT name FROM sqlite_schema WHERE type = 'view' AND name LIKE 'csv\_%' ESCAPE '\'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for name in old {
        store.execute_batch(&format!("DROP VIEW {}", identifier(&name)))?;
    }
    for (_, sql) in definitions() {
        store.execute_batch(&sql)?;
    }
    store.execute("INSERT OR REPLACE INTO store_info (key, value) VALUES ('views', ?1)", [views_hash()])?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
