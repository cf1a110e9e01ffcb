//! The addresses of hooks from files: everyone who knows such an address can use it, so it need not be in the settings file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use url::Url;

use super::project::Project;
use super::rules;
use super::sections::{HookUrl, NotifySettings};
use crate::document::Diagnostic;
use crate::input_file;

/// A longer file is not an address.
const MAX_BYTES: u64 = 64 * 1024;

/// Reads the addresses that the settings do not contain themselves.
pub(super) fn read_hook_files(
    notify: &mut NotifySettings,
    project: &Project,
    credentials: Option<OsString>,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let NotifySettings { ping_url, ping_url_file, webhook_url, webhook_url_file, .. } = notify;
    for (name, url, file) in [("ping_url", ping_url, ping_url_file), ("webhook_url", webhook_url, webhook_url_file)] {
        let setting = format!("notify.{name}");
        if url.is_some() && file.is_some() {
            let message = format!("both `{setting}` and `{setting}_file`");
            problems.push(Diagnostic::for_file("settings", message).for_key(setting).with_hint("use one of them"));
            continue;
        }
        let credential = credentials.as_ref().map(|dir| Path::new(dir).join(format!("cratedigger_{name}")));
        let path: Option<PathBuf> = match file {
            Some(file) => Some(project.root.join(file)),
            None if url.is_none() => credential.filter(|path| path.exists()),
            None => None,
        };
        let Some(path) = path else { continue };
        match read_address(&path) {
            Ok(address) => *url = Some(HookUrl::new(address)),
            Err(why) => {
                let shown = project.display_path(&path);
                problems.push(Diagnostic::for_file(&shown, why).for_key(format!("{setting}_file")));
            }
        }
    }
    problems
}

fn read_address(path: &Path) -> Result<Url, String> {
    let text = input_file::read_text_file(path, MAX_BYTES).map_err(|error| error.to_string())?;
    (rules::HOOK_URL.check)(text.trim()).map_err(|violation| violation.message)?;
    Url::parse(text.trim()).map_err(|_| "not a web address".to_owned())
}
