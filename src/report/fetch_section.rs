//! The section about the fetches of the run: what each requested and got, and the missing items.

use super::job_page::{PageScope, ReportError, words};
use super::page::{PageCell, PageTable, Section, counted};
use crate::store::report_rows::{self, NotedReason};
use crate::store::{RunState, anomaly_table};

impl PageScope<'_> {
    /// What each fetch requested and got.
    pub(super) fn fetches(&self) -> Result<Option<Section>, ReportError> {
        let mut results = report_rows::fetch_results(self.store, self.run, self.user)?;
        if results.is_empty() {
            return Ok(None);
        }
        let place = |name: &str| self.job.fetch_index(name).unwrap_or(usize::MAX);
        results.sort_by_key(|result| place(&result.fetch));
        let calls = results.iter().map(|result| result.calls).sum();
        let notes = report_rows::noted_by_reason(self.store, self.run)?;
        let mut section = Section { id: "fetches".into(), title: "Fetches".into(), ..Section::default() };
        section.lead = format!(
            "{} with {}. {}",
            counted(results.len() as u64, "fetch"),
            counted(calls, "call"),
            notes_in_words(&notes)
        );
        let mut table = PageTable::new(
            "Fetches of the run",
            &["fetch", "state", "stream", "#requested", "#unchanged", "#calls", "#rows stored", "#noted"],
        );
        table.rows = results
            .iter()
            .map(|result| {
                let noted = notes.iter().filter(|note| note.fetch == result.fetch).map(|note| note.items).sum();
                let numbers = [result.asked, result.unchanged, result.calls, result.stored, noted];
                let state = PageCell::state(RunState::from_word(&result.state));
                let texts = vec![PageCell::unbroken(&result.fetch), state, PageCell::unbroken(&result.stream)];
                [texts, numbers.map(PageCell::number).to_vec()].concat()
            })
            .collect();
        section.tables.push(table);
        let reasons = results.iter().filter_map(|result| Some((result, result.reason.as_ref()?)));
        let reasons: Vec<_> =
            reasons.map(|(result, reason)| vec![PageCell::unbroken(&result.fetch), PageCell::wide(reason)]).collect();
        if !reasons.is_empty() {
            section.tables.push(PageTable {
                rows: reasons,
                ..PageTable::new("Why a fetch is not complete", &["fetch", "reason"])
            });
        }
        if !notes.is_empty() {
            let mut table = PageTable::new("What was noted", &["fetch", "reason", "meaning", "#number"]);
            let line = |note: &NotedReason| {
                vec![
                    PageCell::unbroken(&note.fetch),
                    PageCell::unbroken(words(&note.reason)),
                    PageCell::wide(meaning(&note.reason)),
                    PageCell::number(note.items),
                ]
            };
            table.rows = notes.iter().map(line).collect();
            table.note = Some(format!("`cratedigger skipped {}` lists each of them.", self.job.name));
            section.tables.push(table);
        }
        Ok(Some(section))
    }
}

/// Reasons of requests that Spotify has nothing for.
const NOT_FOUND: &[&str] = &["not_found", "code_mismatch", "no_hits"];
/// Reasons of requests that Spotify refused.
const REFUSED: &[&str] = &["forbidden", "not_for_this_app", "bad_request"];
/// Reasons of rows of input files.
const UNUSABLE: &[&str] = &["unusable_row"];

/// What a reason means. The table of anomalies names the answers of Spotify, which say little about a code.
pub(super) fn meaning(reason: &str) -> &'static str {
    match reason {
        "not_found" => "Spotify has nothing for a requested id, code or list",
        reason => anomaly_table::find(reason).map_or("", |anomaly| anomaly.what),
    }
}

/// How many notes there are of each kind, in sentences. Together they are all notes of the table.
fn notes_in_words(notes: &[NotedReason]) -> String {
    let count = |has: &dyn Fn(&str) -> bool| notes.iter().filter(|note| has(&note.reason)).map(|note| note.items).sum();
    let is_other = |reason: &str| ![NOT_FOUND, REFUSED, UNUSABLE].iter().any(|kind| kind.contains(&reason));
    let was = |n: u64| if n == 1 { "was" } else { "were" };
    let mut sentences = Vec::new();
    let (not_found, refused): (u64, u64) = (count(&|r| NOT_FOUND.contains(&r)), count(&|r| REFUSED.contains(&r)));
    let (unusable, other): (u64, u64) = (count(&|r| UNUSABLE.contains(&r)), count(&is_other));
    if not_found > 0 {
        sentences.push(format!("{} {} not found.", counted(not_found, "requested item"), was(not_found)));
    }
    if refused > 0 {
        sentences.push(format!("{} {} refused.", counted(refused, "request"), was(refused)));
    }
    if unusable > 0 {
        sentences.push(format!("{} of an input file could not be used.", counted(unusable, "row")));
    }
    if other > 0 {
        let item = if sentences.is_empty() { "item" } else { "other item" };
        sentences.push(format!("Something was noted about {}.", counted(other, item)));
    }
    if sentences.is_empty() { "Nothing was noted about single items.".to_owned() } else { sentences.join(" ") }
}
