//! A command that could not do its work: what is said, and the exit code.

use std::fmt;

use serde_json::{Value, json};

use super::exit::Exit;
use super::print;
use crate::document::{Frames, Problem, printable};
use crate::export::ExportError;
use crate::run::FilesError;
use crate::store::StoreError;

/// Why a command ended before its work was done.
#[derive(Debug)]
pub enum Failure {
    /// Settings or job files are wrong; everything about them is known.
    Problems(Vec<Problem>),
    /// Something else.
    Other {
        /// The exit code.
        exit: Exit,
        /// What failed, and what caused it.
        error: anyhow::Error,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl Failure {
    /// A failure with its code; of trouble with the store and with files also what to do about it, whatever command
    /// met it.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Failure {
        let error = error.into();
        let hint = error.chain().find_map(|cause| {
            let of_store = cause.downcast_ref::<StoreError>().and_then(StoreError::hint);
            let of_files = || cause.downcast_ref::<FilesError>().and_then(FilesError::hint);
            of_store.or_else(of_files).or_else(|| cause.downcast_ref::<ExportError>().and_then(ExportError::hint))
        });
        Failure::Other { exit, error, hint }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_hint(self, text: impl Into<String>) -> Failure {
        match self {
            Failure::Other { exit, error, .. } => Failure::Other { exit, error, hint: Some(text.into()) },
            problems @ Failure::Problems(_) => problems,
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Problems(_) => Exit::Usage,
            Failure::Other { exit, .. } => *exit,
        }
    }

    /// What is written to stderr.
    pub fn report(&self, colour: bool) -> String {
        match self {
            Failure::Problems(problems) => {
                let drawn = Frames::new(colour).draw(problems);
                format!("{drawn}{}\n", summary(problems))
            }
            Failure::Other { error, hint, .. } => {
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

impl Failure {
    /// The same as an object for programs.
    pub fn json(&self) -> Value {
        let mut value = json!({ "state": "failed", "exit_code": self.exit().code() });
        self.explain(&mut value);
        value
    }

    /// Puts into an object for programs what failed, what caused it and what to do: always these keys, and
    /// beside them every problem, where those of files are known.
    pub fn explain(&self, value: &mut Value) {
        let (causes, hint) = match self {
            Failure::Problems(problems) => {
                value["problems"] = json!(problems);
                (Vec::new(), first_of(problems).and_then(|problem| problem.hint.clone()))
            }
            Failure::Other { error, hint, .. } => (causes(error), hint.clone()),
        };
        value["error"] = json!(self.line());
        value["causes"] = json!(causes);
        value["hint"] = json!(hint);
    }

    /// What failed, in a line: of several problems the first.
    pub fn line(&self) -> String {
        match self {
            Failure::Problems(problems) => first_of(problems)
                .map_or_else(|| self.to_string(), |problem| format!("{}: {}", problem.place(), problem.message)),
            Failure::Other { error, .. } => error.to_string(),
        }
    }

    /// The same as events of a log: one for each problem, or one with its cause and what to do.
    pub fn log(&self, job: Option<&str>) {
        let exit_code = self.exit().code();
        match self {
            Failure::Problems(problems) => {
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
            Failure::Other { error, hint, .. } => {
                let why = Some(causes(error).join("; ")).filter(|why| !why.is_empty());
                tracing::error!(job, exit_code, why = why.as_deref(), hint = hint.as_deref(), "{error}");
            }
        }
    }
}

/// The gravest of problems: the first that is an error.
fn first_of(problems: &[Problem]) -> Option<&Problem> {
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
pub(super) fn summary(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|p| p.is_error()).count();
    let warnings = problems.len() - errors;
    match (errors, warnings) {
        (e, 0) => print::count(e, "error"),
        (0, w) => print::count(w, "warning"),
        (e, w) => format!("{}, {}", print::count(e, "error"), print::count(w, "warning")),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Problems(problems) => f.write_str(&summary(problems)),
            Failure::Other { error, .. } => error.fmt(f),
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
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(exit, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_with_the_store_has_its_hint_however_deep_it_lies() {
        let full = || StoreError::NoRoom { path: "/x.db".into(), what: "a copy", free: 1, needed: 2 };
        let hint = full().hint().unwrap();
        let context = anyhow::Error::new(full()).context("job x");
        for error in [full().into(), FilesError::Store(full()).into(), context] {
            let failure = Failure::new(Exit::Storage, error);
            assert_eq!(failure.json()["hint"], json!(hint), "{failure:?}");
        }
        let other = Failure::new(Exit::Storage, anyhow::anyhow!("something else")).json();
        assert_eq!((&other["hint"], &other["causes"]), (&Value::Null, &json!([])), "{other}");
    }
}
