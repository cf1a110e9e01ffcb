//! Who may read the files that are written: `output.mode` and `output.group`.

use std::path::Path;

use nix::unistd::Group;

use super::{CommandError, ExitStatus, OrExit};
use crate::settings::{SettingOrigin, Settings};
use crate::store::{AccessTarget, FileAccess};

/// Who may read the store.
pub(super) fn store_access(settings: &Settings) -> Result<FileAccess, CommandError> {
    file_access(settings, settings.output.database.parent())
}

/// Who may read the CSV files.
pub(super) fn csv_access(settings: &Settings) -> Result<FileAccess, CommandError> {
    file_access(settings, Some(&settings.output.csv_dir))
}

/// A folder of the settings inside the project exists for the output, so it gets the mode and the group
/// too. Any other folder may belong to another user.
fn file_access(settings: &Settings, folder: Option<&Path>) -> Result<FileAccess, CommandError> {
    let output = &settings.output;
    let is_output_folder = folder.is_some_and(|folder| folder.is_relative() && folder != Path::new(""));
    let is_set = ["output.mode", "output.group"].iter().any(|key| settings.origin(key) != SettingOrigin::Default);
    let applies_to = match (is_set, is_output_folder) {
        (false, _) => AccessTarget::New,
        (true, false) => AccessTarget::Files,
        (true, true) => AccessTarget::Folders,
    };
    Ok(FileAccess { mode: output.mode, group: output.group.as_deref().map(group_id).transpose()?, applies_to })
}

/// The id of a group. The system is asked, since `/etc/group` has no groups of LDAP.
fn group_id(name: &str) -> Result<u32, CommandError> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let group = Group::from_name(name).map_err(std::io::Error::from).or_exit(ExitStatus::Usage)?;
    group.map(|group| group.gid.as_raw()).ok_or_else(|| {
        let error = anyhow::anyhow!("the setting output.group names {name:?}, which is not a group on this system");
        CommandError::new(ExitStatus::Usage, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name_or_id() {
        assert_eq!(group_id("root").unwrap(), 0);
        assert_eq!(group_id("4711").unwrap(), 4711);
        let error = group_id("no-such-group").unwrap_err();
        assert_eq!(error.exit(), ExitStatus::Usage);
        assert!(error.to_string().contains("\"no-such-group\""), "{error}");
    }
}
