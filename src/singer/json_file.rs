//! JSON files from the command line, with the place of each value.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::document::{Diagnostic, Document};

/// A value of a file, and where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonValue<'f> {
    document: &'f Arc<Document>,
    raw: &'f RawValue,
}

/// Reads the text of a file. `without` says what happens if the option is left out.
pub(super) fn read(path: &Path, option: &str, without: &str) -> Result<Arc<Document>, Box<Diagnostic>> {
    let shown = path.display().to_string();
    Document::read(path, &shown).map_err(|problem| {
        let problem = Diagnostic { message: format!("the file of --{option} {}", problem.message), ..*problem };
        Box::new(problem.with_hint(format!("without --{option}, {without}")))
    })
}

/// The object in a file.
pub(super) fn object<'f>(
    document: &'f Arc<Document>,
    option: &str,
) -> Result<BTreeMap<String, JsonValue<'f>>, Box<Diagnostic>> {
    let root: &RawValue = serde_json::from_str(&document.text).map_err(|error| {
        let (line, column) = (error.line().saturating_sub(1), error.column().saturating_sub(1));
        let before: usize = document.text.split_inclusive('\n').take(line).map(str::len).sum();
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default().to_owned();
        let place = (before + column).min(document.text.len());
        Box::new(document.diagnostic(place..place + 1, format!("the file of --{option} is not JSON: {what}")))
    })?;
    let root = JsonValue { document, raw: root };
    root.members().ok_or_else(|| Box::new(root.problem(format!("the file of --{option} is not a JSON object"))))
}

impl<'f> JsonValue<'f> {
    fn parsed<T: serde::Deserialize<'f>>(self) -> Option<T> {
        serde_json::from_str(self.raw.get()).ok()
    }

    /// The members of an object.
    pub(super) fn members(self) -> Option<BTreeMap<String, JsonValue<'f>>> {
        let members: BTreeMap<String, &RawValue> = self.parsed()?;
        Some(members.into_iter().map(|(name, raw)| (name, JsonValue { raw, ..self })).collect())
    }

    /// The values of a list.
    pub(super) fn values(self) -> Option<Vec<JsonValue<'f>>> {
        let values: Vec<&RawValue> = self.parsed()?;
        Some(values.into_iter().map(|raw| JsonValue { raw, ..self }).collect())
    }

    pub(super) fn text(self) -> Option<String> {
        self.parsed()
    }

    pub(super) fn flag(self) -> Option<bool> {
        self.parsed()
    }

    pub(super) fn integer(self) -> Option<i64> {
        self.parsed()
    }

    /// The value as it is.
    pub(super) fn json(self) -> serde_json::Value {
        self.parsed().unwrap_or_default()
    }

    /// A problem of this value.
    pub(super) fn problem(self, message: impl Into<String>) -> Diagnostic {
        let (text, raw) = (&self.document.text, self.raw.get());
        let start = (raw.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let line_length = raw.find('\n').unwrap_or(raw.len());
        self.document.diagnostic(start..start + line_length, message)
    }

    /// A problem of the name of this member.
    pub(super) fn name_problem(self, name: &str, message: impl Into<String>) -> Diagnostic {
        let start = (self.raw.get().as_ptr() as usize).saturating_sub(self.document.text.as_ptr() as usize);
        let quoted = format!("\"{name}\"");
        match self.document.text.get(..start).and_then(|before| before.rfind(&quoted)) {
            Some(place) => self.document.diagnostic(place..place + quoted.len(), message),
            None => self.problem(message),
        }
    }
}
