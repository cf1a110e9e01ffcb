//! Checks of the targets: their files, and whether they answer.

use super::DoctorLine;
use crate::cli::push::{place, push_error};
use crate::cli::runtime::runtime;
use crate::cli::{CommandContext, ExitStatus};
use crate::document::Diagnostic;
use crate::push::{TargetState, target_state};
use crate::settings::Settings;
use crate::target;

/// One line per target. Without `offline` each is asked for the version that it has.
pub(super) fn target_lines(context: &CommandContext, settings: &Settings, offline: bool) -> Vec<DoctorLine> {
    let loaded = target::load(&context.project, context.flags.shard, &[]);
    let of_problem = |problem: &Diagnostic| {
        DoctorLine::problem("target", problem.to_string(), "cratedigger check", ExitStatus::Usage)
    };
    let mut page: Vec<DoctorLine> = loaded.problems.iter().filter(|p| p.is_error()).map(of_problem).collect();
    let database = context.project.database(settings);
    for target in &loaded.targets {
        let shown = format!("{}: {}", target.name, place(target));
        if offline || !database.exists() {
            page.push(DoctorLine::note("target", format!("{shown}; not asked")));
            continue;
        }
        let asked = runtime().map(|runtime| runtime.block_on(target_state(&database, target)));
        page.push(match asked {
            Ok(Ok(TargetState::Behind(0))) => DoctorLine::passed("target", format!("{shown} has all rows")),
            Ok(Ok(TargetState::Behind(behind))) => {
                DoctorLine::note("target", format!("{shown} lacks what changed in {behind} transactions"))
            }
            Ok(Ok(TargetState::Altered)) => {
                DoctorLine::note("target", format!("{shown} lacks tables or columns; the next push sends them again"))
            }
            Ok(Ok(TargetState::NeedsAll)) => {
                DoctorLine::note("target", format!("{shown} has no rows of this store; the next push sends all"))
            }
            Ok(Err(error)) => DoctorLine::from_error("target", &push_error(error), "cratedigger push"),
            Err(error) => DoctorLine::from_error("target", &error, "cratedigger push"),
        });
    }
    page
}
