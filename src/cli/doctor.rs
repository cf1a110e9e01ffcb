//! `doctor`: one page of green and red. Every red line says what to type.
//!
//! It changes nothing and makes nothing that isn't there. Without `--offline` it asks Spotify for one
//! token, which is no call of the day's budget.

mod project;
mod timer;

use chrono::Utc;
use serde_json::json;

use super::args::Doctor;
use super::{Context, Exit, Failure, OrExit, print};
use crate::document::printable;
use crate::settings::Settings;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Light {
    /// In order.
    Green,
    /// Worth knowing.
    Note,
    /// To be seen to.
    Red,
}

impl Light {
    fn word(self) -> &'static str {
        match self {
            Light::Green => "ok",
            Light::Note => "note",
            Light::Red => "bad",
        }
    }
}

/// One line of the page.
#[derive(Debug, Clone)]
pub(super) struct Line {
    what: &'static str,
    light: Light,
    text: String,
    todo: Option<String>,
    exit: Exit,
}

impl Line {
    pub(super) fn green(what: &'static str, text: impl Into<String>) -> Line {
        Line { what, light: Light::Green, text: text.into(), todo: None, exit: Exit::Complete }
    }

    pub(super) fn note(what: &'static str, text: impl Into<String>) -> Line {
        Line { light: Light::Note, ..Line::green(what, text) }
    }

    /// Red: with what to type or do, and the exit code that it asks for.
    pub(super) fn red(what: &'static str, text: impl Into<String>, todo: impl Into<String>, exit: Exit) -> Line {
        Line { what, light: Light::Red, text: text.into(), todo: Some(todo.into()), exit }
    }

    /// Red, for a failure that says what to do itself.
    pub(super) fn failed(what: &'static str, failure: &Failure, otherwise: &str) -> Line {
        let report = failure.report(false);
        let said = |prefix: &str| report.lines().filter_map(|line| line.strip_prefix(prefix)).collect::<Vec<_>>();
        let text = [said("error: "), said("caused by: ")].concat().join(": ");
        let todo = said("hint: ").join("; ");
        Line::red(what, text, if todo.is_empty() { otherwise.to_owned() } else { todo }, failure.exit())
    }
}

/// Looks at everything.
pub fn run(args: &Doctor, context: &Context) -> Result<Exit, Failure> {
    let mut page = Vec::new();
    match context.settings() {
        Ok(settings) => {
            page.push(settings_line(&settings));
            page.extend(project::lines(context, &settings, args.offline));
            page.extend(timer::lines(context, &settings, Utc::now()));
        }
        Err(failure) => {
            let text = format!("{failure} in the settings; nothing else can be looked at before that is mended");
            page.push(Line::red("settings", text, "cratedigger check", Exit::Usage));
        }
    }
    page.push(zones());
    let exit = Exit::of_all(page.iter().map(|line| line.exit));
    if context.json {
        let lines: Vec<_> = page
            .iter()
            .map(|line| json!({ "what": line.what, "state": line.light.word(), "text": line.text, "do": line.todo }))
            .collect();
        print::json(&json!({ "healthy": exit == Exit::Complete, "lines": lines })).or_exit(Exit::Storage)?;
    } else {
        print::stdout(&shown(&page, context)).or_exit(Exit::Storage)?;
    }
    Ok(exit)
}

fn shown(page: &[Line], context: &Context) -> String {
    let coloured = |light: Light| match (light, context.colour) {
        (Light::Green, true) => "\u{1b}[32mok  \u{1b}[0m",
        (Light::Red, true) => "\u{1b}[31mbad \u{1b}[0m",
        (Light::Green, false) => "ok  ",
        (Light::Red, false) => "bad ",
        (Light::Note, _) => "note",
    };
    let mut out = String::new();
    for line in page {
        let text = printable(&line.text).replace("\\n", "\n                    ");
        out.push_str(&format!("{}  {:<13} {text}\n", coloured(line.light), line.what));
        if let Some(todo) = &line.todo {
            out.push_str(&format!("{:20}-> {}\n", "", printable(todo)));
        }
    }
    let bad = page.iter().filter(|line| line.light == Light::Red).count();
    out.push_str(&match bad {
        0 => "\nall is well\n".to_owned(),
        1 => "\n1 thing to see to\n".to_owned(),
        n => format!("\n{n} things to see to\n"),
    });
    out
}

/// The settings that are no defaults, and where each came from.
fn settings_line(settings: &Settings) -> Line {
    let set: Vec<String> = settings.origins.keys().map(|name| format!("{name} ({})", settings.origin(name))).collect();
    let text = if set.is_empty() { "all defaults".to_owned() } else { set.join(", ") };
    Line::green("settings", text)
}

/// Which edition of the time-zone data schedules go by, and which one the system has.
fn zones() -> Line {
    let ours = chrono_tz::IANA_TZDB_VERSION;
    let text = std::fs::read_to_string("/usr/share/zoneinfo/tzdata.zi").unwrap_or_default();
    let system = text.lines().next().and_then(|line| line.strip_prefix("# version ")).map(str::trim);
    match system {
        Some(system) if system > ours => Line::note(
            "time zones",
            format!("data of {ours}; this system has {system}: zones that changed since fire by the older rules"),
        ),
        Some(system) => Line::green("time zones", format!("data of {ours} (the system's: {system})")),
        None => Line::green("time zones", format!("data of {ours}")),
    }
}
