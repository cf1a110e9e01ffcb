//! The warnings that the runs of a job have had, so that a lasting one is reported once.

use std::collections::BTreeSet;

use super::{AlertKind, AlertStore, normalize_reason};

impl AlertStore {
    /// Records warnings and returns those that are new. `group` names the job, or the part of it, that has them. Warnings
    /// of the group that are not repeated are forgotten if their end is proven.
    pub fn new_warnings(&self, group: &str, texts: &[String], is_end_proven: bool) -> Vec<String> {
        if texts.is_empty() && !self.read().is_ok_and(|state| state.warnings.contains_key(group)) {
            return Vec::new();
        }
        let present: BTreeSet<String> = texts.iter().map(|text| normalize_reason(text)).collect();
        let noted = self.update(|state| {
            let before = state.warnings.remove(group).unwrap_or_default();
            let new = texts.iter().filter(|text| !before.contains(&normalize_reason(text))).cloned().collect();
            let mut after = present;
            if !is_end_proven {
                after.extend(before.iter().cloned());
            }
            let is_changed = after != before;
            if !after.is_empty() {
                state.warnings.insert(group.to_owned(), after);
            }
            (new, is_changed)
        });
        noted.unwrap_or_else(|_| {
            let key = |text: &str| format!("{group}/{}", normalize_reason(text));
            texts.iter().filter(|text| self.is_first_today(&key(text), AlertKind::Partial)).cloned().collect()
        })
    }
}
