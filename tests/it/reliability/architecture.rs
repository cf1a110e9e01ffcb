//! The structure of the code: which module may use which, where SQL, printing and panics are allowed, and how
//! long a file may be. ARCHITECTURE.md shows the same table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every module with the modules that it may use. A module may use only modules that are further down here,
/// so there are no cycles. An unused permission must be removed.
const MODULES: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "scheduler",
            "notify",
            "push",
            "singer",
            "target",
            "sync",
            "export",
            "report",
            "signin",
            "job",
            "settings",
            "document",
            "store",
            "stream",
            "input_file",
        ],
    ),
    ("scheduler", &["sync", "job", "settings", "store"]),
    ("notify", &["settings", "document", "child_environment"]),
    ("push", &["target", "parquet_rows", "store", "input_file", "quiet_panic"]),
    ("singer", &["settings", "document", "store"]),
    ("target", &["settings", "document", "store"]),
    ("sync", &["export", "ingest", "signin", "job", "settings", "store", "stream"]),
    ("export", &["report", "job", "settings", "parquet_rows", "store", "stream", "input_file", "quiet_panic"]),
    ("report", &["job", "store"]),
    ("ingest", &["store", "stream"]),
    ("signin", &["child_environment"]),
    ("job", &["settings", "document", "store", "stream", "input_file"]),
    ("settings", &["document", "input_file"]),
    ("document", &["input_file"]),
    ("parquet_rows", &["store"]),
    ("store", &["stream", "input_file"]),
    ("stream", &[]),
    ("input_file", &[]),
    ("child_environment", &[]),
    ("quiet_panic", &[]),
];

/// Files of over 400 lines, with the reason for their length.
const LONG: &[(&str, &str)] = &[
    (
        "crates/spotify-client/src/wire/objects.rs",
        "one list of shapes, each a few lines; to be read next to Spotify's own reference",
    ),
    ("src/cli/args.rs", "one list of commands and flags; its comments are the help"),
    ("src/settings/keys.rs", "one list of settings; its texts are their documentation"),
    (
        "src/sync/by_id.rs",
        "a strategy holds what it reads and what that costs in one file, so that a plan cannot drift from a run",
    ),
    ("tests/it/reliability/architecture.rs", "tables of rules and exceptions, each with its reason"),
    (
        "src/sync/own_playlists.rs",
        "a strategy holds what it reads and what that costs in one file, so that a plan cannot drift from a run",
    ),
    (
        "src/sync/playlist.rs",
        "a strategy holds what it reads and what that costs in one file, so that a plan cannot drift from a run",
    ),
    ("src/store/feed/tests.rs", "one world for random changes of a store: what can happen to it is one list"),
    ("src/store/imported_plays.rs", "one comparison of two sources: the steps of an import share what it knows"),
    ("src/store/anomaly_table.rs", "one table: a row for each kind of anomaly"),
    ("src/sync/list_pass.rs", "one pass over a list: its steps share their state and call each other in a loop"),
    ("tests/it/cli/plan.rs", "independent tests that are read one at a time"),
    ("tests/it/limits/api_calls.rs", "independent tests that are read one at a time"),
    ("tests/it/sync/streams.rs", "one test for each stream that needs no user"),
];

/// The first words of SQL statements in strings.
const SQL: &[&str] = &[
    "INSERT INTO ",
    "INSERT OR ",
    "DELETE FROM ",
    "CREATE TABLE ",
    "CREATE VIEW ",
    "CREATE INDEX ",
    "DROP ",
    "PRAGMA ",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "ATTACH ",
];

/// Macros that print.
const PRINTS: &[&str] =
    &["print!", "println!", "eprint!", "eprintln!", "dbg!", "io::stdout", "io::stderr", "io::stdin"];

struct File {
    path: String,
    module: String,
    /// Without comments, and without the tests at its end.
    code: String,
    lines: usize,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// All Rust files below a folder, sorted.
fn files(below: &str) -> Vec<File> {
    let mut paths = Vec::new();
    walk(&root().join(below), &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let inside = path.strip_prefix(root().join(below)).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let lines = text.lines().count();
        let is_test = path.ends_with("tests.rs") || path.contains("/tests/");
        let shown = if is_test { "" } else { text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("") };
        let code = shown.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        File { path, module, code, lines }
    };
    paths.iter().map(read).collect()
}

/// All sources of the program and its member crates.
fn sources() -> Vec<File> {
    ["src", "crates/spotify-client/src", "crates/spotify-sandbox/src"].iter().flat_map(|below| files(below)).collect()
}

/// The modules that a piece of code names, as `crate::module` or in `crate::{module, …}`.
fn named(code: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let mut modules = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => modules.extend([word(rest)]),
            Some(group) => {
                let (mut depth, mut part) = (0, String::new());
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => modules.extend([word(std::mem::take(&mut part).trim())]),
                        _ => {}
                    }
                    if depth == 0 && c != ',' {
                        part.push(c);
                    }
                }
                modules.extend([word(part.trim())]);
            }
        }
    }
    modules.remove("");
    modules
}

/// The dependencies that the code has, without those from a module to itself.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut dependencies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files("src").iter().filter(|f| f.path != "src/main.rs" && f.path != "src/lib.rs") {
        let mut used = named(&file.code);
        used.remove(&file.module);
        dependencies.entry(file.module.clone()).or_default().extend(used);
    }
    dependencies
}

#[test]
fn modules_use_each_other_as_listed() {
    let allowed: BTreeMap<String, BTreeSet<String>> = MODULES
        .iter()
        .map(|(module, uses)| ((*module).to_owned(), uses.iter().map(ToString::to_string).collect()))
        .collect();
    assert_eq!(dependencies(), allowed, "left: dependencies of the code, right: allowed ones");
}

#[test]
fn dependencies_point_down() {
    for (n, (module, uses)) in MODULES.iter().enumerate() {
        for used in *uses {
            let at = MODULES.iter().position(|(name, _)| name == used);
            assert!(at.is_some_and(|at| at > n), "{module} uses {used}");
        }
    }
}

#[test]
fn architecture_md_has_the_same_table() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let written: Vec<(&str, Vec<&str>)> = text
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let module = cells.next()?.trim_matches('`');
            let uses = cells.last()?.trim_end_matches('|').trim();
            Some((module, uses.split(", ").filter(|u| *u != "nothing of ours").collect()))
        })
        .collect();
    let table: Vec<(&str, Vec<&str>)> = MODULES.iter().map(|(module, uses)| (*module, uses.to_vec())).collect();
    assert_eq!(written, table, "left: ARCHITECTURE.md");
}

#[test]
fn main_uses_only_cli() {
    let main = std::fs::read_to_string(root().join("src/main.rs")).unwrap();
    let used: BTreeSet<&str> = main.split("cratedigger::").skip(1).filter_map(|rest| rest.split(':').next()).collect();
    assert_eq!(used, BTreeSet::from(["cli"]));
}

#[test]
fn super_stays_within_its_module() {
    for file in files("src") {
        let depth = Path::new(&file.path).with_extension("").iter().skip(1).filter(|part| *part != "mod").count();
        for line in file.code.lines() {
            let supers = line.matches("super::").count();
            let chained = line.contains(&"super::".repeat(supers.max(1)));
            assert!(supers < depth || !chained, "{}: {line}", file.path);
        }
    }
}

#[test]
fn sql_is_in_store_and_state_only() {
    for file in sources().iter().filter(|f| !matches!(f.module.as_str(), "store" | "state" | "push")) {
        for text in file.code.split('"').skip(1).step_by(2) {
            let text = text.trim_start();
            let is_sql = SQL.iter().any(|opening| text.starts_with(opening))
                || (text.starts_with("SELECT ") && !text.contains('…'))
                || (text.starts_with("UPDATE ") && text.contains(" SET "));
            assert!(!is_sql, "{}: {text}", file.path);
        }
    }
}

#[test]
fn only_cli_prints() {
    for file in sources().iter().filter(|f| f.module != "cli") {
        for word in PRINTS {
            assert!(!file.code.contains(word), "{} has {word}", file.path);
        }
    }
}

#[test]
fn nothing_unwraps_outside_tests() {
    for file in sources() {
        for word in [".unwrap()", ".unwrap_err()", "#[allow(", "#![allow("] {
            assert!(!file.code.contains(word), "{} has {word}", file.path);
        }
    }
}

#[test]
fn files_are_short_or_excepted() {
    for file in sources().iter().chain(&files("tests")).chain(&files("benches")) {
        let excused = LONG.iter().any(|(path, _)| *path == file.path);
        assert!(file.lines <= 400 || excused, "{}: {} lines; look for the second idea in it", file.path, file.lines);
    }
    for (path, _) in LONG {
        assert!(root().join(path).exists(), "{path} is gone");
    }
}

/// Files outside of `src/stream` with texts that equal the name of a stream, and what these texts are instead.
const TEXTS_LIKE_STREAM_NAMES: &[(&str, &str)] = &[
    ("crates/spotify-client/src/entity_kind.rs", "parts of URLs"),
    ("crates/spotify-client/src/family.rs", "names of endpoint families in the ledger"),
    ("src/cli/demo.rs", "a key in the sandbox's list of ids"),
    ("src/cli/show.rs", "a key of `show --json`"),
    ("src/ingest/flaws.rs", "fields of Spotify's objects"),
    ("src/job/page_model.rs", "a section of pages"),
    ("src/report/catalog_sections.rs", "a section of pages"),
    ("src/report/job_page.rs", "headings of tables"),
    ("src/report/playlist_sections.rs", "headings of tables"),
    ("src/report/release_section.rs", "headings of tables"),
    ("src/settings/keys.rs", "keys of the settings"),
    ("src/store/entity_table.rs", "tables"),
    ("src/store/freshness.rs", "tables"),
    ("src/store/future_times.rs", "tables"),
    ("src/store/info.rs", "tables"),
    ("src/store/purge.rs", "tables"),
    ("src/store/retention/entities.rs", "tables"),
    ("src/store/feed/tables.rs", "tables"),
    ("src/store/skip_list.rs", "tables"),
    ("src/store/views/catalog.rs", "the view of each stream"),
    ("src/store/views/library.rs", "the view of each stream"),
    ("src/store/views/playlist.rs", "the view of each stream"),
    ("src/store/views/search.rs", "the view of each stream"),
    ("src/sync/album_list.rs", "a field of an album"),
    ("src/sync/playlist.rs", "a part of a URL"),
];

#[test]
fn stream_names_are_in_their_table_only() {
    let names: Vec<String> = cratedigger::stream::all().map(|stream| format!("\"{}\"", stream.name)).collect();
    let is_excepted = |path: &str| TEXTS_LIKE_STREAM_NAMES.iter().any(|(file, _)| *file == path);
    let mut used: BTreeSet<String> = BTreeSet::new();
    for file in sources().iter().filter(|f| f.module != "stream" && !f.path.starts_with("crates/spotify-sandbox/")) {
        for line in file.code.lines() {
            let constants = ["PLAYLIST_ITEMS", "MY_PLAYLISTS", "ALBUM_TRACKS"];
            let is_compared = ["==", "!="].iter().any(|operator| {
                constants.iter().any(|name| {
                    line.contains(&format!("{operator} {name}")) || line.contains(&format!("stream::{name} {operator}"))
                })
            });
            assert!(!is_compared, "{} compares the name of a stream: {line}", file.path);
            if names.iter().any(|name| line.contains(name.as_str())) {
                assert!(is_excepted(&file.path), "{} names a stream: {line}", file.path);
                used.insert(file.path.clone());
            }
        }
    }
    for (path, _) in TEXTS_LIKE_STREAM_NAMES {
        assert!(used.contains(*path), "{path} has no such text any more");
    }
}

/// Type names that are used for two types, each with its reason.
const SHARED_TYPE_NAMES: &[(&str, &str)] = &[];

/// The name of the type that a line at the top level of a file defines.
fn defined_type(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub") {
        None => line,
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.trim_start(),
    };
    let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|keyword| line.strip_prefix(keyword))?;
    rest.split(|c: char| !c.is_ascii_alphanumeric()).next()
}

#[test]
fn type_names_are_used_once() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in sources() {
        for name in file.code.lines().filter_map(defined_type) {
            places.entry(name.to_owned()).or_default().push(file.path.clone());
        }
    }
    assert!(places.len() > 300, "{}", places.len());
    places.retain(|_, files| files.len() > 1);
    let excepted: BTreeSet<&str> = SHARED_TYPE_NAMES.iter().map(|(name, _)| *name).collect();
    for (name, files) in &places {
        assert!(excepted.contains(name.as_str()), "{name} is defined in {files:?}: a name means one type");
    }
    for name in excepted {
        assert!(places.contains_key(name), "{name} is used once: it is no exception any more");
    }
}

#[test]
fn architecture_md_names_exist() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let code: String = sources().iter().map(|f| format!("{}\n", f.code)).collect();
    for name in text.split('`').skip(1).step_by(2) {
        let is_path = name.contains('/') && !name.contains(' ') && !name.contains('=');
        if is_path && !name.contains('*') {
            assert!(root().join(name).exists(), "{name}");
            continue;
        }
        let mut parts = name.rsplit("::");
        let (last, before) = (parts.next().unwrap_or(""), parts.next());
        let is_name = !last.is_empty() && last.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_name && (before.is_some() || last.contains('_')) {
            let defined = ["fn ", "struct ", "enum ", "mod ", "TABLE ", "const ", "pub "].iter().any(|what| {
                code.match_indices(&format!("{what}{last}")).any(|(at, found)| {
                    !code[at + found.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                })
            });
            let elsewhere = ["snapshot_id", "playlist_changes", "csv_playlist_items", "playlist_items"].contains(&last);
            assert!(defined || elsewhere, "ARCHITECTURE.md names {name}, which is not in src");
        }
    }
}

#[test]
fn paths_in_design_notes_exist() {
    for entry in std::fs::read_dir(root().join("docs/design")).unwrap() {
        let file = entry.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        for name in text.split('`').skip(1).step_by(2) {
            let is_path = ["src/", "crates/", "docs/", "tests/"].iter().any(|folder| name.starts_with(folder));
            if is_path && !name.contains(['*', ' ']) {
                assert!(root().join(name).exists(), "{}: {name}", file.display());
            }
        }
    }
}
