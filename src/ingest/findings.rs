//! Problems in the fields of the entry that is being read.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use spotify_client::wire::find_field_anomalies;

use crate::store::{FieldCount, FieldCounts, FieldFinding, FieldProblem};

/// The longest example value, in characters.
const MAX_EXAMPLE: usize = 80;

/// The findings about one entry of a list, or one entity.
#[derive(Debug, Clone, Default)]
pub(super) struct EntryFindings(RefCell<FindingState>);

#[derive(Debug, Clone, Default)]
struct FindingState {
    /// The object inside the entry that is being read.
    place: Vec<&'static str>,
    fields: BTreeMap<FieldFinding, Option<String>>,
    /// Findings since the start, repeated ones included.
    count: u64,
}

/// Ends the reading of an object inside an entry.
pub(super) struct FieldPlace<'a>(&'a EntryFindings);

impl Drop for FieldPlace<'_> {
    fn drop(&mut self) {
        self.0.0.borrow_mut().place.pop();
    }
}

impl EntryFindings {
    /// Until the result is dropped, paths are those of an object inside the entry.
    pub(super) fn enter(&self, field: &'static str) -> FieldPlace<'_> {
        self.0.borrow_mut().place.push(field);
        FieldPlace(self)
    }

    /// Notes a field.
    pub(super) fn note(&self, path: &str, problem: FieldProblem, sent: &'static str, example: Option<String>) {
        let state = &mut *self.0.borrow_mut();
        let mut full = state.place.join(".");
        if !full.is_empty() && !path.is_empty() {
            full.push('.');
        }
        full.push_str(path);
        state.count += 1;
        state.fields.entry(FieldFinding { path: full, problem, sent }).or_insert(example);
    }

    /// Notes the fields of an object that had another type than documented.
    pub(super) fn note_anomalies<'a, T: Deserialize<'a>>(&self, raw: &'a str) {
        let anomalies = find_field_anomalies::<T>(raw);
        let object: Value = serde_json::from_str(raw).unwrap_or_default();
        for anomaly in anomalies {
            let problem = if anomaly.converted { FieldProblem::Converted } else { FieldProblem::Unreadable };
            let example = value_at(&object, &anomaly.path).map(|value| shorten(&value.to_string()));
            self.note(&anomaly.path, problem, anomaly.sent, example);
        }
    }

    /// Whether a field of the object that is being read was noted.
    pub(super) fn has(&self, path: &str) -> bool {
        let state = self.0.borrow();
        let place = state.place.join(".");
        let full = if place.is_empty() { path.to_owned() } else { format!("{place}.{path}") };
        state.fields.keys().any(|finding| finding.path == full)
    }

    /// The number of findings so far.
    pub(super) fn count(&self) -> u64 {
        self.0.borrow().count
    }

    /// Forgets the notes about the entry.
    pub(super) fn discard(&self) {
        self.0.borrow_mut().fields.clear();
    }

    /// Adds the findings about the entry with this id to those of its list, and starts with the next entry.
    pub(super) fn move_to(&self, counts: &mut FieldCounts, id: Option<&str>) {
        let state = &mut *self.0.borrow_mut();
        if state.fields.is_empty() {
            return;
        }
        for (finding, example) in std::mem::take(&mut state.fields) {
            let count = counts.entry(finding).or_insert_with(|| FieldCount {
                items: 0,
                example_id: id.map(str::to_owned),
                example,
            });
            count.items += 1;
        }
    }
}

/// The first value at a path such as `artists[].name` that is not of the documented type, as far as that shows.
fn value_at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut value = value;
    for key in path.split('.') {
        let name = key.trim_end_matches("[]");
        value = if name.is_empty() { value } else { value.get(name)? };
        if key.ends_with("[]") {
            value = value.as_array()?.first()?;
        }
    }
    Some(value)
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_EXAMPLE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
