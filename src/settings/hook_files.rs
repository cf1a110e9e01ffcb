//! The addresses of hooks from files: everyone who knows such an address can use it, so it need not be in the settings file.

use std::ffi::OsString;
use std::path::Path;

use url::Url;

use super::project::Project;
use super::rules;
use super::sections::{HookUrl, NotifySettings};
use crate::document::Diagnostic;
use crate::input_file;
use spotify_client::state::credential_path;

/// A longer file is not an address.
const MAX_BYTES: u64 = 64 * 1024;

/// The name of a setting, and of its credential.
const HOOKS: [(&str, &str); 2] = [("ping_url", CREDENTIALS[0]), ("webhook_url", CREDENTIALS[1])];

/// The files with addresses in a credentials folder.
pub(super) const CREDENTIALS: [&str; 2] = ["cratedigger_ping_url", "cratedigger_webhook_url"];

/// Reports a setting that is made twice: as an address, and as a file with one.
pub(super) fn hooks_set_twice(notify: &NotifySettings) -> Vec<Diagnostic> {
    let NotifySettings { ping_url, ping_url_file, webhook_url, webhook_url_file, .. } = notify;
    let set = [(ping_url.is_some(), ping_url_file.is_some()), (webhook_url.is_some(), webhook_url_file.is_some())];
    let twice = HOOKS.into_iter().zip(set).filter(|(_, set)| *set == (true, true));
    twice
        .map(|((name, _), _)| {
            let setting = format!("notify.{name}");
            let message = format!("both `{setting}` and `{setting}_file`");
            Diagnostic::for_file("settings", message).for_key(setting).with_hint("use one of them")
        })
        .collect()
}

/// Reads the addresses that the settings do not contain themselves. Only the commands that send messages need them, so
/// the problems are no reason to refuse the settings.
pub(super) fn read_hook_files(
    notify: &mut NotifySettings,
    project: &Project,
    credentials: Option<OsString>,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let NotifySettings { ping_url, ping_url_file, webhook_url, webhook_url_file, .. } = notify;
    for ((name, credential), (url, file)) in
        HOOKS.into_iter().zip([(ping_url, ping_url_file), (webhook_url, webhook_url_file)])
    {
        let mut fails = |path: &Path, why: String| {
            let problem = Diagnostic::for_file(&project.display_path(path), why);
            problems.push(problem.for_key(format!("notify.{name}_file")));
        };
        let path = match (&file, &credentials) {
            (Some(file), _) => Some(project.root.join(file)),
            (None, Some(folder)) if url.is_none() => credential_path(folder, credential).unwrap_or_else(|error| {
                // The folder may contain the address, and messages would be lost silently.
                fails(&Path::new(folder).join(credential), format!("cannot be read ({error})"));
                None
            }),
            _ => None,
        };
        let Some(path) = path else { continue };
        match read_address(&path) {
            Ok(address) => *url = Some(HookUrl::new(address)),
            Err(why) => fails(&path, why),
        }
    }
    problems
}

fn read_address(path: &Path) -> Result<Url, String> {
    let text = input_file::read_text_file(path, MAX_BYTES).map_err(|error| error.to_string())?;
    (rules::HOOK_URL.check)(text.trim()).map_err(|violation| violation.message)?;
    Url::parse(text.trim()).map_err(|_| "not a web address".to_owned())
}
