//! Files with secrets that other users of the machine can read or change.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::credentials::env_file_values;
use super::hook_files;
use super::project::Project;
use super::sections::NotifySettings;
use crate::input_file;

/// What only the owner may do, and at most the group may read: systemd gives a service its credentials that way.
const OPEN_BITS: u32 = 0o027;

/// The variables that name a file with the client secret, relative to the project.
const FILE_VARIABLES: [&str; 2] = ["SPOTIFY_CLIENT_SECRET_FILE", "SPOTIPY_CLIENT_SECRET_FILE"];

/// The secret files in a credentials folder. The client id is no secret.
const CREDENTIALS: [&str; 2] = ["spotify_client_secret", "cratedigger_key"];

/// What the names of passwords for targets begin with there.
const TARGET_CREDENTIALS: &str = "cratedigger_target_";

/// The variables that name a file with the password or key of a target, relative to the current folder.
const TARGET_FILES: [&str; 5] = [
    "PGPASSFILE",
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AWS_SHARED_CREDENTIALS_FILE",
];

/// The same for tokens that a cluster mounts and renews. It decides about their mode, unless they are in the project.
const TOKEN_FILES: [&str; 4] = [
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_STORAGE_FEDERATED_TOKEN_FILE",
];

/// A larger credential was not written by a person.
const MAX_CREDENTIAL_BYTES: u64 = 64 * 1024;

/// A file with a secret that is open to other users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSecretFile {
    pub path: PathBuf,
    /// Its mode, which gives other users access.
    pub mode: u32,
}

impl OpenSecretFile {
    /// The problem, in a sentence without a period.
    pub fn problem(&self) -> String {
        let what = if self.mode & 0o022 == 0 { "read" } else { "change" };
        format!("other users can {what} {} (mode {:04o})", self.path.display(), self.mode)
    }

    /// The command that repairs it.
    pub fn command(&self) -> String {
        format!("chmod 600 {}", crate::document::shell_word(&self.path.display().to_string()))
    }
}

/// The files with secrets of a project that other users can read or change: `.env`, files that a variable or a setting
/// names, and files in the credentials folder. The key in the state folder is checked where it is read.
pub fn open_secret_files(
    project: &Project,
    notify: &NotifySettings,
    env: impl Fn(&str) -> Option<String>,
) -> Vec<OpenSecretFile> {
    let mut paths = named_secret_files(project, notify, &env);
    if let Some(folder) = env("CREDENTIALS_DIRECTORY") {
        paths.extend(CREDENTIALS.iter().chain(&hook_files::CREDENTIALS).map(|name| Path::new(&folder).join(name)));
        paths.extend(credentials_of_targets(&folder));
    }
    paths.extend(files_of_targets(&TARGET_FILES, &env));
    let root = project.root.canonicalize().unwrap_or_else(|_| project.root.clone());
    let is_in_project = |path: &PathBuf| path.canonicalize().is_ok_and(|path| path.starts_with(&root));
    paths.extend(files_of_targets(&TOKEN_FILES, &env).into_iter().filter(is_in_project));
    paths.into_iter().filter_map(open_file).collect()
}

/// The paths of all files with secrets that variables and settings name, and the folders that contain only such files. They may not
/// exist.
pub fn secret_files(project: &Project, notify: &NotifySettings, env: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let mut paths = named_secret_files(project, notify, &env);
    paths.extend(env("CREDENTIALS_DIRECTORY").map(PathBuf::from));
    paths.extend(files_of_targets(&TARGET_FILES, &env));
    paths.extend(files_of_targets(&TOKEN_FILES, &env));
    paths
}

/// The credentials of systemd for targets.
fn credentials_of_targets(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_of_target = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(TARGET_CREDENTIALS);
    entries.filter(|entry| is_of_target(&entry.file_name())).map(|entry| entry.path()).collect()
}

/// The files that variables name, in the environment or in the lines of a credential of systemd. Clouds take their names in
/// lower-case letters too.
fn files_of_targets(variables: &[&str], env: &impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let of_environment = |name: &&str| env(name).into_iter().chain(env(&name.to_ascii_lowercase()));
    let mut paths: Vec<PathBuf> = variables.iter().flat_map(of_environment).map(PathBuf::from).collect();
    for credential in env("CREDENTIALS_DIRECTORY").iter().flat_map(|folder| credentials_of_targets(folder)) {
        let Ok(text) = input_file::read_text_file(&credential, MAX_CREDENTIAL_BYTES) else { continue };
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let named = lines.filter(|(name, _)| variables.contains(&&*name.trim().to_ascii_uppercase()));
        paths.extend(named.map(|(_, path)| PathBuf::from(path.trim().trim_matches('"'))));
    }
    paths
}

fn named_secret_files(
    project: &Project,
    notify: &NotifySettings,
    env: &impl Fn(&str) -> Option<String>,
) -> Vec<PathBuf> {
    let file = env_file_values(&project.env_file).unwrap_or_default();
    let mut paths = vec![project.env_file.clone()];
    let named = |name: &&str| env(name).or_else(|| file.get(*name).cloned());
    paths.extend(FILE_VARIABLES.iter().filter_map(named).map(|path| project.root.join(path)));
    // Relative to the current folder, as where it is read.
    paths.extend(env("CRATEDIGGER_KEY_FILE").map(PathBuf::from));
    let hooks = [&notify.ping_url_file, &notify.webhook_url_file];
    paths.extend(hooks.into_iter().flatten().map(|path| project.root.join(path)));
    paths
}

fn open_file(path: PathBuf) -> Option<OpenSecretFile> {
    let found = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
    let mode = found.mode() & 0o7777;
    (mode & OPEN_BITS != 0).then_some(OpenSecretFile { path, mode })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_and_tokens_of_targets_are_secret() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::at(folder.path());
        let credentials = folder.path().join("credentials");
        std::fs::create_dir(&credentials).unwrap();
        let far = tempfile::NamedTempFile::new().unwrap();
        std::fs::set_permissions(far.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        for variable in TARGET_FILES.iter().chain(&TOKEN_FILES) {
            let path = folder.path().join(variable);
            std::fs::write(&path, "x").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            let shown = path.to_str().unwrap().to_owned();
            let of_credential = credentials.join("cratedigger_target_w");
            std::fs::write(&of_credential, format!("# key\n{variable} = \"{shown}\"\n")).unwrap();
            std::fs::set_permissions(&of_credential, std::fs::Permissions::from_mode(0o600)).unwrap();
            let lower = variable.to_ascii_lowercase();
            for (name, value) in [
                (*variable, &shown),
                (&*lower, &shown),
                ("CREDENTIALS_DIRECTORY", &credentials.to_str().unwrap().to_owned()),
            ] {
                let env = |asked: &str| (asked == name).then(|| value.clone());
                let notify = NotifySettings::default();
                assert!(secret_files(&project, &notify, env).contains(&path), "{name}");
                let found = open_secret_files(&project, &notify, env);
                assert_eq!(found, [OpenSecretFile { path: path.clone(), mode: 0o644 }], "{name}");
            }
            let env = |asked: &str| (asked == *variable).then(|| far.path().to_str().unwrap().to_owned());
            let found = open_secret_files(&project, &NotifySettings::default(), env);
            assert_eq!(found.is_empty(), TOKEN_FILES.contains(variable), "{variable}: the cluster decides");
        }
    }

    #[test]
    fn only_the_group_may_read_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::at(folder.path());
        std::fs::write(&project.env_file, "SPOTIFY_CLIENT_SECRET_FILE=secret\n").unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        let files = [
            ".env",
            "secret",
            "cratedigger_key",
            "hook",
            "cratedigger_ping_url",
            "cratedigger_webhook_url",
            "cratedigger_target_w",
        ];
        files[2..].iter().for_each(|name| std::fs::write(folder.path().join(name), "x").unwrap());
        let notify = NotifySettings { webhook_url_file: Some("hook".into()), ..NotifySettings::default() };
        let credentials = folder.path().to_str().unwrap().to_owned();
        let env = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| credentials.clone());
        for (mode, is_open) in
            [(0o600, false), (0o400, false), (0o640, false), (0o440, false), (0o644, true), (0o660, true)]
        {
            for name in files {
                std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(mode)).unwrap();
            }
            let found = open_secret_files(&project, &notify, env);
            assert_eq!(found.len(), if is_open { files.len() } else { 0 }, "{mode:o}: {found:?}");
        }
        let open = OpenSecretFile { path: "/x/.env".into(), mode: 0o644 };
        assert_eq!(open.problem(), "other users can read /x/.env (mode 0644)");
    }
}
