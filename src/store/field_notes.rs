//! Fields of Spotify's answers that were not read as they are documented, counted for each run, list and field.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{StoreError, WriteTx};

/// The problem of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldProblem {
    /// The value has no plain meaning. The field is empty, or keeps its old value.
    Unreadable,
    /// The value has another type than documented, but a plain meaning.
    Converted,
    /// The value is blank, as Spotify sends it for items that are no longer available. It does not replace a known one.
    Blank,
}

impl FieldProblem {
    /// Returns the value for `field_notes.problem`.
    pub fn as_str(self) -> &'static str {
        match self {
            FieldProblem::Unreadable => "unreadable",
            FieldProblem::Converted => "converted",
            FieldProblem::Blank => "blank",
        }
    }
}

/// A field and its problem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldFinding {
    /// The field below the item, such as `album.total_tracks`.
    pub path: String,
    pub problem: FieldProblem,
    /// The type of the value: `object`, `list`, `text`, `number`, `boolean`, `null` or `blank`.
    pub sent: &'static str,
}

/// How many items had a finding, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldCount {
    pub items: i64,
    /// Its id or URI.
    pub example_id: Option<String>,
    /// The value that it had, as JSON.
    pub example: Option<String>,
}

/// The findings of some items.
pub type FieldCounts = BTreeMap<FieldFinding, FieldCount>;

/// The list or entity that was read when the findings were made.
#[derive(Debug, Clone)]
pub struct FieldScope {
    pub run: i64,
    pub fetch: String,
    pub stream: &'static str,
    /// `app`, or the id of the owner of the used token.
    pub audience: String,
    /// The list; none for entities that are read by id.
    pub list: Option<i64>,
}

/// Adds findings to what the run has noted already.
///
/// # Errors
/// If the store cannot be written.
pub fn add(tx: &mut WriteTx, scope: &FieldScope, counts: &FieldCounts, now: &str) -> Result<(), StoreError> {
    for (FieldFinding { path, problem, sent }, count) in counts {
        tx.execute(
            "INSERT INTO field_notes (run_id, fetch, audience, list_id, path, problem, sent, stream, items, example_id, example,
             noted_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (run_id, fetch, audience, list_id, path, problem, sent)
             DO UPDATE SET items = items + excluded.items, noted_at = excluded.noted_at",
            params![
                scope.run, scope.fetch, scope.audience, scope.list.unwrap_or(0), path, problem.as_str(), sent, scope.stream,
                count.items, count.example_id, count.example, now
            ],
        )?;
    }
    Ok(())
}

/// Deletes what a run noted about a list that it now reads again.
///
/// # Errors
/// If the store cannot be written.
pub fn clear(tx: &mut WriteTx, run: i64, fetch: &str, list: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM field_notes WHERE run_id = ?1 AND fetch = ?2 AND list_id = ?3", params![run, fetch, list])
}

/// A field with a problem, over all lists of a fetch.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldReport {
    /// The field below the item.
    pub field: String,
    /// unreadable, converted or blank.
    pub problem: String,
    /// The type of the value.
    pub sent: String,
    /// Number of items with it.
    pub items: i64,
    /// The value that one of them had, as JSON.
    pub example: Option<String>,
    /// An earlier run of the job read the fetch, so that there may be old values.
    #[serde(skip)]
    pub was_read_before: bool,
}

/// Returns what a run noted about the fields of a fetch.
///
/// # Errors
/// If the store cannot be read.
pub fn of_fetch(tx: &WriteTx, run: i64, fetch: &str, audience: &str) -> Result<Vec<FieldReport>, StoreError> {
    read_reports(&tx.conn, run, fetch, audience).map_err(|e| tx.error("cannot be read", e))
}

fn read_reports(conn: &Connection, run: i64, fetch: &str, audience: &str) -> rusqlite::Result<Vec<FieldReport>> {
    let mut statement = conn.prepare_cached(
        // A playlist of a library comes in the list of playlists, and once more by itself (list 0).
        "SELECT path, problem, sent, coalesce(sum(items) FILTER (WHERE list_id <> 0 AND l.kind IS NOT 'my_playlists'), 0)
           + max(coalesce(sum(items) FILTER (WHERE list_id = 0), 0), coalesce(sum(items) FILTER (WHERE l.kind = 'my_playlists'), 0)),
           max(example), EXISTS (SELECT 1 FROM run_fetches f JOIN runs r ON r.id = f.run_id
           WHERE f.fetch = ?2 AND f.run_id < ?1 AND f.state IN ('complete', 'partial')
           AND r.job = (SELECT job FROM runs WHERE id = ?1))
         FROM field_notes LEFT JOIN lists l ON l.id = list_id WHERE run_id = ?1 AND fetch = ?2 AND field_notes.audience = ?3
         GROUP BY path, problem, sent ORDER BY problem DESC, path, sent",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(FieldReport {
            field: row.get(0)?,
            problem: row.get(1)?,
            sent: row.get(2)?,
            items: row.get(3)?,
            example: row.get(4)?,
            was_read_before: row.get(5)?,
        })
    };
    statement.query_map(params![run, fetch, audience], read)?.collect()
}

impl FieldReport {
    /// Whether the field is empty or keeps its old value, because its value had no plain meaning.
    pub fn is_unreadable(&self) -> bool {
        self.problem == FieldProblem::Unreadable.as_str()
    }

    /// One line for people, given the number of items that were served.
    pub fn describe(&self, served: i64) -> String {
        let FieldReport { field, items, sent, .. } = self;
        let of = served.max(*items);
        let article = if sent.starts_with('o') { "an" } else { "a" };
        let kept = if self.was_read_before { "kept the old values" } else { "left empty" };
        match self.problem.as_str() {
            "converted" if sent == "null" => format!("{field}: {items} of {of} items had none; taken from the URI"),
            "blank" if sent == "absent" => {
                format!("{field}: {items} of {of} items had none; kept the old values, if there were any")
            }
            "blank" if sent == "null" => format!("{field}: {items} of {of} items had null; kept the old values"),
            "converted" => format!("{field}: {items} of {of} items had {article} {sent}, which was converted"),
            "blank" => format!("{field}: {items} of {of} items were blank; kept the old values, if there were any"),
            _ => format!("{field}: {items} of {of} items had {article} {sent}; {kept}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_several_pages_add_up() {
        let conn = Connection::open_in_memory().unwrap();
        crate::store::schema::create_tables(&conn).unwrap();
        conn.execute_batch(
            "INSERT INTO runs (id, job, state, started_at, version) VALUES (1, 'j', 'running', '2026', '1')",
        )
        .unwrap();
        let mut tx = WriteTx::new(conn, "test".into());
        let finding = FieldFinding { path: "duration_ms".into(), problem: FieldProblem::Unreadable, sent: "object" };
        let counts = |items| FieldCounts::from([(finding.clone(), FieldCount { items, ..FieldCount::default() })]);
        let scope = |list| FieldScope { run: 1, fetch: "f".into(), stream: "s", audience: "app".into(), list };
        for (list, items) in [(Some(1), 2), (Some(1), 3), (None, 4)] {
            add(&mut tx, &scope(list), &counts(items), "2026").unwrap();
        }
        let report = of_fetch(&tx, 1, "f", "app").unwrap();
        assert_eq!(report[0].describe(9), "duration_ms: 9 of 9 items had an object; left empty");
        clear(&mut tx, 1, "f", 1).unwrap();
        assert_eq!(of_fetch(&tx, 1, "f", "app").unwrap()[0].items, 4);
        assert_eq!(of_fetch(&tx, 1, "f", "another").unwrap(), []);
    }
}
