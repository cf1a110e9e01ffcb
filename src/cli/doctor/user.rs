//! Whether `doctor` is run by the user who runs the jobs, and with their state folder.
//!
//! With another user, most checks would describe the wrong state folder, and their advice would be wrong.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{Uid, User};

use super::DoctorLine;
use crate::cli::{CommandContext, ExitStatus};
use crate::document::shell_word;
use crate::settings::Settings;
use crate::store::known_state_folder;

/// The line that says who has to run `doctor`, if it is not the present user.
pub(super) fn other_user(context: &CommandContext, settings: &Settings) -> Option<DoctorLine> {
    let database = context.project.database(settings);
    let state = context.state_dir(settings).ok()?;
    let me = Uid::effective();
    let owner = [database.as_path(), state.path()].into_iter().find_map(|path| owner_of(path, me));
    let known = known_state_folder(&database).filter(|known| is_another_folder(Path::new(known), state.path()));
    let flag = known.as_ref().map_or_else(String::new, |known| format!(" --state-dir {}", shell_word(known)));
    let project = context.project.root.canonicalize().unwrap_or_else(|_| context.project.root.clone());
    let command = format!("cratedigger --project {}{flag} doctor", shell_word(&project.display().to_string()));
    let (text, todo) = match (owner, known) {
        (Some(owner), _) => {
            let (owner, name) = (user_name(owner), user_name(me));
            let text = format!(
                "the jobs are run by {owner}, and this is {name}: the state folder, the sign-ins and the budget can only \
                 be checked as {owner}"
            );
            (text, format!("sudo -u {} {command}", shell_word(&owner)))
        }
        (None, Some(known)) => {
            let text = format!(
                "the store was filled with the state folder {known}, but this command looks into {state}: the sign-ins \
                 and the budget are in the former"
            );
            (text, command)
        }
        (None, None) => return None,
    };
    Some(DoctorLine::problem("user", text, todo, ExitStatus::Usage))
}

/// The owner of a file, if it is not this user.
fn owner_of(path: &Path, me: Uid) -> Option<Uid> {
    let owner = Uid::from_raw(std::fs::metadata(path).ok()?.uid());
    (owner != me).then_some(owner)
}

/// Whether a folder is another one than that of this command, which does not exist yet. If both exist, opening the
/// store compares them.
fn is_another_folder(known: &Path, ours: &Path) -> bool {
    !ours.exists() && known != ours
}

/// The name of a user, or the number if there is none.
fn user_name(id: Uid) -> String {
    User::from_uid(id).ok().flatten().map_or_else(|| format!("#{id}"), |user| user.name)
}
