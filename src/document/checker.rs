//! Checks one table of a file against its table of keys.

use std::ops::Range;
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::key_spec::KeySpec;
use super::nearest::{nearest, or_list};
use super::quote::{names_a_secret, printable};
use super::shape::ValueFinding;
use super::text::Document;
use super::value::{TomlTable, TomlValue};

/// Checks one file and collects its diagnostics.
pub struct DocumentChecker<'d> {
    /// The file.
    pub document: &'d Arc<Document>,
    /// The diagnostics so far.
    pub problems: Vec<Diagnostic>,
}

impl<'d> DocumentChecker<'d> {
    /// A checker without diagnostics.
    pub fn new(document: &'d Arc<Document>) -> DocumentChecker<'d> {
        DocumentChecker { document, problems: Vec::new() }
    }

    /// Adds a diagnostic at a place and returns it, so that the caller can add a hint.
    pub fn report(&mut self, span: Range<usize>, key: &str, message: impl Into<String>) -> &mut Diagnostic {
        let problem = self.document.diagnostic(span, message).for_key(key);
        self.problems.push(problem);
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    /// Adds a diagnostic for a finding of a shape or a rule.
    pub fn report_finding(&mut self, key: &str, finding: ValueFinding) {
        let problem = self.report(finding.span, key, finding.message);
        problem.label = finding.label;
        problem.hint = finding.hint;
    }

    /// Checks one table: every key must be known, and every value must have the shape of its key. Returns the
    /// known keys, so that later rules can skip values that were already reported.
    pub fn check_table<'t, 'i>(
        &mut self,
        table: &'t TomlTable<'i>,
        prefix: &str,
        keys: &'static [KeySpec],
    ) -> TableValues<'t, 'i> {
        let mut values = TableValues { entries: Vec::new() };
        for (name, value) in table {
            let written = name.get_ref().as_ref();
            let path = if prefix.is_empty() { written.to_owned() } else { format!("{prefix}.{written}") };
            let Some(key) = keys.iter().find(|k| k.name == written) else {
                self.report_unknown_key(name.span(), written, prefix, keys);
                continue;
            };
            let findings = key.shape.check(value);
            let right = findings.is_empty();
            for finding in findings {
                self.report_finding(&path, finding);
            }
            values.entries.push(KeyEntry { key, at: name.span(), value, right });
        }
        values
    }

    fn report_unknown_key(&mut self, span: Range<usize>, written: &str, prefix: &str, keys: &[KeySpec]) {
        let shown = printable(written);
        let path = if prefix.is_empty() { shown.clone() } else { format!("{prefix}.{shown}") };
        let place = if prefix.is_empty() { String::new() } else { format!(" in `{prefix}`") };
        let names: Vec<&str> = keys.iter().map(|k| k.name).collect();
        let near = nearest(written, names.iter().copied());
        let problem = self.report(span, &path, format!("unknown key `{shown}`{place}"));
        problem.hint = Some(if names_a_secret(written) {
            "credentials do not belong in project files: set SPOTIFY_CLIENT_ID and \
             SPOTIFY_CLIENT_SECRET in the environment or in .env"
                .to_owned()
        } else if near.is_empty() {
            format!("the keys are {}", names.join(", "))
        } else {
            format!("did you mean {}?", or_list(&near))
        });
    }
}

/// One known key of a table.
pub struct KeyEntry<'t, 'i> {
    /// Its entry in the table of keys.
    pub key: &'static KeySpec,
    /// Where the key is in the file.
    pub at: Range<usize>,
    /// The value as written.
    pub value: &'t TomlValue<'i>,
    /// Whether the value has the shape of the key.
    pub right: bool,
}

/// The known keys of one table of a file.
pub struct TableValues<'t, 'i> {
    entries: Vec<KeyEntry<'t, 'i>>,
}

impl<'t, 'i> TableValues<'t, 'i> {
    /// The value of a key, if the key is present and its value has the right shape.
    pub fn get(&self, name: &str) -> Option<&'t TomlValue<'i>> {
        self.entry(name).filter(|e| e.right).map(|e| e.value)
    }

    /// The key as written, whether or not its value is valid.
    pub fn entry(&self, name: &str) -> Option<&KeyEntry<'t, 'i>> {
        self.entries.iter().find(|e| e.key.name == name)
    }

    /// The value of a key as text.
    pub fn text(&self, name: &str) -> Option<&'t str> {
        self.get(name).and_then(super::as_text)
    }

    /// Every known key, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &KeyEntry<'t, 'i>> {
        self.entries.iter()
    }
}
