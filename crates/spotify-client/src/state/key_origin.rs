//! Where the key of the grants came from.

use std::ffi::{OsStr, OsString};
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

/// The name of the key in `$CREDENTIALS_DIRECTORY`.
pub(super) const KEY_CREDENTIAL: &str = "cratedigger_key";

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
    /// Finds the key of a state folder: in `$CREDENTIALS_DIRECTORY`, else the file that `CRATEDIGGER_KEY_FILE` names, else `key`
    /// in the folder. `None` if there is none yet. A named file may not exist.
    ///
    /// # Errors
    ///
    /// If a folder cannot be read, which may contain it. The path is that of the folder or file.
    pub fn find(
        folder: &Path,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<KeyOrigin>, (PathBuf, io::Error)> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        if let Some(credentials) = set("CREDENTIALS_DIRECTORY") {
            let failed = |error| (Path::new(&credentials).join(KEY_CREDENTIAL), error);
            if let Some(path) = credential_path(&credentials, KEY_CREDENTIAL).map_err(failed)? {
                return Ok(Some(KeyOrigin::Credential(path)));
            }
        }
        if let Some(path) = set("CRATEDIGGER_KEY_FILE") {
            return Ok(Some(KeyOrigin::Named(PathBuf::from(path))));
        }
        let path = folder.join("key");
        match path.symlink_metadata() {
            Ok(_) => Ok(Some(KeyOrigin::Folder(path))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err((path, error)),
        }
    }

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
