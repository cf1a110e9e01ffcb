//! The state: up to which version of the store each table was sent.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::json_file::{self, JsonValue};
use crate::document::{Diagnostic, quote};

/// Up to which version each table was sent.
#[derive(Debug, Clone, Default)]
pub struct SingerState {
    /// All bookmarks, also those of tables that are not sent now.
    bookmarks: BTreeMap<String, Value>,
    known: BTreeMap<String, Bookmark>,
}

/// How far a table was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bookmark {
    pub row_version: i64,
    /// Empty if it is not known, which is another epoch.
    pub epoch: String,
    /// The version of the last complete load, which its later records also have.
    pub version: Option<i64>,
    /// Changes with the columns of the table that are sent.
    pub columns: Option<String>,
}

impl SingerState {
    pub(super) fn bookmark(&self, table: &str) -> Option<&Bookmark> {
        self.known.get(table)
    }

    pub(super) fn set(&mut self, table: &str, bookmark: Bookmark) {
        let Bookmark { row_version, epoch, version, columns } = &bookmark;
        let mut value = json!({ "row_version": row_version, "epoch": epoch });
        if let (Some(version), Some(columns)) = (version, columns) {
            value["version"] = json!(version);
            value["columns"] = json!(columns);
        }
        self.bookmarks.insert(table.to_owned(), value);
        self.known.insert(table.to_owned(), bookmark);
    }

    /// The value of a message.
    pub(super) fn value(&self) -> Value {
        json!({ "bookmarks": self.bookmarks })
    }
}

/// Reads the file of `--state`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_state(path: &Path) -> Result<SingerState, Vec<Diagnostic>> {
    let one = |problem| vec![problem];
    let document = json_file::read(path, "state", "all rows are sent").map_err(|problem| one(*problem))?;
    let advice = "pass the last line that the target printed; without --state, all rows are sent";
    if document.text.trim().is_empty() {
        return Err(one(Diagnostic::for_file(&document.file, "the file of --state is empty").with_hint(advice)));
    }
    let members = json_file::object(&document, "state").map_err(|problem| one(problem.with_hint(advice)))?;
    let Some(bookmarks) = members.get("bookmarks") else {
        // Before the first time there is no state yet.
        if members.is_empty() {
            return Ok(SingerState::default());
        }
        let problem = Diagnostic::for_file(&document.file, "the state has no `bookmarks`");
        return Err(one(problem.with_hint(advice)));
    };
    let Some(members) = bookmarks.members() else {
        return Err(one(bookmarks.problem("`bookmarks` is not a JSON object").with_hint(advice)));
    };
    let (mut state, mut problems) = (SingerState::default(), Vec::new());
    for (table, value) in members {
        match read_bookmark(value, &table) {
            Ok(bookmark) => drop(state.known.insert(table.clone(), bookmark)),
            Err(problem) => problems.push(problem.with_hint(advice)),
        }
        state.bookmarks.insert(table, value.json());
    }
    if problems.is_empty() { Ok(state) } else { Err(problems) }
}

fn read_bookmark(value: JsonValue<'_>, table: &str) -> Result<Bookmark, Box<Diagnostic>> {
    let members = value
        .members()
        .ok_or_else(|| Box::new(value.problem(format!("the bookmark of {} is no object", quote(table)))))?;
    let wrong = |value: JsonValue<'_>, key: &str, what: &str| {
        Err(Box::new(value.problem(format!("`{key}` in the bookmark of {} is not {what}", quote(table)))))
    };
    let row_version = match members.get("row_version") {
        None => return Err(Box::new(value.problem(format!("the bookmark of {} has no `row_version`", quote(table))))),
        Some(number) => match number.integer() {
            Some(number) => number,
            None => return wrong(*number, "row_version", "a whole number"),
        },
    };
    let epoch = match members.get("epoch") {
        None => String::new(),
        Some(text) => match text.text() {
            Some(text) => text,
            None => return wrong(*text, "epoch", "a text"),
        },
    };
    let version = match members.get("version") {
        None => None,
        Some(number) => match number.integer() {
            Some(number) => Some(number),
            None => return wrong(*number, "version", "a whole number"),
        },
    };
    let columns = members.get("columns").and_then(|columns| columns.text());
    Ok(Bookmark { row_version, epoch, version, columns })
}
