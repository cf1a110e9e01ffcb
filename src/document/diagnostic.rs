//! A problem in a file, a variable or a flag.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use super::text::Document;

/// Whether a problem prevents the use of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DiagnosticSeverity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but may not do what its author intended.
    Warning,
}

/// One problem and its position.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnostic {
    /// The file, or the name of an environment variable.
    pub file: String,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// The dotted name of the key, such as `fetch.columns`.
    pub key: Option<String>,
    /// The problem: a lower-case fragment that never contains a secret.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether this is an error or a warning.
    pub severity: DiagnosticSeverity,
    /// How many further problems of the file this one counts.
    #[serde(skip)]
    pub more: usize,
    /// The text after the caret.
    #[serde(skip)]
    pub label: Option<String>,
    /// The document and the span that the caret marks.
    #[serde(skip)]
    pub source: Option<(Arc<Document>, Range<usize>)>,
}

impl Diagnostic {
    /// A diagnostic about a whole file (or variable), without a line.
    pub fn for_file(file: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            file: file.to_owned(),
            line: None,
            column: None,
            key: None,
            message: message.into(),
            hint: None,
            severity: DiagnosticSeverity::Error,
            more: 0,
            label: None,
            source: None,
        }
    }

    /// Represents further problems of a file that are only counted.
    pub(super) fn for_more(file: &str, more: usize) -> Diagnostic {
        let problems = if more == 1 { "problem" } else { "problems" };
        Diagnostic { more, ..Diagnostic::for_file(file, format!("and {more} more {problems}")) }
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the text after the caret.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }

    /// Adds the dotted name of the key.
    #[must_use]
    pub fn for_key(mut self, key: impl Into<String>) -> Diagnostic {
        self.key = Some(key.into());
        self
    }

    /// Turns the diagnostic into a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Diagnostic {
        self.severity = DiagnosticSeverity::Warning;
        self
    }

    /// Whether it prevents the use of the file.
    pub fn is_error(&self) -> bool {
        self.severity == DiagnosticSeverity::Error
    }

    /// `FILE:LINE:COLUMN`, as far as known.
    pub fn location(&self) -> String {
        match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.file),
            (Some(line), None) => format!("{}:{line}", self.file),
            _ => self.file.clone(),
        }
    }
}

/// Number of problems of one file that are reported one by one.
const MAX_PROBLEMS: usize = 20;

/// Leaves the first problems of a file, errors first if there are too many, and adds one that counts the rest.
pub fn limit_problems(file: &str, problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let (mut own, mut others): (Vec<_>, Vec<_>) = problems.into_iter().partition(|problem| problem.file == file);
    let (counted, mut listed): (Vec<_>, Vec<_>) = own.into_iter().partition(|problem| problem.more > 0);
    if listed.len() > MAX_PROBLEMS {
        listed.sort_by_key(|problem| problem.severity);
    }
    own = listed;
    let rest = own.split_off(own.len().min(MAX_PROBLEMS));
    let more = rest.len() + counted.iter().map(|problem| problem.more).sum::<usize>();
    if more > 0 {
        let mut last = Diagnostic::for_more(file, more);
        last.line = rest.iter().filter_map(|problem| problem.line).max();
        let is_error = rest.iter().chain(&counted).any(Diagnostic::is_error);
        own.push(if is_error { last } else { last.as_warning() });
    }
    own.append(&mut others);
    own
}

impl fmt::Display for Diagnostic {
    /// One line with location, message and hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location(), self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}
