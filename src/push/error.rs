//! Why a push failed.

use crate::store::StoreError;

/// Why a push failed. Nothing is lost: the next push sends the rows.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The target does not answer, or the connection was lost.
    #[error("target {target} does not answer: {why}")]
    Unreachable { target: String, why: String },
    /// Another push to the target has not ended.
    #[error("another push to {target} is under way")]
    Busy { target: String },
    /// The target cannot take the rows.
    #[error("target {target} refuses the rows: {why}")]
    Refused { target: String, why: String, hint: Option<String> },
    /// The target has the rows of another store, which the push would delete.
    #[error("target {target} has the rows of another store")]
    OtherStore { target: String, file: String },
    /// The user or the certificate is not accepted, or a privilege is missing.
    #[error("target {target} refuses the sign-in: {why}")]
    Credentials { target: String, why: String, hint: String },
    /// A library that reaches the target has failed where it should have returned an error.
    #[error("target {target} cannot be used: the library that reaches it failed")]
    Panicked { target: String },
    /// The program was built without this kind of target.
    #[error("target {target} needs a program that was built with the feature `{feature}`")]
    NotBuilt { target: String, feature: &'static str },
    /// The target is a database, which has tables and needs no views of files.
    #[error("target {target} is a database and not a lake")]
    NoLake { target: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PushError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            PushError::Unreachable { .. } => Some("nothing is lost: the next push sends the rows".into()),
            PushError::Busy { .. } => Some("the next push sends what has changed since".into()),
            PushError::Refused { hint, .. } => hint.clone(),
            PushError::OtherStore { target, file } => Some(format!(
                "if both have to stay, set `store` in {file} to another name for each store; to delete the rows of the other \
                 one, run `cratedigger push --full {target}`"
            )),
            PushError::Credentials { hint, .. } => Some(hint.clone()),
            PushError::Panicked { .. } => {
                Some("check the address and the variables or the credential with which it is reached".into())
            }
            PushError::NotBuilt { .. } => Some("build it with default features".into()),
            PushError::NoLake { .. } => Some("its tables are tables there already".into()),
            PushError::Store(error) => error.hint(),
        }
    }
}
