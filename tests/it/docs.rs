//! Docs that are written from tables of the program. `UPDATE_DOCS=1 cargo test --test it docs`
//! writes them anew.

use std::path::Path;

const MARK: &str = "The tables below are written from what the program itself goes by.\n";

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
fn the_tables_of_jobs_are_those_of_the_program() {
    holds("docs/jobs.md", &cratedigger::job::markdown());
}

#[test]
fn the_tables_of_settings_are_those_of_the_program() {
    holds("docs/settings.md", &cratedigger::settings::markdown());
}
