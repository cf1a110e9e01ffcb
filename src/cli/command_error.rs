//! A command that could not do its work: what is said, and the exit code.

use std::fmt;

use serde_json::{Value, json};

use super::exit::ExitStatus;
use super::print;
use crate::document::{Diagnostic, DiagnosticRenderer, printable};
use crate::export::ExportError;
use crate::export::JobFilesError;
use crate::store::StoreError;

/// Why a command ended before its work was done.
#[derive(Debug)]
pub enum CommandError {
    /// Settings or job files are wrong; everything about them is known.
    Problems(Vec<Diagnostic>),
    /// Something else.
    Other {
        /// The exit code.
        exit: ExitStatus,
        /// What failed, and what caused it.
        error: anyhow::Error,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl CommandError {
    /// A failure with its code; of trouble with the store and with files also what to do about it, whatever command
    /// met it.
    pub fn new(exit: ExitStatus, error: impl Into<anyhow::Error>) -> CommandError {
        let error = error.into();
        let hint = error.chain().find_map(|cause| {
            let of_store = cause.downcast_ref::<StoreError>().and_then(StoreError::hint);
            let of_files = || cause.downcast_ref::<JobFilesError>().and_then(JobFilesError::hint);
            of_store.or_else(of_files).or_else(|| cause.downcast_ref::<ExportError>().and_then(ExportError::hint))
        });
        CommandError::Other { exit, error, hint }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_hint(self, text: impl Into<String>) -> CommandError {
        match self {
            CommandError::Other { exit, error, .. } => CommandError::Other { exit, error, hint: Some(text.into()) },
            problems @ CommandError::Problems(_) => problems,
        }
    }

    /// The exit code.
    pub fn exit(&self) -> ExitStatus {
        match self {
            CommandError::Problems(_) => ExitStatus::Usage,
            CommandError::Other { exit, .. } => *exit,
        }
    }

    /// What is written to stderr.
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
    /// The same as an object for programs.
    pub fn json(&self) -> Value {
        let mut value = json!({ "state": "failed", "exit_code": self.exit().code() });
        self.add_to_json(&mut value);
        value
    }

    /// Puts into an object for programs what failed, what caused it and what to do: always these keys, and
    /// beside them every problem, where those of files are known.
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

    /// What failed, in a line: of several problems the first.
    pub fn headline(&self) -> String {
        match self {
            CommandError::Problems(problems) => most_severe_problem(problems)
                .map_or_else(|| self.to_string(), |problem| format!("{}: {}", problem.location(), problem.message)),
            CommandError::Other { error, .. } => error.to_string(),
        }
    }

    /// The same as events of a log: one for each problem, or one with its cause and what to do.
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

/// The gravest of problems: the first that is an error.
fn most_severe_problem(problems: &[Diagnostic]) -> Option<&Diagnostic> {
    problems.iter().find(|problem| problem.is_error()).or(problems.first())
}

/// What caused an error, each once.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let (mut causes, mut said) = (Vec::new(), error.to_string());
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Some errors print their cause themselves.
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

/// Gives an error its exit code.
pub trait OrExit<T> {
    /// The value, or a failure with this code.
    ///
    /// # Errors
    ///
    /// The error at hand, with the code.
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
    fn trouble_with_the_store_has_its_hint_however_deep_it_lies() {
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
