//! Where the key of the grants came from.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The file of a credential in `$CREDENTIALS_DIRECTORY`, or `None` if there is no such file.
///
/// # Errors
///
/// If the folder cannot be read. It may contain the file then.
pub fn credential_path(folder: &OsStr, name: &str) -> io::Result<Option<PathBuf>> {
    let path = Path::new(folder).join(name);
    match path.symlink_metadata() {
        Ok(_) => Ok(Some(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where a key came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOrigin {
    /// `cratedigger_key` in `$CREDENTIALS_DIRECTORY`.
    Credential(PathBuf),
    /// `CRATEDIGGER_KEY_FILE`.
    Named(PathBuf),
    /// `key` in the state folder.
    Folder(PathBuf),
}

impl KeyOrigin {
    /// The file.
    pub fn path(&self) -> &Path {
        let (KeyOrigin::Credential(path) | KeyOrigin::Named(path) | KeyOrigin::Folder(path)) = self;
        path
    }
}

impl fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().display();
        match self {
            KeyOrigin::Credential(_) => write!(f, "{path} (from $CREDENTIALS_DIRECTORY)"),
            KeyOrigin::Named(_) => write!(f, "{path} (from CRATEDIGGER_KEY_FILE)"),
            KeyOrigin::Folder(_) => write!(f, "{path}"),
        }
    }
}
