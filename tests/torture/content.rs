//! The content of a store as text, to compare two stores, and checks of its integrity.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// Tables that record when and how often something was done.
const BOOKKEEPING_TABLES: &[&str] = &[
    "runs",
    "run_fetches",
    "checkpoints",
    "staged_items",
    "store_info",
    "etags",
    "published_files",
    "changed_things",
    "unproved_lists",
    "file_marks",
    "deleted_rows",
];

/// All rows except those of bookkeeping tables, sorted. Lists are identified by their keys. Ids of runs and rows and
/// the times of writing are left out.
pub fn content_rows(store: &Connection) -> Vec<String> {
    let mut all = Vec::new();
    let tables = texts(store, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    for table in
        tables.iter().filter(|table| !BOOKKEEPING_TABLES.contains(&table.as_str()) && !table.starts_with("run_"))
    {
        let columns = texts(
            store,
            &format!(
                "SELECT name FROM pragma_table_info('{table}') WHERE (name NOT LIKE '%\\_at' ESCAPE '\\' OR name IN
                 ('added_at', 'played_at', 'removed_at')) AND name NOT IN ('run_id', 'day', 'etag', 'proof', 'quality', 'row_version')
                 AND NOT (type = 'INTEGER' AND name = 'id')"
            ),
        );
        let shown = columns.iter().map(|column| match column.as_str() {
            "list_id" => "(SELECT kind||'|'||parent_id||'|'||iif(audience LIKE 'forgotten %', 'forgotten', audience)||'|'||market||'|'||variant FROM lists WHERE id = t.list_id)".to_owned(),
            // A purge replaces the audience by a new random name.
            "audience" => "iif(t.audience LIKE 'forgotten %', 'forgotten', t.audience)".to_owned(),
            // Whether an item was removed is content, but the time is not.
            "removed_at" => "removed_at IS NOT NULL".to_owned(),
            // What is missing is content, but not how often and when runs have looked for it.
            "gaps" => "json_remove(t.gaps, '$.looks', '$.looked_at')".to_owned(),
            other => format!("t.\"{other}\""),
        });
        // A blank is counted if it came in place of a known value, and a killed run may have stored that value.
        let rows = if table == "field_notes" { " WHERE problem <> 'blank'" } else { "" };
        let sql = format!("SELECT {} FROM \"{table}\" t{rows}", shown.collect::<Vec<_>>().join(", "));
        let mut statement = store.prepare(&sql).unwrap();
        let mut found = statement.query([]).unwrap();
        let from = all.len();
        while let Some(row) = found.next().unwrap() {
            let cells: Vec<String> = columns
                .iter()
                .enumerate()
                .map(|(n, name)| format!("{name}={}", text(row.get_ref(n).unwrap())))
                .collect();
            all.push(format!("{table}: {}", cells.join(" ")));
        }
        all[from..].sort();
        if table == "skipped_items" || table == "field_notes" {
            // A killed run and the run that resumed it may both have recorded the same gap.
            all.dedup();
        }
    }
    all
}

/// Describes the first difference as the error.
pub fn compare_rows(found: &[String], wanted: &[String]) -> Result<(), String> {
    let set = |rows: &[String]| rows.iter().cloned().collect::<std::collections::BTreeSet<_>>();
    let (f, w) = (set(found), set(wanted));
    if let Some(row) = w.difference(&f).next() {
        let more = f.difference(&w).next();
        return Err(format!("a row is missing: {row}\n(and another is new: {more:?})"));
    }
    if let Some(row) = f.difference(&w).next() {
        return Err(format!("an unexpected row: {row}"));
    }
    if found != wanted {
        return Err("a row is duplicated".into());
    }
    Ok(())
}

/// Checks the integrity of the file, foreign keys, and checkpoints against staged items.
pub fn check_integrity(store: &Connection) -> Result<(), String> {
    let integrity = texts(store, "PRAGMA integrity_check");
    if integrity != ["ok"] {
        return Err(format!("integrity_check: {integrity:?}"));
    }
    let dangling = texts(store, "SELECT \"table\" || ' ' || parent FROM pragma_foreign_key_check");
    if !dangling.is_empty() {
        return Err(format!("foreign_key_check: {dangling:?}"));
    }
    let has = |table: &str| !texts(store, &format!("SELECT name FROM sqlite_schema WHERE name = '{table}'")).is_empty();
    if !(has("checkpoints") && has("staged_items")) {
        return Ok(());
    }
    let mismatches = texts(
        store,
        "SELECT 'list ' || l.id || ' of ' || l.kind || ': ' || coalesce(c.next_offset, 'no checkpoint') || ', but ' || count(s.position)
         || ' staged from ' || coalesce(min(s.position), '-') || ' to ' || coalesce(max(s.position), '-')
         FROM lists l LEFT JOIN checkpoints c ON c.list_id = l.id LEFT JOIN staged_items s ON s.list_id = l.id
         GROUP BY l.id HAVING count(s.position) > 0 AND (c.next_offset IS NULL OR max(s.position) >= c.next_offset)",
    );
    if !mismatches.is_empty() {
        return Err(format!("checkpoints and rows: {mismatches:?}"));
    }
    Ok(())
}

fn texts(store: &Connection, sql: &str) -> Vec<String> {
    let mut statement = store.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "-".to_owned(),
        ValueRef::Integer(n) => n.to_string(),
        ValueRef::Real(n) => n.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("{bytes:02x?}"),
    }
}
