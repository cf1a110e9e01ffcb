//! Names of the files that a job writes.
//!
//! A job file may come from someone else, so a name can never lead out of the job's folder: it is
//! relative, its parts are plain names, and none of them is hidden or reserved by Windows.

use std::collections::BTreeSet;

use super::plain_letters::plain_letter;
use crate::document::{RuleViolation, nearest, or_list, quote};

/// The part of the rule that a regular expression can express.
pub(super) const PATTERN_CSV: &str = "^(?!.*\\.(jsonl|ndjson|xlsx|xls|ods|parquet|json|html|db|sqlite)$)(?=.)(?!/)(?!.*//)(?!.*/$)(?!.*(^|/)[. -])(?!.*[. ](/|$))[A-Za-z0-9._ -]*(\\{(job|date|datetime|user|playlist|artist|show|album|audiobook)\\}[A-Za-z0-9._ -]*)*(/[A-Za-z0-9._ -]*(\\{(job|date|datetime|user|playlist|artist|show|album|audiobook)\\}[A-Za-z0-9._ -]*)*)*$";

/// The same for a file of JSON Lines.
pub(super) const PATTERN_JSONL: &str = "^(?=.*\\.([Jj][Ss][Oo][Nn][Ll]|[Nn][Dd][Jj][Ss][Oo][Nn])$)(?=.)(?!/)(?!.*//)(?!.*/$)(?!.*(^|/)[. -])(?!.*[. ](/|$))[A-Za-z0-9._ -]*(\\{(job|date|datetime|user|playlist|artist|show|album|audiobook)\\}[A-Za-z0-9._ -]*)*(/[A-Za-z0-9._ -]*(\\{(job|date|datetime|user|playlist|artist|show|album|audiobook)\\}[A-Za-z0-9._ -]*)*)*$";

/// The same for a Parquet file.
pub(super) const PATTERN_PARQUET: &str = "^(?=.*\\.[Pp][Aa][Rr][Qq][Uu][Ee][Tt]$)(?=.)(?!/)(?!.*//)(?!.*/$)(?!.*(^|/)[. -])(?!.*[. ](/|$))[A-Za-z0-9._ -]*(\\{(job|date|datetime|user)\\}[A-Za-z0-9._ -]*)*(/[A-Za-z0-9._ -]*(\\{(job|date|datetime|user)\\}[A-Za-z0-9._ -]*)*)*$";

/// The longest path after templates are filled in, in bytes.
const MAX_PATH_BYTES: usize = 200;

const PLACEHOLDERS: [&str; 9] = ["job", "date", "datetime", "user", "playlist", "artist", "show", "album", "audiobook"];

/// Placeholders that make one file for each list of a fetch.
const LIST_PLACEHOLDERS: [&str; 5] = ["playlist", "artist", "show", "album", "audiobook"];

/// A file name, relative to the folder of the job's CSVs, with templates in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OutputName {
    template: String,
}

/// The values of the placeholders in a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateValues<'a> {
    /// `{job}`
    pub job: &'a str,
    /// `{date}`: the day of the nominal fire in the job's time zone, such as `2026-11-23`.
    pub date: &'a str,
    /// `{datetime}`: the nominal fire in the job's time zone, such as `2026-11-23T0615`. A colon is not allowed
    /// in file names.
    pub datetime: &'a str,
    /// `{user}`: the local name of the user, if the file belongs to one user.
    pub user: &'a str,
    /// `{playlist}`, `{artist}` and so on: the name and id of the list, if the file belongs to one list.
    pub list: &'a str,
}

impl OutputName {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// If the file would be outside the job's folder, or the name is not portable.
    pub fn parse(template: &str) -> Result<OutputName, RuleViolation> {
        for name in placeholders(template)? {
            if !PLACEHOLDERS.contains(&name.as_str()) {
                let near = nearest(&name, PLACEHOLDERS);
                let refusal = RuleViolation::new(format!("unknown placeholder {}", quote(&format!("{{{name}}}"))));
                let hint = if near.is_empty() {
                    "the placeholders are {job}, {date}, {datetime} and {user}, and for the lists of a fetch {playlist}, \
                     {artist}, {show}, {album} and {audiobook}"
                        .to_owned()
                } else {
                    format!("did you mean {}?", or_list(&near))
                };
                return Err(refusal.with_hint(hint));
            }
        }
        let name = OutputName { template: template.to_owned() };
        // The longest value of each placeholder, so that a run cannot fail later.
        let user = "u".repeat(64);
        let list = "l".repeat(LIST_NAME_BYTES);
        let longest =
            TemplateValues { job: "", date: "2026-11-23", datetime: "2026-11-23T0615", user: &user, list: &list };
        check_path(&name.expand(&TemplateValues { job: "j", ..longest }))?;
        Ok(name)
    }

    /// The name as written.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// The path below the job's folder, with the placeholders replaced.
    pub fn expand(&self, with: &TemplateValues<'_>) -> String {
        // Replaced from left to right, so that a job named `{user}` is not replaced again.
        let mut out = String::new();
        let mut rest = self.template.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                out.push('{');
                rest = after;
                continue;
            };
            out.push_str(match name {
                "job" => with.job,
                "date" => with.date,
                "datetime" => with.datetime,
                "user" => with.user,
                _ => with.list,
            });
            rest = behind;
        }
        out.push_str(rest);
        out
    }

    /// Whether this name can become the path below the job's folder for some fire and user.
    pub fn could_expand_to(&self, path: &str, job: &str) -> bool {
        template_matches(&self.template, path, job)
    }

    /// Whether the name contains `{user}`: one file per user.
    pub fn is_per_user(&self) -> bool {
        self.template.contains("{user}")
    }

    /// The placeholder that makes one file per list, such as `playlist`.
    pub fn list_placeholder(&self) -> Option<&'static str> {
        LIST_PLACEHOLDERS.into_iter().find(|name| self.template.contains(&format!("{{{name}}}")))
    }

    /// Whether the name contains `{date}` or `{datetime}`: one file per fire.
    pub fn is_dated(&self) -> bool {
        self.template.contains("{date}") || self.template.contains("{datetime}")
    }
}

/// The longest text for a list in a file name.
const LIST_NAME_BYTES: usize = LIST_TITLE_BYTES + 1 + 22;
const LIST_TITLE_BYTES: usize = 40;

/// The text for a list in a file name: its title in plain letters, and its id. The id keeps two lists with the same title
/// apart, and it stays when the title changes.
pub fn list_file_name(title: &str, id: &str) -> String {
    let mut out = String::new();
    for letter in title.chars().flat_map(plain_letter) {
        if letter != '-' || !out.is_empty() && !out.ends_with('-') {
            out.push(letter);
        }
        if out.len() == LIST_TITLE_BYTES {
            break;
        }
    }
    let out = out.trim_end_matches('-');
    // An id is that of Spotify; anything else could lead out of the folder.
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).take(22).collect();
    if out.is_empty() { id } else { format!("{out}-{id}") }
}

/// Whether a template can become a path.
fn template_matches(template: &str, path: &str, job: &str) -> bool {
    let Some((before, rest)) = template.split_once('{') else { return template == path };
    let Some(path) = path.strip_prefix(before) else { return false };
    let (name, behind) = rest.split_once('}').unwrap_or((rest, ""));
    match name {
        "job" => path.strip_prefix(job).is_some_and(|path| template_matches(behind, path, job)),
        "date" => strip_time(path, "0000-00-00").is_some_and(|path| template_matches(behind, path, job)),
        "datetime" => strip_time(path, "0000-00-00T0000").is_some_and(|path| template_matches(behind, path, job)),
        _ => {
            let end = path.find('/').unwrap_or(path.len());
            (0..=end).filter_map(|at| path.get(at..)).any(|path| template_matches(behind, path, job))
        }
    }
}

/// The rest of the path after a time of this form, with a digit for each 0.
fn strip_time<'p>(path: &'p str, form: &str) -> Option<&'p str> {
    let (time, behind) = path.split_at_checked(form.len())?;
    let is = |(got, wanted): (u8, u8)| if wanted == b'0' { got.is_ascii_digit() } else { got == wanted };
    time.bytes().zip(form.bytes()).all(is).then_some(behind)
}

impl std::fmt::Display for OutputName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.template)
    }
}

fn placeholders(template: &str) -> Result<BTreeSet<String>, RuleViolation> {
    let mut found = BTreeSet::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let after = &rest[at..];
        let end = after.find('}');
        match end {
            Some(end) if after.starts_with('{') && !after[1..end].contains('{') => {
                found.insert(after[1..end].to_owned());
                rest = &after[end + 1..];
            }
            _ => return Err(RuleViolation::new(format!("a brace is not closed in {}", quote(template)))),
        }
    }
    Ok(found)
}

/// Checks that a path is relative, inside its folder, and portable.
pub(super) fn check_path(path: &str) -> Result<(), RuleViolation> {
    let shown = quote(path);
    if path.to_ascii_lowercase().starts_with("file:") {
        return Err(RuleViolation::new(format!("{shown} is a URI, not a file name")));
    }
    if path.contains('\\') {
        return Err(RuleViolation::new(format!("{shown} contains a backslash")).with_hint("separate folders with `/`"));
    }
    if path.starts_with('/') || path.starts_with('~') || path.as_bytes().get(1) == Some(&b':') {
        return Err(RuleViolation::new(format!("{shown} leads out of the job's folder"))
            .with_hint("write a name relative to output/csv/JOB/; the setting output.csv_dir changes the folder"));
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(RuleViolation::new(format!("{shown} is longer than {MAX_PATH_BYTES} bytes")));
    }
    for part in path.split('/') {
        if part == ".." || part == "." {
            return Err(RuleViolation::new(format!("{shown} leads out of the job's folder"))
                .with_hint("write a name relative to output/csv/JOB/, without `..`"));
        }
        check_component(part).map_err(|why| RuleViolation::new(format!("{} {why}", quote(part))))?;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.eq_ignore_ascii_case("datapackage.json") {
        return Err(RuleViolation::new("`datapackage.json` is reserved: cratedigger writes it next to the CSV files"));
    }
    Ok(())
}

/// Checks that one part of a path is a portable name.
pub(super) fn check_component(part: &str) -> Result<(), &'static str> {
    const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
    if part.is_empty() {
        return Err("is empty");
    }
    if !part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b' ' | b'-')) {
        return Err("contains a character other than A-Z a-z 0-9 . _ - and the blank");
    }
    if part.starts_with(['.', '-', ' ']) {
        return Err("starts with a dot, a dash or a blank");
    }
    if part.ends_with(['.', ' ']) {
        return Err("ends with a dot or a blank, which Windows drops");
    }
    let stem = part.split('.').next().unwrap_or(part).trim_end().to_ascii_lowercase();
    let numbered =
        |word: &str| stem.strip_prefix(word).is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()));
    if RESERVED.contains(&stem.as_str()) || numbered("com") || numbered("lpt") {
        return Err("is a reserved name on Windows");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beneath_the_folder_are_right() {
        for good in ["a.csv", "a b.csv", "daily/{date}.csv", "{job}-{user}.csv", "x/y/z.tsv", "a..b.csv", "console.csv"]
        {
            assert!(OutputName::parse(good).is_ok(), "{good}: {:?}", OutputName::parse(good));
        }
    }

    #[test]
    fn unsafe_names_are_refused() {
        let long = "x".repeat(201);
        for bad in [
            "../x.csv",
            "a/../../x.csv",
            "/etc/passwd",
            "~/x.csv",
            "C:x.csv",
            "C:\\x.csv",
            "a\\b.csv",
            "file:x.csv",
            "FILE:/x",
            ".hidden.csv",
            "-rf.csv",
            "a/.b/c.csv",
            "a//b.csv",
            "a/",
            "./a.csv",
            "con",
            "CON.csv",
            "aux.tar.csv",
            "com1.csv",
            "LPT9",
            "x.csv.",
            "x ",
            " x.csv",
            "a\0b.csv",
            "a\nb.csv",
            "é.csv",
            "a*b.csv",
            "a?b",
            "a:b.csv",
            "datapackage.json",
            "sub/DataPackage.json",
            "{dates}.csv",
            "{date.csv",
            "date}.csv",
            "{{date}}.csv",
            &long,
        ] {
            assert!(OutputName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn path_of_a_name_is_recognized() {
        let fits =
            |template: &str, path: &str| OutputName::parse(template).expect("a name").could_expand_to(path, "weekly");
        for (template, path) in [
            ("{date}.csv", "2026-11-23.csv"),
            ("{job}/{datetime}-{user}.csv", "weekly/2026-11-23T0615-home.csv"),
            ("{user}{date}.csv", "a-2026-01-01-2026-11-23.csv"),
            ("{date}/{user}/a.csv", "2026-11-23/home/a.csv"),
        ] {
            assert!(fits(template, path), "{template} {path}");
        }
        for (template, path) in [
            ("{date}.csv", "2026-11-2x.csv"),
            ("{date}.csv", "2026-11-23T0615.csv"),
            ("{date}.csv", "x2026-11-23.csv"),
            ("{date}.csv", "2026-11-23.csv.old"),
            ("{date}.csv", "2026"),
            ("{job}-{date}.csv", "daily-2026-11-23.csv"),
            ("{user}-{date}.csv", "a/b-2026-11-23.csv"),
            ("{date}.csv", "é26-11-23.csv"),
        ] {
            assert!(!fits(template, path), "{template} {path}");
        }
    }

    #[test]
    fn titles_become_safe_file_names() {
        let id = "3cEYpjA9oz9GiPac4AsH4n";
        for (title, text) in [
            ("Morning", "Morning"),
            ("Öl & Müsli: Straße", "Oel-Muesli-Strasse"),
            ("../../etc/passwd", "etc-passwd"),
            ("  a / b  ", "a-b"),
            ("夜に駆ける", ""),
            ("", ""),
            ("CON", "CON"),
            ("{date}", "date"),
            ("a very long title that goes on and on and on", "a-very-long-title-that-goes-on-and-on-an"),
        ] {
            let name = list_file_name(title, id);
            assert_eq!(name, if text.is_empty() { id.to_owned() } else { format!("{text}-{id}") }, "{title}");
            assert!(check_path(&format!("{name}.csv")).is_ok(), "{title}");
        }
        assert_eq!(list_file_name("x", "../y"), "x-y");
    }

    #[test]
    fn templates_are_filled_in_once() {
        let name = OutputName::parse("{job}/{date}-{user}.csv").expect("a name");
        let with = TemplateValues { job: "{user}", date: "2026-11-23", datetime: "", user: "home", list: "" };
        assert_eq!(name.expand(&with), "{user}/2026-11-23-home.csv");
    }
}
