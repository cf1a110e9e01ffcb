//! The text of a file, and how to find a place in it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, DiagnosticSeverity};
use super::value::TomlTable;

/// A file longer than this is no file that a person wrote.
const MAX_BYTES: u64 = 1024 * 1024;

/// A TOML file that was read.
#[derive(Debug)]
pub struct Document {
    /// Its path as shown in messages: relative to the project folder where it lies in it.
    pub file: String,
    /// What it holds, without a byte order mark.
    pub text: String,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A problem without a line: the file is missing, unreadable, too large or not UTF-8.
    pub fn read(path: &Path, shown: &str) -> Result<Arc<Document>, Box<Diagnostic>> {
        let fails = |message: String| Box::new(Diagnostic::for_file(shown, message));
        let length = std::fs::metadata(path).map_err(|e| fails(format!("cannot be read: {e}")))?.len();
        if length > MAX_BYTES {
            return Err(fails(format!("is {length} bytes long; at most {MAX_BYTES} are read")));
        }
        let bytes = std::fs::read(path).map_err(|e| fails(format!("cannot be read: {e}")))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let mut problem = fails(format!("is not UTF-8 (byte {})", e.utf8_error().valid_up_to()));
            problem.hint = Some("save it as UTF-8".to_owned());
            problem
        })?;
        Ok(Document::new(shown, text))
    }

    /// A document made of text at hand.
    pub fn new(shown: &str, text: String) -> Arc<Document> {
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        };
        Arc::new(Document { file: shown.to_owned(), text })
    }

    /// The tree of the file, and what the parser had to say. The tree holds what could be made out,
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

    /// A problem at a place of this file.
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

    /// Line and column of a byte, both from 1; columns count characters.
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

/// The parser's words, with a hint where people stumble.
fn parser_message(message: &str, text: &str, span: &Range<usize>) -> (String, Option<String>) {
    let message = message.lines().next().unwrap_or("not valid TOML").to_owned();
    let at = text.get(span.clone()).unwrap_or("");
    let hint = if message.contains("duplicate key") {
        Some("each key may stand once in a table; a second [[fetch]] starts a new one".to_owned())
    } else if at.starts_with(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) {
        Some("use straight quotes: \"…\"".to_owned())
    } else if message.contains("string values must be quoted") || message.contains("unquoted") {
        Some("text stands in double quotes: \"…\"".to_owned())
    } else {
        None
    };
    (message, hint)
}
