//! Docs that are generated from tables of the program. `UPDATE_DOCS=1 cargo test --test it docs`
//! writes them again.

use std::path::Path;

use cratedigger::cli::ExitStatus;
use serde_json::Value;

use crate::support::project::{Project, stdout};

const MARK: &str = "The tables below are generated from the program.\n";

fn holds(file: &str, tables: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(&path).expect(file);
    let (head, written) = text.split_once(MARK).expect("the mark above the tables");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{head}{MARK}{tables}")).expect(file);
        return;
    }
    assert!(written == tables, "{file} is out of date: UPDATE_DOCS=1 cargo test --test it docs");
}

#[test]
fn job_tables_are_current() {
    holds("docs/jobs.md", &cratedigger::job::markdown());
}

#[test]
fn settings_tables_are_current() {
    holds("docs/settings.md", &cratedigger::settings::markdown());
}

#[test]
fn stream_tables_are_current() {
    let streams: Vec<Value> = serde_json::from_str(&stdout(&Project::new().run(&["--json", "streams"]))).unwrap();
    let text = |value: &Value| value.as_str().unwrap().replace('|', "\\|");
    let names = |value: &Value| {
        let names: Vec<String> = value.as_array().unwrap().iter().map(|n| format!("`{}`", text(n))).collect();
        names.join(", ")
    };
    let mut out = String::from("\n| stream | takes | apps | one row is |\n| --- | --- | --- | --- |\n");
    for s in &streams {
        let name = text(&s["name"]);
        let row = [&s["takes"], &s["apps"], &s["about"]].map(text).join(" | ");
        out.push_str(&format!("| [`{name}`](#{name}) | {row} |\n"));
    }
    for s in &streams {
        out.push_str(&format!(
            "\n## {}\n\nOne row is {}.\n\n| | |\n| --- | --- |\n",
            text(&s["name"]),
            text(&s["about"])
        ));
        let rows = [
            ("takes", text(&s["takes"])),
            ("apps", text(&s["apps"])),
            ("calls", text(&s["calls"])),
            ("endpoint", format!("`GET {}`", text(&s["endpoint"]))),
            ("family", format!("`{}`", text(&s["family"]))),
            ("one row by", names(&s["keys"])),
            ("scopes", names(&s["scopes"])),
            ("keys of its own", names(&s["options"])),
            ("from", names(&s["from"])),
        ];
        for (what, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
            out.push_str(&format!("| {what} | {value} |\n"));
        }
        out.push_str("\n| column | type | default | |\n| --- | --- | --- | --- |\n");
        for c in s["columns"].as_array().unwrap() {
            let default = if c["default"] == true { "yes" } else { "" };
            let only = if c["extended_only"] == true { " (Extended Quota only)" } else { "" };
            let (name, kind, about) = (text(&c["name"]), text(&c["type"]), text(&c["about"]));
            out.push_str(&format!("| `{name}` | {kind} | {default} | {about}{only} |\n"));
        }
    }
    holds("docs/streams.md", &out);
}

/// A table between two marks of a page.
fn holds_between(file: &str, marks: (&str, &str), table: &str) {
    let (from, to) = (format!("<!-- {} -->\n", marks.0), format!("<!-- {} -->\n", marks.1));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(&*from).expect("the mark above the table");
    let (_, tail) = rest.split_once(&*to).expect("the mark below the table");
    let written = format!("{head}{from}\n{table}\n{to}{tail}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, written).unwrap();
    } else {
        assert!(page == written, "{file} is out of date: UPDATE_DOCS=1 cargo test --test it docs");
    }
}

#[test]
fn table_of_anomalies_is_current() {
    let marks = ("anomalies: generated", "end of anomalies");
    holds_between("docs/reliability.md", marks, &cratedigger::store::anomaly_table::markdown());
}

#[test]
fn table_of_target_keys_is_current() {
    holds_between("docs/reach.md", ("keys: generated", "end of keys"), &cratedigger::target::markdown());
}

/// The exit codes as a table for people.
fn exit_codes() -> String {
    let mut exits = ExitStatus::BY_PRECEDENCE;
    exits.sort_by_key(|exit| exit.code());
    let row = |exit: ExitStatus| format!("| {} | {} |\n", exit.code(), exit.meaning());
    format!("| exit | meaning |\n| --- | --- |\n{}", exits.map(row).concat())
}

#[test]
fn documented_exit_codes_are_current() {
    holds("docs/exit-codes.md", &format!("\n{}", exit_codes()));
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(readme.contains(&exit_codes()), "README.md lacks:\n{}", exit_codes());
}

#[test]
fn runs_and_commands_share_exit_codes() {
    use cratedigger::sync::exit_codes;
    assert_eq!(ExitStatus::BY_PRECEDENCE.map(ExitStatus::code), exit_codes::PRECEDENCE);
    let named = [
        (ExitStatus::Complete, exit_codes::COMPLETE),
        (ExitStatus::Failed, exit_codes::FAILED),
        (ExitStatus::Usage, exit_codes::USAGE),
        (ExitStatus::Partial, exit_codes::PARTIAL),
        (ExitStatus::Storage, exit_codes::STORAGE),
        (ExitStatus::Deferred, exit_codes::DEFERRED),
        (ExitStatus::UserAction, exit_codes::USER_ACTION),
    ];
    assert!(named.iter().all(|(one, other)| one.code() == *other), "{named:?}");
}
