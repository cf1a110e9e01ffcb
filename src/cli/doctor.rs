//! `doctor`: checks the whole setup. Every problem comes with a command to type.
//!
//! It changes and creates nothing. Without `--offline` it requests one token from Spotify, which does not
//! count against the daily budget.

mod notify;
mod project;
mod targets;
mod timer;
mod user;

use chrono::Utc;
use serde_json::json;

use super::args::DoctorArgs;
use super::sign_in_commands::complete_sign_ins;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print, state_color};
use crate::document::{Diagnostic, printable};
use crate::settings::Settings;

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckStatus {
    /// No problem.
    Green,
    /// Worth knowing, but not a problem.
    Note,
    /// A problem.
    Red,
}

impl CheckStatus {
    fn as_str(self) -> &'static str {
        match self {
            CheckStatus::Green => "ok",
            CheckStatus::Note => "note",
            CheckStatus::Red => "bad",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone)]
pub(super) struct DoctorLine {
    what: &'static str,
    light: CheckStatus,
    text: String,
    todo: Option<String>,
    exit: ExitStatus,
}

impl DoctorLine {
    pub(super) fn passed(what: &'static str, text: impl Into<String>) -> DoctorLine {
        DoctorLine { what, light: CheckStatus::Green, text: text.into(), todo: None, exit: ExitStatus::Complete }
    }

    pub(super) fn note(what: &'static str, text: impl Into<String>) -> DoctorLine {
        DoctorLine { light: CheckStatus::Note, ..DoctorLine::passed(what, text) }
    }

    /// A problem with what to do about it and its exit code.
    pub(super) fn problem(
        what: &'static str,
        text: impl Into<String>,
        todo: impl Into<String>,
        exit: ExitStatus,
    ) -> DoctorLine {
        DoctorLine { what, light: CheckStatus::Red, text: text.into(), todo: Some(todo.into()), exit }
    }

    /// A problem from an error. `otherwise` is what to do if the error has no hint.
    pub(super) fn from_error(what: &'static str, failure: &CommandError, otherwise: &str) -> DoctorLine {
        let report = failure.report(false);
        let said = |prefix: &str| report.lines().filter_map(|line| line.strip_prefix(prefix)).collect::<Vec<_>>();
        let text = [said("error: "), said("caused by: ")].concat().join(": ");
        let todo = said("hint: ").join("; ");
        DoctorLine::problem(what, text, if todo.is_empty() { otherwise.to_owned() } else { todo }, failure.exit())
    }
}

/// Runs all checks.
pub fn run(args: &DoctorArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let mut page = Vec::new();
    match context.settings() {
        Ok(settings) => {
            page.push(settings_line(&settings));
            let of_hook = |problem: &Diagnostic| {
                DoctorLine::problem("settings", problem.to_string(), "cratedigger check", ExitStatus::Usage)
            };
            page.extend(settings.hook_problems.iter().map(of_hook));
            page.extend(project::project_lines(context, &settings, args.offline));
            page.extend(timer::timer_lines(context, &settings, Utc::now()));
            page.extend(notify::notify_lines(context, &settings));
            page.extend(targets::target_lines(context, &settings, args.offline));
        }
        Err(failure) => {
            let text = format!("{failure} in the settings; fix them before anything else can be checked");
            page.push(DoctorLine::problem("settings", text, "cratedigger check", ExitStatus::Usage));
        }
    }
    page.push(zones());
    for todo in page.iter_mut().filter_map(|line| line.todo.as_mut()) {
        *todo = complete_sign_ins(context, todo);
    }
    let exit = ExitStatus::most_severe(page.iter().map(|line| line.exit));
    if context.json {
        let lines: Vec<_> = page
            .iter()
            .map(|line| json!({ "what": line.what, "state": line.light.as_str(), "text": line.text, "do": line.todo }))
            .collect();
        print::json(&json!({ "healthy": exit == ExitStatus::Complete, "lines": lines }))
            .or_exit(ExitStatus::Storage)?;
    } else {
        print::paragraphs_colored(&page_text(&page)).or_exit(ExitStatus::Storage)?;
    }
    Ok(exit)
}

fn page_text(page: &[DoctorLine]) -> String {
    let is_colored = state_color::is_wanted(&std::io::stdout());
    let coloured = |light: CheckStatus| match (light, is_colored) {
        (CheckStatus::Green, true) => "\u{1b}[32mok  \u{1b}[0m",
        (CheckStatus::Red, true) => "\u{1b}[31mbad \u{1b}[0m",
        (CheckStatus::Green, false) => "ok  ",
        (CheckStatus::Red, false) => "bad ",
        (CheckStatus::Note, _) => "note",
    };
    let mut out = String::new();
    for line in page {
        let text = printable(&line.text).replace("\\n", "\n                    ");
        out.push_str(&format!("{}  {:<13} {text}\n", coloured(line.light), line.what));
        if let Some(todo) = &line.todo {
            out.push_str(&format!("{:20}-> {}\n", "", printable(todo)));
        }
    }
    let bad = page.iter().filter(|line| line.light == CheckStatus::Red).count();
    out.push_str(&match bad {
        0 => "\nno problems found\n".to_owned(),
        1 => "\n1 problem found\n".to_owned(),
        n => format!("\n{n} problems found\n"),
    });
    out
}

/// The settings that differ from the defaults, and where each comes from.
fn settings_line(settings: &Settings) -> DoctorLine {
    let set: Vec<String> = settings.origins.keys().map(|name| format!("{name} ({})", settings.origin(name))).collect();
    let text = if set.is_empty() { "all defaults".to_owned() } else { set.join(", ") };
    DoctorLine::passed("settings", text)
}

/// The versions of the built-in time zone data and of the system's.
fn zones() -> DoctorLine {
    let ours = chrono_tz::IANA_TZDB_VERSION;
    let text = std::fs::read_to_string("/usr/share/zoneinfo/tzdata.zi").unwrap_or_default();
    let system = text.lines().next().and_then(|line| line.strip_prefix("# version ")).map(str::trim);
    match system {
        Some(system) if system > ours => DoctorLine::note(
            "time zones",
            format!("data of {ours}; this system has {system}; zones that changed since then use the older rules"),
        ),
        Some(system) => DoctorLine::passed("time zones", format!("data of {ours} (the system's: {system})")),
        None => DoctorLine::passed("time zones", format!("data of {ours}")),
    }
}
