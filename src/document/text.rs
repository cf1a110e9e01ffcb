//! The text of a file and positions in it.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::diagnostic::{Diagnostic, DiagnosticSeverity};
use super::value::TomlTable;
use crate::input_file::{self, InputFileError};

/// A longer file was not written by a person.
const MAX_BYTES: u64 = 1024 * 1024;

/// Number of errors of the parser that are kept.
const MAX_SYNTAX_ERRORS: usize = 1_000;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The text of a TOML file.
#[derive(Debug)]
pub struct Document {
    /// The path as shown in messages: relative to the project folder if it is inside it.
    pub file: String,
    /// The text without a byte order mark.
    pub text: String,
    /// Whether the file starts with a byte order mark.
    has_mark: bool,
    lines: LineIndex,
}

impl Document {
    /// Reads a file of the operator.
    ///
    /// # Errors
    ///
    /// A diagnostic without a line if the file is missing, unreadable, not a regular file, too large or not UTF-8.
    pub fn read(path: &Path, shown: &str) -> Result<Arc<Document>, Box<Diagnostic>> {
        Document::from_opened(input_file::open_file(path), shown)
    }

    /// Reads a file beneath a folder, without leaving the folder through a link.
    ///
    /// # Errors
    ///
    /// As [`Document::read`], and if a link leads out of the folder.
    pub fn read_beneath(folder: &Path, name: &Path, shown: &str) -> Result<Arc<Document>, Box<Diagnostic>> {
        Document::from_opened(input_file::open_beneath(folder, name), shown)
    }

    fn from_opened(opened: Result<File, InputFileError>, shown: &str) -> Result<Arc<Document>, Box<Diagnostic>> {
        let bytes = opened.and_then(|file| input_file::read_limited(&file, MAX_BYTES)).map_err(|error| {
            let mut problem = Box::new(Diagnostic::for_file(shown, error.to_string()));
            if let InputFileError::LeadsOut = error {
                problem.hint = Some("copy the file into the folder instead of linking it".to_owned());
            }
            problem
        })?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let message = format!("is not UTF-8 (byte {})", e.utf8_error().valid_up_to());
            Box::new(Diagnostic::for_file(shown, message).with_hint("save it as UTF-8"))
        })?;
        Ok(Document::new(shown, text))
    }

    /// A document from a text in memory.
    pub fn new(shown: &str, text: String) -> Arc<Document> {
        let (text, has_mark) = match text.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => (rest.to_owned(), true),
            None => (text, false),
        };
        let lines = LineIndex::new(&text);
        Arc::new(Document { file: shown.to_owned(), text, has_mark, lines })
    }

    /// SHA-256 of the file, as it was read, in hex.
    pub fn sha256(&self) -> String {
        let mark = if self.has_mark { BYTE_ORDER_MARK } else { "" };
        let hash = Sha256::new().chain_update(mark).chain_update(&self.text).finalize();
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Parses the file. The tree contains everything that could be parsed,
    /// so that one typo does not hide the others.
    pub fn parse(self: &Arc<Self>) -> (TomlTable<'_>, Vec<Diagnostic>) {
        let (tree, errors) = toml::de::DeTable::parse_recoverable(&self.text);
        let more = errors.len().saturating_sub(MAX_SYNTAX_ERRORS);
        let mut problems: Vec<Diagnostic> = errors
            .into_iter()
            .take(MAX_SYNTAX_ERRORS)
            .map(|error| {
                let span = error.span().unwrap_or(0..0);
                let (message, hint) = parser_message(error.message(), &self.text, &span);
                let mut problem = self.diagnostic(span, message);
                problem.hint = hint;
                problem
            })
            .collect();
        if more > 0 {
            problems.push(Diagnostic::for_more(&self.file, more));
        }
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
            more: 0,
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
        let line = self.lines.starts.partition_point(|start| *start <= offset);
        let start = self.lines.starts[line - 1];
        (line, self.lines.characters_before(&self.text, offset) - self.lines.characters_before(&self.text, start) + 1)
    }
}

/// Finds lines and columns without counting from the start of the text each time: a file can have a problem in each of
/// thousands of lines.
#[derive(Debug)]
struct LineIndex {
    /// Where each line starts.
    starts: Vec<usize>,
    /// Number of characters before each block of the text.
    characters: Vec<usize>,
}

/// Bytes of a block.
const BLOCK: usize = 1024;

impl LineIndex {
    fn new(text: &str) -> LineIndex {
        let bytes = text.as_bytes();
        let mut count = 0;
        let mut characters = vec![0];
        for block in bytes.chunks(BLOCK) {
            count += count_starts(block);
            characters.push(count);
        }
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        LineIndex { starts: std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect(), characters }
    }

    fn characters_before(&self, text: &str, offset: usize) -> usize {
        let block = offset / BLOCK;
        self.characters[block] + count_starts(&text.as_bytes()[block * BLOCK..offset])
    }
}

/// Number of characters that start in a part of a text.
fn count_starts(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count()
}

/// The message of the parser, with a hint for common mistakes.
fn parser_message(message: &str, text: &str, span: &Range<usize>) -> (String, Option<String>) {
    let message = message.lines().next().unwrap_or("not valid TOML").to_owned();
    let at = text.get(span.clone()).unwrap_or("");
    let before = text.get(..span.start).unwrap_or("").trim_end_matches([' ', '\t']);
    let is_at_line_end = text.get(span.start..).is_none_or(|rest| {
        let rest = rest.trim_start_matches([' ', '\t']);
        rest.is_empty() || rest.starts_with(['\n', '\r', '#'])
    });
    if before.ends_with('=') && is_at_line_end {
        return ("the key has no value".to_owned(), Some("write a value after the =, or remove the line".to_owned()));
    }
    let hint = if message.contains("duplicate key") {
        let of_job = text.contains("[[fetch]]") || text.contains("[[query]]");
        Some(match of_job {
            true => "a key may occur once in a table; start another table with a second [[fetch]]".to_owned(),
            false => "a key or a section may occur once; put the keys of both under one".to_owned(),
        })
    } else if at.starts_with(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) {
        Some("use straight quotes: \"…\"".to_owned())
    } else if message.contains("string values must be quoted") || message.contains("unquoted") {
        Some("write text in double quotes: \"…\"".to_owned())
    } else {
        None
    };
    (message, hint)
}
