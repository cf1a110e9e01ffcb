//! Whether the jobs are run by another user than the one who types a command, or with another state folder.
//!
//! With another user, a command looks into the wrong state folder, and its advice would be wrong.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::Uid;

use super::CommandContext;
use super::store_file::user_name;
use crate::document::shell_word;
use crate::settings::Settings;
use crate::store::known_state_folder;

/// The user or the state folder that the jobs use, as far as they are not those of this command.
pub(super) struct OtherUser {
    owner: Option<Uid>,
    /// The state folder that filled the store.
    known: Option<String>,
    /// The state folder of this command.
    ours: String,
    /// The absolute path of the project.
    project: String,
}

impl OtherUser {
    pub(super) fn find(context: &CommandContext, settings: &Settings) -> Option<OtherUser> {
        let database = context.project.database(settings);
        let state = context.state_dir(settings).ok()?;
        let me = Uid::effective();
        // A user who may not read the output still sees who owns its folder.
        let folder = database.parent().unwrap_or(&database);
        let owner = [database.as_path(), folder, state.path()].into_iter().find_map(|path| owner_of(path, me));
        let known = known_state_folder(&database).filter(|known| is_another_folder(Path::new(known), state.path()));
        if owner.is_none() && known.is_none() {
            return None;
        }
        let root = &context.project.root;
        let project = root.canonicalize().unwrap_or_else(|_| root.clone()).display().to_string();
        Some(OtherUser { owner, known, ours: state.to_string(), project })
    }

    /// Who runs the jobs, and who this is.
    pub(super) fn describe(&self) -> String {
        match (self.owner, &self.known) {
            (None, Some(known)) => {
                format!("the store was filled with the state folder {known}, but this command looks into {}", self.ours)
            }
            (Some(owner), _) => {
                format!("the jobs are run by {}, and this is {}", user_name(owner), user_name(Uid::effective()))
            }
            (None, None) => format!("the jobs use another state folder than {}", self.ours),
        }
    }

    /// Whether the jobs are run by another user.
    pub(super) fn is_another_user(&self) -> bool {
        self.owner.is_some()
    }

    /// A command of this program, as the user who runs the jobs has to type it.
    pub(super) fn command(&self, program: &str, arguments: &str) -> String {
        let user = self.owner.map_or_else(String::new, |owner| format!("sudo -u {} ", shell_word(&user_name(owner))));
        let flag = self.known.as_ref().map_or_else(String::new, |known| format!(" --state-dir {}", shell_word(known)));
        let space = if arguments.is_empty() { "" } else { " " };
        format!("{user}{program} --project {}{flag}{space}{arguments}", shell_word(&self.project))
    }
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
