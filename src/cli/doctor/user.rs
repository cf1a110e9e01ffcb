//! Whether `doctor` is run by the user who runs the jobs, and with their state folder.
//!
//! With another user, most checks would describe the wrong state folder, and their advice would be wrong.

use super::DoctorLine;
use crate::cli::other_user::OtherUser;
use crate::cli::{CommandContext, ExitStatus};
use crate::settings::Settings;

/// The line that says who has to run `doctor`, if it is not the present user.
pub(super) fn other_user(context: &CommandContext, settings: &Settings) -> Option<DoctorLine> {
    let other = OtherUser::find(context, settings)?;
    let text = match other.is_another_user() {
        true => format!(
            "{}: the state folder, the sign-ins and the budget can only be checked as that user",
            other.describe()
        ),
        false => format!("{}: the sign-ins and the budget are in the former", other.describe()),
    };
    Some(DoctorLine::problem("user", text, other.command("cratedigger", "doctor"), ExitStatus::Usage))
}
