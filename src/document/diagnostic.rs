//! One thing that is wrong with a file, a variable or a flag.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use super::text::Document;

/// Whether a problem keeps the file from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DiagnosticSeverity {
    /// The file cannot be used.
    Error,
    /// It can; what it does may not be what was meant.
    Warning,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnostic {
    /// The file, or the name of an environment variable.
    pub file: String,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// The key it is about, dotted: `fetch.columns`.
    pub key: Option<String>,
    /// What is wrong: a lower-case fragment that never holds a secret.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Error or warning.
    pub severity: DiagnosticSeverity,
    /// What stands behind the caret.
    #[serde(skip)]
    pub label: Option<String>,
    /// Where the frame around the caret is cut from.
    #[serde(skip)]
    pub source: Option<(Arc<Document>, Range<usize>)>,
}

impl Diagnostic {
    /// A problem of a whole file (or variable), without a line.
    pub fn for_file(file: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            file: file.to_owned(),
            line: None,
            column: None,
            key: None,
            message: message.into(),
            hint: None,
            severity: DiagnosticSeverity::Error,
            label: None,
            source: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }

    /// The same with what was expected, to stand behind the caret.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }

    /// The same with the key it is about.
    #[must_use]
    pub fn for_key(mut self, key: impl Into<String>) -> Diagnostic {
        self.key = Some(key.into());
        self
    }

    /// The same as a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Diagnostic {
        self.severity = DiagnosticSeverity::Warning;
        self
    }

    /// Whether the file cannot be used because of it.
    pub fn is_error(&self) -> bool {
        self.severity == DiagnosticSeverity::Error
    }

    /// `FILE:LINE:COL`, as far as known.
    pub fn location(&self) -> String {
        match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.file),
            (Some(line), None) => format!("{}:{line}", self.file),
            _ => self.file.clone(),
        }
    }
}

impl fmt::Display for Diagnostic {
    /// One line: place, message, hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location(), self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}
