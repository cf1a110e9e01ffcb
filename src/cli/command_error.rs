//! The error of a command: its message, causes, hint and exit code.

use std::fmt;

use serde_json::{Value, json};

use super::exit::ExitStatus;
use super::print;
use crate::document::{Diagnostic, DiagnosticRenderer, printable};
use crate::export::ExportError;
use crate::export::JobFilesError;
use crate::store::StoreError;

/// Why a command failed.
#[derive(Debug)]
pub enum CommandError {
    /// Problems in settings or job files.
    Problems(Vec<Diagnostic>),
    /// Any other error.
    Other {
        exit: ExitStatus,
        /// The error with its causes.
        error: anyhow::Error,
        hint: Option<String>,
    },
}

impl CommandError {
    /// An error with its exit code. Errors of the store and of output files bring their hint along.
    pub fn new(exit: ExitStatus, error: impl Into<anyhow::Error>) -> CommandError {
        let error = error.into();
        let hint = error.chain().find_map(|cause| {
            let of_store = cause.downcast_ref::<StoreError>().and_then(StoreError::hint);
            let of_files = || cause.downcast_ref::<JobFilesError>().and_then(JobFilesError::hint);
            of_store.or_else(of_files).or_else(|| cause.downcast_ref::<ExportError>().and_then(ExportError::hint))
        });
        CommandError::Other { exit, error, hint }
    }

    #[must_use]
    pub fn with_hint(self, text: impl Into<String>) -> CommandError {
        match self {
            CommandError::Other { exit, error, .. } => CommandError::Other { exit, error, hint: Some(text.into()) },
            problems @ CommandError::Problems(_) => problems,
        }
    }

    /// Replaces the hint if there is one.
    #[must_use]
    pub fn with_optional_hint(self, text: Option<String>) -> CommandError {
        match text {
            Some(text) => self.with_hint(text),
            None => self,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            CommandError::Problems(_) => None,
            CommandError::Other { hint, .. } => hint.as_deref(),
        }
    }

    /// The exit code.
    pub fn exit(&self) -> ExitStatus {
        match self {
            CommandError::Problems(_) => ExitStatus::Usage,
            CommandError::Other { exit, .. } => *exit,
        }
    }

    /// The text for stderr.
    pub fn report(&self, colour: bool) -> String {
        match self {
            CommandError::Problems(problems) => {
                let drawn = DiagnosticRenderer::new(colour).render(problems);
                format!("{drawn}{}\n", count_problems(problems))
            }
            CommandError::Other { error, hint, .. } => {
                let mut out = format!("error: {}\n", printable(&error.to_string()));
                for cause in causes(error) {
                    out.push_str(&format!("caused by: {}\n", printable(&cause)));
                }
                if let Some(hint) = hint {
                    out.push_str(&format!("hint: {}\n", printable(hint)));
                }
                out
            }
        }
    }
}

impl CommandError {
    /// The error as a JSON object.
    pub fn json(&self) -> Value {
        let mut value = json!({ "state": "failed", "exit_code": self.exit().code() });
        self.add_to_json(&mut value);
        value
    }

    /// Adds `error`, `causes` and `hint` to a JSON object, and `problems` if they concern files.
    pub fn add_to_json(&self, value: &mut Value) {
        let (causes, hint) = match self {
            CommandError::Problems(problems) => {
                value["problems"] = json!(problems);
                (Vec::new(), most_severe_problem(problems).and_then(|problem| problem.hint.clone()))
            }
            CommandError::Other { error, hint, .. } => (causes(error), hint.clone()),
        };
        value["error"] = json!(self.headline());
        value["causes"] = json!(causes);
        value["hint"] = json!(hint);
    }

    /// The message in one line; the first of several problems.
    pub fn headline(&self) -> String {
        match self {
            CommandError::Problems(problems) => most_severe_problem(problems)
                .map_or_else(|| self.to_string(), |problem| format!("{}: {}", problem.location(), problem.message)),
            CommandError::Other { error, .. } => error.to_string(),
        }
    }

    /// Logs the error: one event per problem, or one event with its causes and hint.
    pub fn log(&self, job: Option<&str>) {
        let exit_code = self.exit().code();
        match self {
            CommandError::Problems(problems) => {
                for problem in problems {
                    let (file, line, column) = (problem.file.as_str(), problem.line, problem.column);
                    let (key, hint) = (problem.key.as_deref(), problem.hint.as_deref());
                    if problem.is_error() {
                        tracing::error!(job, file, line, column, key, hint, exit_code, "{}", problem.message);
                    } else {
                        tracing::warn!(job, file, line, column, key, hint, "{}", problem.message);
                    }
                }
            }
            CommandError::Other { error, hint, .. } => {
                let why = Some(causes(error).join("; ")).filter(|why| !why.is_empty());
                tracing::error!(job, exit_code, why = why.as_deref(), hint = hint.as_deref(), "{error}");
            }
        }
    }
}

/// The first problem that is an error, or else the first.
fn most_severe_problem(problems: &[Diagnostic]) -> Option<&Diagnostic> {
    problems.iter().find(|problem| problem.is_error()).or(problems.first())
}

/// The causes of an error, without repetitions.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let (mut causes, mut said) = (Vec::new(), error.to_string());
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Some errors include their cause in their own message.
        if !said.contains(&cause) && !cause.contains(&said) {
            said.clone_from(&cause);
            causes.push(cause);
        }
    }
    causes
}

/// `3 errors, 1 warning`.
pub(super) fn count_problems(problems: &[Diagnostic]) -> String {
    let errors = problems.iter().filter(|p| p.is_error()).count();
    let warnings = problems.len() - errors;
    match (errors, warnings) {
        (e, 0) => print::count(e, "error"),
        (0, w) => print::count(w, "warning"),
        (e, w) => format!("{}, {}", print::count(e, "error"), print::count(w, "warning")),
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::Problems(problems) => f.write_str(&count_problems(problems)),
            CommandError::Other { error, .. } => error.fmt(f),
        }
    }
}

/// Adds an exit code to an error.
pub trait OrExit<T> {
    /// Returns the value, or the error with this exit code.
    fn or_exit(self, exit: ExitStatus) -> Result<T, CommandError>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: ExitStatus) -> Result<T, CommandError> {
        self.map_err(|error| CommandError::new(exit, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_store_error_keeps_its_hint() {
        let full = || StoreError::NoSpace { path: "/x.db".into(), what: "a copy", free: 1, needed: 2 };
        let hint = full().hint().unwrap();
        let context = anyhow::Error::new(full()).context("job x");
        for error in [full().into(), JobFilesError::Store(full()).into(), context] {
            let failure = CommandError::new(ExitStatus::Storage, error);
            assert_eq!(failure.json()["hint"], json!(hint), "{failure:?}");
        }
        let other = CommandError::new(ExitStatus::Storage, anyhow::anyhow!("something else")).json();
        assert_eq!((&other["hint"], &other["causes"]), (&Value::Null, &json!([])), "{other}");
    }
}
