//! The comments of tables and columns in the migrations, which describe them in the docs and in other databases.

use super::schema::MIGRATIONS;
use super::schema_wording::describe;

/// What a row of a table is.
pub fn table_comment(table: &str) -> String {
    describe(&comment_above(table)).to_owned()
}

/// What a column means.
pub fn column_comment(table: &str, column: &str) -> Option<String> {
    let head = format!("CREATE TABLE {table} (");
    let sql = MIGRATIONS.iter().find_map(|script| script.split_once(head.as_str())).map_or("", |(_, rest)| rest);
    let sql = sql.split_once("\n)").map_or(sql, |(columns, _)| columns);
    comment_of(sql, table, column).map(|comment| describe(comment).to_owned())
}

/// Returns the comment after a column in the text of its table, or in the migration that added the column.
pub(super) fn comment_of<'a>(sql: &'a str, table: &str, column: &str) -> Option<&'a str> {
    let added = format!("ALTER TABLE {table} ADD COLUMN {column} ");
    let later = || MIGRATIONS.iter().flat_map(|sql| sql.lines()).find(|line| line.starts_with(&added));
    let later = || later().or_else(|| rebuilt(table)?.lines().find(|line| is_of(line, column)));
    let first = sql.lines().find(|line| is_of(line, column));
    first.or_else(later)?.split_once("--").map(|(_, comment)| comment.trim())
}

fn is_of(line: &str, column: &str) -> bool {
    line.split_whitespace().next() == Some(column)
}

/// The columns of a table that a migration has rebuilt under another name.
fn rebuilt(table: &str) -> Option<&'static str> {
    let head = format!("CREATE TABLE new_{table} (");
    let (_, rest) = MIGRATIONS.iter().find_map(|script| script.split_once(head.as_str()))?;
    rest.split_once("\n)").map(|(columns, _)| columns)
}

/// Returns the comment lines above a table in the migrations.
pub(super) fn comment_above(table: &str) -> String {
    let head = format!("CREATE TABLE {table} (");
    let Some(before) = MIGRATIONS.iter().find_map(|sql| sql.split_once(head.as_str())).map(|(before, _)| before) else {
        return String::new();
    };
    let mut lines: Vec<&str> = before.lines().rev().map_while(|line| line.strip_prefix("-- ")).collect();
    lines.reverse();
    lines.join(" ")
}
