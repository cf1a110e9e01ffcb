//! The app's credentials come from the environment, a git-ignored `.env`, or systemd's credentials
//! folder; never from a job, the settings file or a flag.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::project::Project;
use crate::input_file::{self, InputFileError};
use spotify_client::state::credential_path;

/// The credentials that identify the app to Spotify.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The client id. It is not secret, but it is not shown without need.
    pub client_id: String,
    /// The client secret. An app with PKCE sign-ins may have none.
    pub client_secret: Option<SecretString>,
    /// The source of the client id for messages: `$SPOTIFY_CLIENT_ID`, `.env` or a file.
    pub client_id_from: String,
    /// The source of the client secret.
    pub client_secret_from: String,
    /// `.env` has a line for the client secret, without a value.
    pub client_secret_is_blank: bool,
    /// `SPOTIPY_REDIRECT_URI`, if it is set. It is used unless the settings name another address.
    pub redirect_uri: Option<String>,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A variable is not set.
    #[error(
        "no {what}: {variable} is {}",
        if *is_blank { "not set in the environment, and its value in .env is empty" } else { "set neither in the environment nor in .env" }
    )]
    Missing {
        /// `client id` or `client secret`.
        what: &'static str,
        /// The variable to set.
        variable: &'static str,
        /// `.env` has a line for it, without a value.
        is_blank: bool,
    },
    /// A value is empty or cannot be a credential.
    #[error("the {what} from {from} {why}")]
    Unfit {
        /// `client id` or `client secret`.
        what: &'static str,
        /// The source of the value.
        from: String,
        /// The problem, without the value.
        why: &'static str,
    },
    /// A file that should contain a credential cannot be read.
    #[error("failed to read the {what} from {from}")]
    Unreadable {
        /// `client id` or `client secret`.
        what: &'static str,
        /// Variable and file.
        from: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// `.env` cannot be read.
    #[error("{}{}: {why}", file.display(), if *line == 0 { String::new() } else { format!(":{line}") })]
    EnvFile {
        /// The file.
        file: PathBuf,
        /// Line, from 1, or 0 for the whole file.
        line: usize,
        /// The problem.
        why: String,
    },
}

/// A longer file is not a credential, and a longer `.env` was not written by a person.
const MAX_CREDENTIAL_BYTES: u64 = 64 * 1024;
const MAX_ENV_BYTES: u64 = 1024 * 1024;

const SECRET: &str = "SPOTIFY_CLIENT_SECRET";

impl Credentials {
    /// Credentials that a person has typed.
    ///
    /// # Errors
    ///
    /// If one of them cannot be a credential.
    pub fn from_user(client_id: &str, client_secret: &SecretString) -> Result<Credentials, CredentialsError> {
        let from = || "the terminal".to_owned();
        let (client_id, client_id_from) = check_value("client id", client_id, from())?;
        let (secret, client_secret_from) = check_value("client secret", client_secret.expose_secret(), from())?;
        Ok(Credentials {
            client_id,
            client_secret: Some(SecretString::from(secret)),
            client_id_from,
            client_secret_from,
            client_secret_is_blank: false,
            redirect_uri: None,
        })
    }

    /// The client secret.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn secret(&self) -> Result<&SecretString, CredentialsError> {
        let is_blank = self.client_secret_is_blank;
        self.client_secret.as_ref().ok_or(CredentialsError::Missing {
            what: "client secret",
            variable: SECRET,
            is_blank,
        })
    }
}

impl CredentialsError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            CredentialsError::Missing { is_blank: true, .. } => {
                "fill in both lines of .env from https://developer.spotify.com/dashboard"
            }
            CredentialsError::Missing { .. } => {
                "copy .env.example to .env and fill in both lines from https://developer.spotify.com/dashboard"
            }
            CredentialsError::Unfit { .. } => {
                "copy it again from the app's settings at https://developer.spotify.com/dashboard"
            }
            CredentialsError::Unreadable { .. } => "check that the file exists and that this user may read it",
            CredentialsError::EnvFile { line: 0, .. } => {
                "make it readable for this user, or delete it if the credentials come from elsewhere"
            }
            CredentialsError::EnvFile { .. } => "each line of .env is NAME=VALUE, or a comment that starts with #",
        }
    }
}

/// Finds the credentials of a project.
///
/// # Errors
///
/// If one is missing, invalid or unreadable. The error names the variable; the exit code is 77.
pub fn find(project: &Project) -> Result<Credentials, CredentialsError> {
    find_with(project, |name| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned()))
}

/// Like [`find`], with an environment from the caller.
///
/// # Errors
///
/// As [`find`].
pub fn find_with(project: &Project, env: impl Fn(&str) -> Option<String>) -> Result<Credentials, CredentialsError> {
    let file = read_env_file(&project.env_file)?;
    let look = CredentialLookup { env: &env, file: &file, root: &project.root };
    let (client_id, client_id_from) =
        look.read_one("client id", "SPOTIFY_CLIENT_ID", "SPOTIPY_CLIENT_ID", "spotify_client_id")?;
    let secret = look.read_one("client secret", SECRET, "SPOTIPY_CLIENT_SECRET", "spotify_client_secret");
    let (client_secret, client_secret_from) = match secret {
        Ok((secret, from)) => (Some(SecretString::from(secret)), from),
        Err(CredentialsError::Missing { .. }) => (None, String::new()),
        Err(e) => return Err(e),
    };
    let redirect_uri = look.value("SPOTIPY_REDIRECT_URI").map(|(value, _)| value);
    let client_secret_is_blank = look.is_blank(SECRET);
    Ok(Credentials {
        client_id,
        client_secret,
        client_id_from,
        client_secret_from,
        client_secret_is_blank,
        redirect_uri,
    })
}

struct CredentialLookup<'a, E> {
    env: &'a E,
    file: &'a BTreeMap<String, String>,
    root: &'a Path,
}

impl<E: Fn(&str) -> Option<String>> CredentialLookup<'_, E> {
    /// The value of a variable from the environment, else from `.env`.
    fn value(&self, name: &str) -> Option<(String, String)> {
        (self.env)(name).map(|value| (value, format!("${name}"))).or_else(|| {
            let value = self.file.get(name).filter(|value| !value.is_empty())?;
            Some((value.clone(), format!("{name} in .env")))
        })
    }

    /// Whether `.env` has the variable without a value, as in the example that `init` writes.
    fn is_blank(&self, name: &str) -> bool {
        self.file.get(name).is_some_and(String::is_empty)
    }

    fn read_one(
        &self,
        what: &'static str,
        variable: &'static str,
        spotipy: &str,
        credential: &str,
    ) -> Result<(String, String), CredentialsError> {
        for name in [variable, spotipy] {
            if let Some((value, from)) = self.value(name) {
                return check_value(what, &value, from);
            }
            if let Some((path, from)) = self.value(&format!("{name}_FILE")) {
                let from = format!("{from} ({path})");
                return self.read(what, &self.root.join(path), from);
            }
        }
        if let Some(dir) = (self.env)("CREDENTIALS_DIRECTORY") {
            let unreadable = |cause| {
                let from = Path::new(&dir).join(credential).display().to_string();
                CredentialsError::Unreadable { what, from, cause }
            };
            if let Some(path) = credential_path(dir.as_ref(), credential).map_err(unreadable)? {
                return self.read(what, &path, path.display().to_string());
            }
        }
        Err(CredentialsError::Missing { what, variable, is_blank: self.is_blank(variable) })
    }

    fn read(&self, what: &'static str, path: &Path, from: String) -> Result<(String, String), CredentialsError> {
        match input_file::read_text_file(path, MAX_CREDENTIAL_BYTES).map_err(InputFileError::into_io) {
            Ok(text) => check_value(what, &text, from),
            Err(cause) => Err(CredentialsError::Unreadable { what, from, cause }),
        }
    }
}

/// Checks a credential. Spotify's are 32 hex digits today, but Spotify does not promise that, so this refuses only values that
/// cannot be credentials at all.
fn check_value(what: &'static str, value: &str, from: String) -> Result<(String, String), CredentialsError> {
    let value = value.trim();
    let why = if value.is_empty() {
        "is empty"
    } else if value.len() > 256 {
        "is too long"
    } else if !value.bytes().all(|b| b.is_ascii_graphic()) {
        "contains blanks or other characters that are not allowed"
    } else {
        return Ok((value.to_owned(), from));
    };
    Err(CredentialsError::Unfit { what, from, why })
}

/// The values of `.env` that are ours, if it can be read.
pub(super) fn env_file_values(path: &Path) -> Option<BTreeMap<String, String>> {
    let mut values = read_env_file(path).ok()?;
    values.retain(|_, value| !value.is_empty());
    Some(values)
}

/// A small reader of `.env`: `NAME=VALUE` lines, `export ` in front, quotes around, `#` comments.
/// Other names are ignored. A missing file counts as empty. No crate is used because a `.env` crate would also set
/// variables that are not ours.
fn read_env_file(path: &Path) -> Result<BTreeMap<String, String>, CredentialsError> {
    let fails = |line: usize, why: String| CredentialsError::EnvFile { file: path.to_owned(), line, why };
    let text = match input_file::read_text_file(path, MAX_ENV_BYTES).map_err(InputFileError::into_io) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(e) => return Err(fails(0, format!("failed to read it: {e}"))),
    };
    let mut found = BTreeMap::new();
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            return Err(fails(at + 1, "no `=` in this line".to_owned()));
        };
        let name = name.trim();
        if !name.starts_with("SPOTIFY_") && !name.starts_with("SPOTIPY_") {
            continue;
        }
        let value =
            unquoted(value.trim()).ok_or_else(|| fails(at + 1, format!("the quotes of {name} are not closed")))?;
        // Of several lines, an empty one does not replace a value.
        if !value.is_empty() || !found.contains_key(name) {
            found.insert(name.to_owned(), value);
        }
    }
    Ok(found)
}

fn unquoted(value: &str) -> Option<String> {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.split_once(quote).map(|(inner, _)| inner.to_owned());
        }
    }
    // A comment after an unquoted value starts with a blank.
    let end = value.find(" #").unwrap_or(value.len());
    Some(value[..end].trim_end().to_owned())
}

#[cfg(test)]
mod tests;
