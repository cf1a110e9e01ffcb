//! Snapshots of the program's output. They are in `snapshots/` next to the test that asserts them, named after
//! its file. `INSTA_UPDATE=always cargo test …` writes them again; review the diff in git.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::Location;
use std::path::{Path, PathBuf};

use super::world::Ran;

/// Replacements in every text, for parts that depend on the machine or on the version.
const PLACES: &[(&str, &str)] = &[
    (r"\S*/target/\S*/cratedigger\b", "[binary]"),
    (r"/(?:\w+/)*\.tmp\w{6}", "[project]"),
    (r"127\.0\.0\.1(:|%3A)\d{4,5}", "127.0.0.1$1[port]"),
    (concat!(r"\b", env!("CARGO_PKG_VERSION"), r"\b"), "[version]"),
];

/// Replacements in the output of runs, for parts that depend on the time and on the speed of the machine.
const MOMENTS: &[(&str, &str)] = &[
    (
        r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z| ?[+-]\d\d:\d\d| UTC| [A-Z]{3,4}\b)?",
        "[time]",
    ),
    (
        r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?: \d{4})?,? \d\d:\d\d(?::\d\d)?(?: UTC| [A-Z]{3,4}\b)?",
        "[time]",
    ),
    (r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{1,2} \d\d:\d\d\b", "[time]"),
    (r"\b\d{4}-\d\d-\d\d\b", "[date]"),
    // Pages contain dates, whose length differs from day to day.
    (r#"("overview":\{"bytes":)\d+"#, "$1[size]"),
    // Six months have 181 to 184 days.
    (r"\b1[78]\d (\(until)", "[days] $1"),
    (r"\b\d\d:\d\d(?::\d\d)?\b", "[clock]"),
    (
        r"\b\d+(?:\.\d+)? ?(?:ms|s|min|h|d|days?|hours?|minutes?|seconds?)\b(?: \d+ ?(?:s|min|h|hours?|minutes?|seconds?)\b)*",
        "[duration]",
    ),
    (r"\b(process|pid) \d+", "$1 [pid]"),
    (r"\.cratedigger-\d+-\d+", ".cratedigger-[pid]"),
    (r"\.cratedigger-backup-\w{6}", ".cratedigger-backup-[random]"),
    (r"_ms=-?\d+", "_ms=[number]"),
    (r"(_timestamp_seconds(?:\{[^}]*\})?) \d+", "$1 [time]"),
    (r"\b\d{6,} now\b", "[size] now"),
    (r"\b\d+(?:\.\d+)? (?:[kMG]i?B|B|bytes)\b", "[size]"),
    (r"\b(state|code|code_challenge)=[\w%-]+", "$1=[$1]"),
    (r"\b[0-9a-f]{64}\b", "[hash]"),
    // The made-up users keep listening: the number of plays depends on the hour.
    (r"(recently_played\.csv \()\d+ rows", "$1[count] rows"),
    // Columns are as wide as the times in them.
    (r"(\S) {3,}", "$1  "),
    (r"(?m) +$", ""),
];

/// Asserts a text that is the same on every machine and at any time.
#[track_caller]
pub fn assert_text(name: &str, text: &str) {
    assert_filtered(name, text, &[PLACES]);
}

/// Asserts the output of a run. Times, durations and sizes are replaced, and so are the widths of columns. Log lines of
/// level INFO are left out, because their number and order depend on the speed of the machine.
#[track_caller]
pub fn assert_output(name: &str, text: &str) {
    let lines: String = text.split_inclusive('\n').filter(|line| !line.contains(" INFO ")).collect();
    assert_filtered(name, &lines, &[PLACES, MOMENTS]);
}

thread_local! {
    /// Texts that this test has asserted, by the names of their snapshots.
    static ASSERTED: RefCell<HashMap<String, Vec<String>>> = RefCell::default();
}

/// The name for a text. If a loop asserts one name again, each different text gets its own: `name`, `name__2` and so on.
#[track_caller]
fn assert_filtered(name: &str, text: &str, filters: &[&[(&str, &str)]]) {
    let caller = Path::new(Location::caller().file());
    let text = filters.iter().flat_map(|list| list.iter()).fold(text.to_owned(), |text, (pattern, replacement)| {
        regex::Regex::new(pattern).unwrap().replace_all(&text, *replacement).into_owned()
    });
    let file = caller.file_stem().and_then(|stem| stem.to_str()).unwrap();
    let name = format!("{file}__{name}");
    let nth = ASSERTED.with_borrow_mut(|asserted| {
        let texts = asserted.entry(name.clone()).or_default();
        texts.iter().position(|known| *known == text).unwrap_or_else(|| {
            texts.push(text.clone());
            texts.len() - 1
        })
    });
    let name = if nth == 0 { name } else { format!("{name}__{}", nth + 1) };
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(folder(caller));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn folder(caller: &Path) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(caller).with_file_name("snapshots")
}

/// Snapshots of the end of a command.
pub trait Shows {
    /// Asserts exit code, stdout and stderr.
    #[track_caller]
    fn shows(self, name: &str) -> Self;
}

impl Shows for Ran {
    #[track_caller]
    fn shows(self, name: &str) -> Ran {
        assert_output(name, &transcript(&self));
        self
    }
}

/// Exit code, stdout and stderr as one text.
pub fn transcript(ran: &Ran) -> String {
    let mut text = format!("exit code: {}\n", ran.code);
    for (stream, lines) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        if !lines.is_empty() {
            text.push_str(&format!("--- {stream}\n{lines}"));
        }
    }
    text
}

/// Texts of many named cases in one snapshot.
#[derive(Default)]
pub struct Cases {
    text: String,
}

impl Cases {
    pub fn new() -> Cases {
        Cases::default()
    }

    /// Adds the output of one case.
    pub fn add(&mut self, name: &str, text: &str) {
        self.text.push_str(&format!("=== {name}\n{}\n\n", text.trim_end()));
    }

    /// Asserts all cases with texts that are the same on every machine and at any time.
    #[track_caller]
    pub fn assert_text(&self, name: &str) {
        assert_text(name, self.text.trim_end());
    }

    /// Asserts all cases with output of runs.
    #[track_caller]
    pub fn assert_output(&self, name: &str) {
        assert_output(name, self.text.trim_end());
    }
}

fn snapshots_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            snapshots_below(&path, found);
        } else if path.to_str().is_some_and(|path| path.ends_with(".snap") || path.ends_with(".snap.new")) {
            found.push(path);
        }
    }
}

#[test]
fn every_snapshot_is_reviewed_and_in_use() {
    let mut found = Vec::new();
    snapshots_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"), &mut found);
    assert!(!found.is_empty());
    for path in found {
        assert!(path.extension().is_some_and(|ext| ext == "snap"), "not reviewed: {}", path.display());
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap();
        let (file, name) = stem.split_once("__").unwrap();
        let name = name.split("__").next().unwrap();
        // The test of the help compares its own snapshots with the commands.
        if file == "help" {
            continue;
        }
        let test = path.parent().unwrap().with_file_name(format!("{file}.rs"));
        let code = std::fs::read_to_string(&test).unwrap_or_default();
        assert!(code.contains(&format!("\"{name}\"")), "no test in {} uses {}", test.display(), path.display());
    }
}
