//! Rules for the texts in a job file.

use std::path::{Component, Path};

use chrono::NaiveDate;

use super::output_name::OutputName;
use super::schedule::Schedule;
use crate::document::{RuleViolation, TextRule, duration, quote, shorten};
use crate::settings::{FileFormat, extension};

/// A crontab line.
pub(super) static CRON: TextRule = TextRule {
    what: "five cron fields (minute, hour, day of month, month, day of week) or a shorthand such as @daily",
    pattern: Some("^\\s*(@[A-Za-z]+|\\S+\\s+\\S+\\s+\\S+\\s+\\S+\\s+\\S+)\\s*$"),
    blank: false,
    check: |text| match Schedule::parse(text) {
        Ok(_) => Ok(()),
        Err(e) => Err(RuleViolation { message: e.message, hint: e.hint }),
    },
};

/// `"last_run"`, a length of time, or a date.
pub(super) static SINCE: TextRule = TextRule {
    what: "\"last_run\", a length of time such as \"7d\", or a date such as \"2026-01-31\"",
    pattern: Some("^(last_run|[0-9]{1,5}[smhdw]|[0-9]{4}-[0-9]{2}-[0-9]{2})$"),
    blank: false,
    check: |text| {
        if text == "last_run" || duration(text).is_some() || date(text).is_some() {
            Ok(())
        } else {
            Err(RuleViolation::new(format!("{} is neither \"last_run\", a length of time nor a date", quote(text))))
        }
    },
};

/// Parses a date in ISO 8601, with all zeros.
pub(super) fn date(text: &str) -> Option<NaiveDate> {
    (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten()
}

/// A signed-in user's local name.
pub(super) static USER: TextRule = TextRule {
    what: "the local name of a signed-in user: letters, digits, `.`, `_` and `-`",
    pattern: Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    blank: false,
    check: |text| {
        let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if first && rest && text.len() <= 64 {
            Ok(())
        } else if text == "*" {
            Err(RuleViolation::new("`*` means all users").with_hint("write users = \"*\""))
        } else {
            Err(RuleViolation::new(format!("invalid user name {}", quote(text)))
                .with_hint("write the USER of `cratedigger auth login USER`, not a Spotify id"))
        }
    },
};

/// `"*"`
pub(super) static EVERYONE: TextRule = TextRule {
    what: "\"*\" (all signed-in users)",
    pattern: Some("^\\*$"),
    blank: false,
    check: |text| match text {
        "*" => Ok(()),
        _ => Err(RuleViolation::new(format!("{} is neither a list nor \"*\"", quote(text)))
            .with_hint(format!("write users = [\"{}\"], or user = …", text.escape_debug()))),
    },
};

/// The name of a fetch, which is also the name of a view.
pub(super) static FETCH_NAME: TextRule = TextRule {
    what: "a name of lower-case letters, digits and `_` that starts with a letter",
    pattern: Some("^(?!csv_|sqlite_)[a-z][a-z0-9_]{0,62}$"),
    blank: false,
    check: |text| {
        let first = text.chars().next().is_some_and(|c| c.is_ascii_lowercase());
        let rest = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !first || !rest || text.len() > 63 {
            Err(RuleViolation::new(format!("invalid fetch name {}", quote(text)))
                .with_hint("the name is also the name of its view in queries"))
        } else if text.starts_with("csv_") || text.starts_with("sqlite_") {
            Err(RuleViolation::new(format!("{} starts like a built-in view of the store", quote(text))))
        } else {
            Ok(())
        }
    },
};

/// The name of a file to write.
pub(super) static OUTPUT: TextRule = TextRule {
    what: "a file name such as \"playlists.csv\" or \"daily/{date}.csv\"",
    pattern: Some(super::output_name::PATTERN_CSV),
    blank: false,
    check: |text| {
        OutputName::parse(text)?;
        check_ending(text, FileFormat::Csv)
    },
};

/// The name of a file of JSON Lines.
pub(super) static OUTPUT_JSONL: TextRule = TextRule {
    what: "a file name such as \"playlists.jsonl\" or \"daily/{date}.jsonl\"",
    pattern: Some(super::output_name::PATTERN_JSONL),
    blank: false,
    check: |text| {
        OutputName::parse(text)?;
        check_ending(text, FileFormat::JsonL)
    },
};

/// The name of a Parquet file.
pub(super) static OUTPUT_PARQUET: TextRule = TextRule {
    what: "a file name such as \"playlists.parquet\" or \"daily/{date}.parquet\"",
    pattern: Some(super::output_name::PATTERN_PARQUET),
    blank: false,
    check: |text| {
        OutputName::parse(text)?;
        check_ending(text, FileFormat::Parquet)
    },
};

/// Checks that a name has an ending of its format, because a reader decides by the ending.
fn check_ending(name: &str, format: FileFormat) -> Result<(), RuleViolation> {
    let found = FileFormat::of_path(name);
    let shown = quote(name);
    let rename = || format!("write \"{}\"", format.replace_extension(name).escape_debug());
    let of_a_key = FileFormat::OF_ROWS.contains(&found) && found != FileFormat::Csv;
    let end = extension(name).to_ascii_lowercase();
    match end.as_str() {
        _ if found == format && format != FileFormat::Csv => Ok(()),
        _ if of_a_key => {
            let problem = RuleViolation::new(format!("{shown} has the ending of another format"));
            Err(problem.with_hint(format!("write {} = \"{}\"", found.as_str(), name.escape_debug())))
        }
        "xlsx" | "xls" | "ods" => {
            let problem = RuleViolation::new(format!("{shown} has the ending of a workbook"));
            Err(problem.with_hint(format!(
                "{}; for a workbook of the whole job, write xlsx = true at the top of the job file",
                rename()
            )))
        }
        "json" => {
            let problem = RuleViolation::new(format!("{shown} has the ending .json, which no file of rows has"));
            let lines = FileFormat::JsonL.replace_extension(name);
            Err(problem.with_hint(format!("write jsonl = \"{}\" for one JSON object a line", lines.escape_debug())))
        }
        "html" => {
            let problem = RuleViolation::new(format!("{shown} has the ending of a page"));
            Err(problem.with_hint(format!("{}; for a page of the job, write [report]", rename())))
        }
        "csv" | "tsv" | "txt" if format != FileFormat::Csv => {
            let problem = RuleViolation::new(format!("{shown} has the ending of a CSV file"));
            Err(problem.with_hint(format!("write csv = \"{}\", or {}", name.escape_debug(), rename())))
        }
        _ if format != FileFormat::Csv => {
            let problem = RuleViolation::new(format!("{shown} does not end in .{}", format.as_str()));
            Err(problem.with_hint(rename()))
        }
        "db" | "sqlite" => {
            let problem = RuleViolation::new(format!("{shown} would be a CSV file with the ending .{end}"));
            Err(problem.with_hint(rename()))
        }
        _ => Ok(()),
    }
}

/// The name of a file to read, in the folder of the job file or below it.
pub(super) static INPUT: TextRule = TextRule {
    what: "a file in the folder of the job file, such as \"artists.csv\"",
    pattern: Some("^(?!/)(?!(.*/)?\\.\\.(/|$)).*\\S"),
    blank: false,
    check: |text| {
        if text.contains('\0') {
            return Err(RuleViolation::new("a path cannot contain NUL"));
        }
        let is_inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if Path::new(text).components().all(is_inside) {
            return Ok(());
        }
        let name = Path::new(text).file_name().map_or("ids.csv".into(), |name| name.to_string_lossy());
        Err(RuleViolation::new(format!("{} is outside of the folder of the job file", quote(text)))
            .with_hint(format!("copy the file into that folder and write only its name: \"{}\"", shorten(&name))))
    },
};

/// The locale of category names.
pub(super) static LOCALE: TextRule = TextRule {
    what: "a locale such as \"de_DE\"",
    pattern: Some("^[a-z]{2}_[A-Z]{2}$"),
    blank: false,
    check: |text| {
        let bytes = text.as_bytes();
        let fits = bytes.len() == 5
            && bytes[..2].iter().all(u8::is_ascii_lowercase)
            && bytes[2] == b'_'
            && bytes[3..].iter().all(u8::is_ascii_uppercase);
        if fits { Ok(()) } else { Err(RuleViolation::new(format!("invalid locale {}", quote(text)))) }
    },
};

/// One SELECT.
pub(super) static SELECT: TextRule = TextRule {
    what: "one SELECT",
    pattern: Some("[Ss][Ee][Ll][Ee][Cc][Tt]"),
    blank: false,
    // SQLite checks the rest; see `sql`.
    check: |_| Ok(()),
};

/// A condition over the rows of another fetch.
pub(super) static CONDITION: TextRule = TextRule {
    what: "an SQL condition over the rows of the fetch named in `from`",
    pattern: Some("\\S"),
    blank: false,
    // SQLite checks the condition; see `sql`.
    check: |_| Ok(()),
};
