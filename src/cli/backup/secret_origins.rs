//! Where the key and the credentials of a project are, so that an archive can say which of them it lacks.

use std::path::{Path, PathBuf};

use super::archive::{ArchiveContents, ENV_FILE, KEY_FILE, UNIT_SECRETS};
use crate::cli::CommandContext;
use crate::cli::init::STATE_DIR;
use crate::settings::{Project, Settings};
use spotify_client::state::KeyOrigin;

/// Below it, systemd shows credentials to a running service only.
const CREDENTIALS_OF_SERVICES: &str = "/run/credentials";

/// The places of the secrets of a project.
pub(super) struct SecretOrigins {
    /// The file with the key of the sign-ins, if it is known.
    pub(super) key: Option<PathBuf>,
    /// Where the id and the secret of the app come from.
    pub(super) credentials: Vec<String>,
    /// All files and folders with secrets that exist.
    named: Vec<PathBuf>,
    has_grants: bool,
}

impl SecretOrigins {
    pub(super) fn of(context: &CommandContext, settings: &Settings, state: &Path) -> SecretOrigins {
        let mut named: Vec<PathBuf> = context.secret_files(settings).into_iter().map(|path| lasting(&path)).collect();
        // A command by hand may not know the folder that the units use.
        if state == Path::new(STATE_DIR) {
            named.push(UNIT_SECRETS.into());
        }
        let key = KeyOrigin::find(state, |name| std::env::var_os(name)).ok().flatten();
        let of_units = || {
            let path = Path::new(UNIT_SECRETS).join("cratedigger_key");
            (state == Path::new(STATE_DIR) && path.exists()).then_some(path)
        };
        let key = key.map(|key| lasting(key.path())).or_else(of_units);
        named.extend(key.clone());
        named.retain(|path| path.exists());
        // The name of a folder covers its contents.
        let folders = named.clone();
        named.retain(|path| !folders.iter().any(|folder| folder != path && path.starts_with(folder)));
        named.sort();
        named.dedup();
        let found = context.credentials().ok();
        let mut credentials: Vec<String> =
            found.into_iter().flat_map(|found| [found.client_id_from, found.client_secret_from]).collect();
        credentials.retain(|from| !from.is_empty());
        credentials.dedup();
        SecretOrigins { key, credentials, named, has_grants: state.join("grants.db").exists() }
    }

    /// What the archive has of the secrets.
    pub(super) fn text(&self, with_secrets: bool, contents: &ArchiveContents, archived: &[PathBuf]) -> String {
        let has = |name: String| contents.files.iter().any(|file| file.name == name);
        let mut names = Vec::new();
        if has(format!("project/{ENV_FILE}")) {
            names.push(".env");
        }
        if has(format!("state/{KEY_FILE}")) {
            names.push("the key of the sign-ins");
        }
        let is_other = |path: &&PathBuf| path.file_name().is_some_and(|name| name != ENV_FILE && name != KEY_FILE);
        if self.named.iter().filter(is_other).any(|path| contains(archived, path)) {
            names.push("other secret files");
        }
        match (with_secrets, names.as_slice()) {
            (false, _) => {
                "without the files with secrets, such as .env and the key of the sign-ins: see --with-keys".to_owned()
            }
            (true, []) if self.has_grants => "it contains neither credentials nor the key of the sign-ins".to_owned(),
            (true, []) => "it contains no credentials".to_owned(),
            (true, names) => format!("it contains {}: keep it like a password", names.join(", ")),
        }
    }

    /// The files and folders with secrets that `--with-keys` does not add either, since they are elsewhere.
    pub(super) fn outside(
        &self,
        with_secrets: bool,
        project: &Project,
        state: &Path,
        archived: &[PathBuf],
    ) -> Vec<PathBuf> {
        let is_added = |path: &Path| match with_secrets {
            true => contains(archived, path),
            false => path.starts_with(&project.root) || path == state.join(KEY_FILE),
        };
        self.named.iter().filter(|path| !is_added(path)).cloned().collect()
    }
}

/// Whether files include this one, or one in this folder.
fn contains(files: &[PathBuf], path: &Path) -> bool {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let path = canonical(path);
    files.iter().any(|file| canonical(file).starts_with(&path))
}

/// The path from which systemd copies a credential for a service.
fn lasting(path: &Path) -> PathBuf {
    let of_service = path.strip_prefix(CREDENTIALS_OF_SERVICES).ok();
    let below = of_service.map(|rest| rest.components().skip(1).collect::<PathBuf>());
    below.map_or_else(
        || path.to_owned(),
        |below| match below.as_os_str().is_empty() {
            true => UNIT_SECRETS.into(),
            false => Path::new(UNIT_SECRETS).join(below),
        },
    )
}
