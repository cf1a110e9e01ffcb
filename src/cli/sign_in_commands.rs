//! Makes `cratedigger auth login` in hints a line that can be typed as it is: by another user than the one who runs the
//! jobs, and outside the project folder.

use std::path::Path;

use nix::unistd::Uid;

use super::CommandContext;
use super::other_user::OtherUser;
use super::store_file::user_name;
use crate::document::shell_word;
use spotify_client::state::StateDirSource;

/// The command that hints contain.
const COMMAND: &str = "cratedigger auth login ";

/// The folder with the credentials that the installer creates.
const INSTALLED_CREDENTIALS: &str = "/etc/cratedigger";

/// User ids below this one are those of the system and its services.
const FIRST_PERSON: u32 = 1_000;

/// The text with every sign-in command completed.
pub(super) fn complete_sign_ins(context: &CommandContext, text: &str) -> String {
    if !text.contains(COMMAND) {
        return text.to_owned();
    }
    let Some((start, needs_no_browser)) = full_start(context) else { return text.to_owned() };
    let mut parts = text.split(COMMAND);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_whitespace() || "`;,)\"".contains(c)).unwrap_or(part.len());
        let (user, rest) = part.split_at(end);
        let flag = if needs_no_browser && !rest.starts_with(" --") { " --no-browser" } else { "" };
        out.push_str(&format!("{start} auth login {user}{flag}{rest}"));
    }
    out
}

/// The program as it has to be called, and whether the user has no browser there. `None` means as it is.
fn full_start(context: &CommandContext) -> Option<(String, bool)> {
    let settings = context.valid_settings();
    let has_credentials = Path::new(INSTALLED_CREDENTIALS).is_dir();
    let service = match has_credentials {
        true => format!("env CREDENTIALS_DIRECTORY={INSTALLED_CREDENTIALS} cratedigger"),
        false => "cratedigger".to_owned(),
    };
    if let Some(other) = OtherUser::find(context, &settings).filter(OtherUser::is_another_user) {
        return Some((other.command(&service, ""), true));
    }
    let root = &context.project.root;
    let project = root.canonicalize().unwrap_or_else(|_| root.clone()).display().to_string();
    let state = context.state_dir(&settings).ok();
    // What a flag or systemd has set for this process is not set where the line is typed.
    let flag = state
        .filter(|dir| matches!(dir.source(), StateDirSource::Flag | StateDirSource::StateDirectory))
        .map_or_else(String::new, |dir| format!(" --state-dir {}", shell_word(&dir.path().display().to_string())));
    let me = Uid::effective();
    let is_service = !me.is_root() && me.as_raw() < FIRST_PERSON;
    if is_service {
        let user = shell_word(&user_name(me));
        return Some((format!("sudo -u {user} {service} --project {}{flag}", shell_word(&project)), true));
    }
    let is_elsewhere = root != Path::new(".");
    is_elsewhere.then(|| (format!("cratedigger --project {}{flag}", shell_word(&project)), false))
}
