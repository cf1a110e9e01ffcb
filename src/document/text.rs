//! The text of a file and positions in it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, DiagnosticSeverity};
use super::value::TomlTable;

/// A longer file was not written by a person.
const MAX_BYTES: u64 = 1024 * 1024;

/// The text of a TOML file.
#[derive(Debug)]
pub struct Document {
    /// The path as shown in messages: relative to the project folder if it is inside it.
    pub file: String,
    /// The text without a byte order mark.
    pub text: String,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A diagnostic without a line if the file is missing, unreadable, too large or not UTF-8.
    pub fn read(path: &Path, shown: &str) -> Result<Arc<Document>, Box<Diagnostic>> {
        let fails = |message: String| Box::new(Diagnostic::for_file(shown, message));
        let length = std::fs::metadata(path).map_err(|e| fails(format!("cannot be read ({e})")))?.len();
        if length > MAX_BYTES {
            return Err(fails(format!("is {length} bytes long; at most {MAX_BYTES} are allowed")));
        }
        let bytes = std::fs::read(path).map_err(|e| fails(format!("cannot be read ({e})")))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let mut problem = fails(format!("is not UTF-8 (byte {})", e.utf8_error().valid_up_to()));
            problem.hint = Some("save it as UTF-8".to_owned());
            problem
        })?;
        Ok(Document::new(shown, text))
    }

    /// A document from a text in memory.
    pub fn new(shown: &str, text: String) -> Arc<Document> {
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        };
        Arc::new(Document { file: shown.to_owned(), text })
    }

    /// Parses the file. The tree contains everything that could be parsed,
    /// so that one typo does not hide the others.
    pub fn parse(self: &Arc<Self>) -> (TomlTable<'_>, Vec<Diagnostic>) {
        let (tree, errors) = toml::de::DeTable::parse_recoverable(&self.text);
        let problems = errors
            .into_iter()
            .map(|error| {
                let span = error.span().unwrap_or(0..0);
                let (message, hint) = parser_message(error.message(), &self.text, &span);
                let mut problem = self.diagnostic(span, message);
                problem.hint = hint;
                problem
            })
            .collect();
        (tree.into_inner(), problems)
    }

    /// A diagnostic at a place of this file.
    pub fn diagnostic(self: &Arc<Self>, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        let (line, column) = self.line_and_column(span.start);
        Diagnostic {
            file: self.file.clone(),
            line: Some(line),
            column: Some(column),
            key: None,
            message: message.into(),
            hint: None,
            severity: DiagnosticSeverity::Error,
            label: None,
            source: Some((self.clone(), span)),
        }
    }

    /// The line and the column of a byte, both from 1. Columns count characters.
    pub fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (line, before[start..].chars().count() + 1)
    }
}

/// The message of the parser, with a hint for common mistakes.
fn parser_message(message: &str, text: &str, span: &Range<usize>) -> (String, Option<String>) {
    let message = message.lines().next().unwrap_or("not valid TOML").to_owned();
    let at = text.get(span.clone()).unwrap_or("");
    let hint = if message.contains("duplicate key") {
        Some("a key may occur once in a table; start another table with a second [[fetch]]".to_owned())
    } else if at.starts_with(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) {
        Some("use straight quotes: \"…\"".to_owned())
    } else if message.contains("string values must be quoted") || message.contains("unquoted") {
        Some("write text in double quotes: \"…\"".to_owned())
    } else {
        None
    };
    (message, hint)
}
