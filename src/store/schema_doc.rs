//! `docs/schema.md`: every table, view and column of the store, generated from the database.
//!
//! Columns, types and keys come from SQLite's own tables. Their descriptions are the `--` comments that SQLite
//! keeps in the text of a table. The comment above a table, which SQLite does not keep, comes from the
//! migrations. The table of streams describes the views. A test compares the committed file.

use std::fmt::Write;

use rusqlite::Connection;

use super::feed::feed_tables;
use super::schema_comments::{comment_above, comment_of};
use super::schema_wording::describe;
use crate::stream::{self, Column, ColumnType, RowMode};

const INTRODUCTION: &str = "\
<!-- Generated from the database by: UPDATE_DOCS=1 cargo test docs_schema -->

# The store

The store is one SQLite file, `output/cratedigger.db`. Times are ISO 8601 text in UTC, and booleans are 0 or 1. Every row
has the times when it was first seen and last fetched. Start with the views: `csv_NAME` has everything in the store for
the stream NAME, with the columns of its CSV file. The tables below have one row per entity.
";

/// Returns the whole document.
///
/// # Errors
/// Whatever SQLite reports.
pub fn markdown(store: &Connection) -> rusqlite::Result<String> {
    let mut out = String::from(INTRODUCTION);
    out.push_str("\n## Views\n");
    for stream in stream::all() {
        let log = if stream.row_mode == RowMode::Log { "; every row ever kept" } else { "" };
        let keys = code_list(stream.keys.iter().copied());
        append(&mut out, format_args!("\n### {}\n\nOne row: {}{log}. Key: {keys}.\n\n", stream.view(), stream.about));
        out.push_str("| column | type | meaning |\n| --- | --- | --- |\n");
        for column in stream.columns() {
            let about = escape_cell(column.about);
            append(
                &mut out,
                format_args!(
                    "| `{}` | {} | {about}{} |\n",
                    column.name,
                    type_name(column.column_type),
                    column_notes(column)
                ),
            );
        }
    }
    for (name, about, columns) in OTHER_VIEWS {
        append(&mut out, format_args!("\n### {name}\n\n{about}\n\n"));
        out.push_str("| column | meaning |\n| --- | --- |\n");
        for (column, meaning) in *columns {
            append(&mut out, format_args!("| `{column}` | {meaning} |\n"));
        }
    }
    write_feed(store, &mut out)?;
    out.push_str("\n## Tables\n");
    let mut tables = store.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid",
    )?;
    let mut rows = tables.query([])?;
    while let Some(row) = rows.next()? {
        write_table(store, &row.get::<_, String>(0)?, &row.get::<_, String>(1)?, &mut out)?;
    }
    Ok(out)
}

/// The columns of a view with their meaning.
type ColumnTexts = &'static [(&'static str, &'static str)];

/// Views that are not of one stream: name, description, and the columns with their meanings.
const OTHER_VIEWS: &[(&str, &str, ColumnTexts)] = &[
    (
        "named_changes",
        "Every change of a playlist after its first read, with the names that people know. It is `playlist_changes` with titles.",
        &[
            ("seen_at", "time when cratedigger saw the change"),
            ("playlist_name", "current name of the playlist"),
            ("change", "added, removed or moved"),
            ("title", "title of the track, episode or local file"),
            ("artist_names", "names of its artists, or the name of the show"),
            ("album_name", "title of its album"),
            ("added_at", "time when it was added, according to Spotify"),
            ("added_by_name", "profile name of the user who added it, or the id"),
            ("isrc", "International Standard Recording Code of the track"),
            ("position_before", "position before the change, from 0; null if it was added"),
            ("position_after", "position after the change, from 0; null if it was removed"),
            ("kind", "track, episode, local or unavailable"),
            ("uri", "spotify: URI of the item"),
            ("playlist_id", "id of the playlist"),
            ("track_id", "id of the track"),
            ("episode_id", "id of the episode"),
            ("seen_before_at", "time of the read before, so the change happened between this time and `seen_at`"),
            ("run_id", "run that saw the change"),
            ("id", "number of the change; later changes have greater numbers"),
        ],
    ),
    (
        "new_in_lists",
        "Every item that was added to a list after the first read of the list and is still in it. Playlists are in \
         `named_changes` instead.",
        &[
            ("list_id", "the list, as in `lists.id`"),
            ("kind", "stream of the list, such as `artist_albums` or `saved_tracks`"),
            ("parent_id", "id of what the list belongs to, such as an artist; empty for a list of a user"),
            ("item_id", "id of the item"),
            ("first_seen_at", "time when cratedigger first saw the item in the list"),
        ],
    ),
];

const FEED: &str = "
### feed_NAME

For copies of the store in other databases, each of these tables has a view with its columns except `fetched_at`, then
`row_version`, the version at which the row last changed, and `deleted_at`, which is null while the row exists. A deleted row
has its key, and null in the other columns, until its age is `retention.tombstones`.

`store_info` has the newest version as `feed_version`. Read it in the transaction that reads the views, and keep it as W for
the next time. Then `row_version > W` is what changed since version W: insert or replace the rows without `deleted_at` by
their key, and delete the others, in any order and as often as you like. A program that cannot read all views in one
transaction reads `feed_version` first and adds `AND row_version <= feed_version`. Read everything, and delete what is not
there, if `feed_epoch` is another one than last time (a backup was restored), or if W is below `feed_since` or above
`feed_version`. A row that is only seen again has no new version.

| view | key |
| --- | --- |
";

fn write_feed(store: &Connection, out: &mut String) -> rusqlite::Result<()> {
    out.push_str(FEED);
    for table in feed_tables(store)? {
        append(out, format_args!("| `{}` | {} |\n", table.view(), code_list(table.key.iter().map(String::as_str))));
    }
    Ok(())
}

fn write_table(store: &Connection, name: &str, sql: &str, out: &mut String) -> rusqlite::Result<()> {
    append(out, format_args!("\n### {name}\n\n{}\n\n", as_sentence(describe(&comment_above(name)))));
    out.push_str("| column | type | meaning |\n| --- | --- | --- |\n");
    let mut references = store.prepare("SELECT \"from\", \"table\", \"to\" FROM pragma_foreign_key_list(?1)")?;
    let references: Vec<(String, String, Option<String>)> =
        references.query_map([name], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect::<Result<_, _>>()?;
    let mut columns = store.prepare("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1) ORDER BY cid")?;
    let mut rows = columns.query([name])?;
    let mut keys: Vec<(i64, String)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (column, kind): (String, String) = (row.get(0)?, row.get(1)?);
        let (required, key): (bool, i64) = (row.get(2)?, row.get(3)?);
        let reference = references.iter().find(|(from, ..)| *from == column);
        let reference = reference.map(|(_, table, to)| format!(" → `{table}.{}`", to.as_deref().unwrap_or("id")));
        let null = if required || key > 0 { "" } else { ", null" };
        let meaning = escape_cell(describe(comment_of(sql, name, &column).unwrap_or_default()));
        let kind = kind.to_lowercase();
        append(out, format_args!("| `{column}` | {kind}{null} | {meaning}{} |\n", reference.unwrap_or_default()));
        if key > 0 {
            keys.push((key, column));
        }
    }
    keys.sort();
    if !keys.is_empty() {
        append(out, format_args!("\nKey: {}.\n", code_list(keys.iter().map(|(_, name)| name.as_str()))));
    }
    Ok(())
}

fn as_sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with([')', '.']) || text.is_empty() { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

fn column_notes(column: &Column) -> &'static str {
    match (column.extended_quota_only, column.in_default_csv) {
        (true, _) => "; Extended Quota apps only",
        (false, false) => "; in a CSV on request",
        (false, true) => "",
    }
}

fn type_name(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text => "text",
        ColumnType::Integer => "integer",
        ColumnType::Boolean => "boolean",
        ColumnType::Time => "time",
        ColumnType::List => "list",
    }
}

fn code_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn escape_cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::views::tests::empty_store;

    #[test]
    fn docs_schema_is_what_the_database_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema.md");
        let now = markdown(&empty_store()).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &now).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == now, "docs/schema.md differs; UPDATE_DOCS=1 cargo test docs_schema writes it");
    }

    #[test]
    fn other_views_are_described_with_their_columns() {
        let store = empty_store();
        let views =
            "SELECT name FROM sqlite_schema WHERE type = 'view' AND name NOT GLOB 'csv_*' AND name NOT GLOB 'feed_*'";
        let mut views = store.prepare(views).unwrap();
        let mut views: Vec<String> = views.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        views.sort();
        assert_eq!(views, OTHER_VIEWS.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
        for (name, _, columns) in OTHER_VIEWS {
            let described: Vec<&str> = columns.iter().map(|(column, _)| *column).collect();
            let statement = store.prepare(&format!("SELECT * FROM {name}")).unwrap();
            assert_eq!(statement.column_names().collect::<Vec<_>>(), described);
        }
    }

    #[test]
    fn every_table_and_column_is_described() {
        let store = empty_store();
        let undescribed: Vec<String> = markdown(&store)
            .unwrap()
            .lines()
            .filter(|line| line.starts_with("| `") && (line.ends_with("|  |") || line.contains("|  →")))
            .map(str::to_owned)
            .collect();
        assert!(undescribed.is_empty(), "{undescribed:#?}");
        let tables = store
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
            .unwrap()
            .query_map([], |row| row.get::<_, String>(0))
            .unwrap()
            .filter(|name| comment_above(name.as_ref().unwrap()).is_empty())
            .count();
        assert_eq!(tables, 0, "a table without a comment above it");
    }
}
