//! Walking one table of a file against its table of keys.

use std::ops::Range;
use std::sync::Arc;

use super::key::Key;
use super::nearest::{nearest, or_list};
use super::problem::Problem;
use super::quote::{names_a_secret, printable};
use super::shape::Finding;
use super::text::Document;
use super::value::{Table, Value};

/// Collects the problems of one file.
pub struct Checker<'d> {
    /// The file.
    pub document: &'d Arc<Document>,
    /// What was found so far.
    pub problems: Vec<Problem>,
}

impl<'d> Checker<'d> {
    /// A checker that has found nothing yet.
    pub fn new(document: &'d Arc<Document>) -> Checker<'d> {
        Checker { document, problems: Vec::new() }
    }

    /// Notes a problem at a place and lets the caller say more about it.
    pub fn report(&mut self, span: Range<usize>, key: &str, message: impl Into<String>) -> &mut Problem {
        let problem = self.document.problem(span, message).about(key);
        self.problems.push(problem);
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    /// Notes what a shape or a rule found.
    pub fn found(&mut self, key: &str, finding: Finding) {
        let problem = self.report(finding.span, key, finding.message);
        problem.label = finding.label;
        problem.hint = finding.hint;
    }

    /// Checks one table: every key is known, every value has its key's shape. Returns the values
    /// that are right, so that later rules look at nothing that was already reported.
    pub fn table<'t, 'i>(&mut self, table: &'t Table<'i>, prefix: &str, keys: &'static [Key]) -> Values<'t, 'i> {
        let mut values = Values { entries: Vec::new() };
        for (name, value) in table {
            let written = name.get_ref().as_ref();
            let path = if prefix.is_empty() { written.to_owned() } else { format!("{prefix}.{written}") };
            let Some(key) = keys.iter().find(|k| k.name == written) else {
                self.unknown(name.span(), written, prefix, keys);
                continue;
            };
            let findings = key.shape.check(value);
            let right = findings.is_empty();
            for finding in findings {
                self.found(&path, finding);
            }
            values.entries.push(Entry { key, at: name.span(), value, right });
        }
        values
    }

    fn unknown(&mut self, span: Range<usize>, written: &str, prefix: &str, keys: &[Key]) {
        let shown = printable(written);
        let path = if prefix.is_empty() { shown.clone() } else { format!("{prefix}.{shown}") };
        let place = if prefix.is_empty() { String::new() } else { format!(" in `{prefix}`") };
        let names: Vec<&str> = keys.iter().map(|k| k.name).collect();
        let near = nearest(written, names.iter().copied());
        let problem = self.report(span, &path, format!("unknown key `{shown}`{place}"));
        problem.hint = Some(if names_a_secret(written) {
            "credentials never stand in a file of the project: set SPOTIFY_CLIENT_ID and \
             SPOTIFY_CLIENT_SECRET in the environment or in .env"
                .to_owned()
        } else if near.is_empty() {
            format!("known keys: {}", names.join(", "))
        } else {
            format!("did you mean {}?", or_list(&near))
        });
    }
}

/// One key of a table that the table of keys knows.
pub struct Entry<'t, 'i> {
    /// Its row in the table of keys.
    pub key: &'static Key,
    /// Where the key stands.
    pub at: Range<usize>,
    /// Its value.
    pub value: &'t Value<'i>,
    /// Whether the value has the key's shape.
    pub right: bool,
}

/// The known keys of one table of a file.
pub struct Values<'t, 'i> {
    entries: Vec<Entry<'t, 'i>>,
}

impl<'t, 'i> Values<'t, 'i> {
    /// The value of a key, if it stands there and has its shape.
    pub fn get(&self, name: &str) -> Option<&'t Value<'i>> {
        self.entry(name).filter(|e| e.right).map(|e| e.value)
    }

    /// The key as written, whether its value is right or not.
    pub fn entry(&self, name: &str) -> Option<&Entry<'t, 'i>> {
        self.entries.iter().find(|e| e.key.name == name)
    }

    /// The text of a key.
    pub fn text(&self, name: &str) -> Option<&'t str> {
        self.get(name).and_then(super::as_text)
    }

    /// Every known key, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Entry<'t, 'i>> {
        self.entries.iter()
    }
}
