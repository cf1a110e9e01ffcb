//! The parts of a page, and the template that writes them.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::chart::Chart;
use super::logo::PageLogo;
use crate::store::RunState;
use crate::store::report_rows::NamedLink;

const STYLE: &str = include_str!("style.css");

/// The only site that a page links to.
const SPOTIFY: &str = "https://open.spotify.com/";

/// A whole page.
#[derive(Template)]
#[template(path = "page.html")]
pub(super) struct Page {
    pub title: String,
    /// The kind of the page, above its title.
    pub kicker: String,
    pub description: Option<String>,
    pub state: Option<PageState>,
    /// As of when, and until when.
    pub written: String,
    pub reasons: Vec<String>,
    /// Labels and numbers.
    pub facts: Vec<(String, String)>,
    pub sections: Vec<Section>,
    /// Whether the page shows something of Spotify's, and names it as the source.
    pub has_content: bool,
    pub logo: PageLogo,
    style: &'static str,
    style_hash: String,
    version: &'static str,
}

impl Page {
    pub(super) fn new(kicker: &str, title: &str, state: impl Into<PageState>) -> Page {
        Page {
            title: title.to_owned(),
            kicker: kicker.to_owned(),
            description: None,
            state: Some(state.into()),
            written: String::new(),
            reasons: Vec::new(),
            facts: Vec::new(),
            sections: Vec::new(),
            has_content: false,
            logo: PageLogo::default(),
            style: STYLE,
            style_hash: STANDARD.encode(Sha256::digest(STYLE.as_bytes())),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    pub(super) fn written_parts(&self) -> Vec<(&str, bool)> {
        prose(&self.written)
    }

    pub(super) fn reason_parts(&self) -> Vec<Vec<(&str, bool)>> {
        self.reasons.iter().map(|reason| prose(reason)).collect()
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, askama::Error> {
        Ok(show_controls(self.render()?).into_bytes())
    }
}

/// Replaces control characters, which HTML does not allow, by the signs that Unicode has for them. Line ends and tabs stay.
fn show_controls(html: String) -> String {
    let is_one = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !html.contains(is_one) {
        return html;
    }
    let sign = |c: char| match u32::from(c) {
        code @ 0..0x20 => char::from_u32(0x2400 + code),
        0x7f => Some('\u{2421}'),
        _ => None,
    };
    html.chars().map(|c| if is_one(c) { sign(c).unwrap_or(char::REPLACEMENT_CHARACTER) } else { c }).collect()
}

/// A text with its commands, which are in backticks: each part, and whether it is a command.
fn prose(text: &str) -> Vec<(&str, bool)> {
    // Without a partner, a backtick belongs to a name.
    if !text.matches('`').count().is_multiple_of(2) {
        return vec![(text, false)];
    }
    text.split('`').enumerate().map(|(n, part)| (part, n % 2 == 1)).filter(|(part, _)| !part.is_empty()).collect()
}

/// The state of a run, a job or all jobs, as a sign and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageState {
    pub class: &'static str,
    pub sign: &'static str,
    pub words: String,
}

impl PageState {
    pub(super) fn new(class: RunState, sign: &'static str, words: impl Into<String>) -> PageState {
        PageState { class: class.as_str(), sign, words: words.into() }
    }
}

impl From<RunState> for PageState {
    fn from(state: RunState) -> PageState {
        let sign = match state {
            RunState::Complete => "✓",
            RunState::Partial => "◐",
            RunState::Deferred | RunState::Running => "…",
            RunState::Failed => "✗",
        };
        PageState::new(state, sign, state.as_str())
    }
}

/// The last runs of a job as a strip of bars, the newest at the right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunStrip(pub Vec<RunState>);

/// The height of a strip, the width of a run in it with the gap, and the number of runs that have a place. Strips of all jobs
/// are as wide, so that the newest runs are below each other.
const STRIP_HEIGHT: usize = 14;
const STRIP_STEP: usize = 5;
pub(super) const STRIP_RUNS: usize = 30;

impl RunStrip {
    pub(super) fn width(&self) -> usize {
        self.0.len().max(STRIP_RUNS) * STRIP_STEP
    }

    /// The bars of each state as one path, which takes less space than an element for each run. A failed run is the tallest.
    pub(super) fn paths(&self) -> Vec<(&'static str, String)> {
        let free = STRIP_RUNS.saturating_sub(self.0.len());
        let bars = |state: RunState| {
            let height = match state {
                RunState::Complete => 6,
                RunState::Partial | RunState::Deferred | RunState::Running => 10,
                RunState::Failed => STRIP_HEIGHT,
            };
            let of_state = self.0.iter().enumerate().filter(|(_, run)| **run == state);
            of_state
                .map(|(n, _)| format!("M{} {}h4v{height}h-4z", (free + n) * STRIP_STEP, STRIP_HEIGHT - height))
                .collect()
        };
        // Where there was no run yet is a thin line.
        let empty = (free > 0).then(|| ("none", format!("M0 13h{}v1h-{}z", free * STRIP_STEP, free * STRIP_STEP)));
        let states = self.states().into_iter().map(|state| (state.as_str(), bars(state)));
        empty.into_iter().chain(states).collect()
    }

    /// The number of shown runs in each state, in words.
    pub(super) fn words(&self) -> String {
        let count = |state: RunState| self.0.iter().filter(|run| **run == state).count();
        let parts: Vec<String> =
            self.states().into_iter().map(|state| format!("{} {}", count(state), state.as_str())).collect();
        format!("{}: {}", counted(self.0.len() as u64, "run"), parts.join(", "))
    }

    /// The states that occur.
    fn states(&self) -> Vec<RunState> {
        let all = [RunState::Complete, RunState::Partial, RunState::Deferred, RunState::Failed, RunState::Running];
        all.into_iter().filter(|state| self.0.contains(state)).collect()
    }
}

/// A part of a page under its own heading.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub id: String,
    pub title: String,
    /// The finding, in a sentence.
    pub lead: String,
    pub charts: Vec<Chart>,
    pub tables: Vec<PageTable>,
}

impl Section {
    pub(super) fn lead_parts(&self) -> Vec<(&str, bool)> {
        prose(&self.lead)
    }
}

#[derive(Debug, Default)]
pub(super) struct PageTable {
    pub caption: String,
    /// The name of each column, and whether it has numbers.
    pub heads: Vec<(String, bool)>,
    pub rows: Vec<Vec<PageCell>>,
    pub note: Option<String>,
    /// Whether it repeats the numbers of charts, and is shown on request.
    pub is_folded: bool,
}

impl PageTable {
    /// A table with columns of these names; those that begin with `#` have numbers.
    pub(super) fn new(caption: impl Into<String>, heads: &[&str]) -> PageTable {
        let head = |name: &&str| (name.trim_start_matches('#').to_owned(), name.starts_with('#'));
        PageTable { caption: caption.into(), heads: heads.iter().map(head).collect(), ..PageTable::default() }
    }

    /// Leaves out the columns that have the same text in every row, such as the sign for no number.
    pub(super) fn drop_columns_of(&mut self, text: &str) {
        let is_kept: Vec<bool> = (0..self.heads.len())
            .map(|n| {
                self.rows.is_empty() || self.rows.iter().any(|row| row.get(n).is_none_or(|cell| cell.text != text))
            })
            .collect();
        let mut kept = is_kept.iter();
        self.heads.retain(|_| kept.next().is_some_and(|kept| *kept));
        for row in &mut self.rows {
            let mut kept = is_kept.iter();
            row.retain(|_| kept.next().is_some_and(|kept| *kept));
        }
    }

    pub(super) fn note_parts(&self) -> Vec<(&str, bool)> {
        self.note.as_deref().map(prose).unwrap_or_default()
    }

    /// Whether it may be wider than a phone.
    pub(super) fn is_wide(&self) -> bool {
        self.heads.len() > 2
    }
}

#[derive(Debug, Default, Clone)]
pub(super) struct PageCell {
    pub text: String,
    pub class: &'static str,
    pub url: Option<String>,
    pub is_explicit: bool,
    pub is_new: bool,
    /// A command to type.
    pub is_code: bool,
    /// Another page of this program, relative to this one.
    pub page: Option<String>,
    pub state: Option<PageState>,
    pub strip: Option<RunStrip>,
}

impl PageCell {
    pub(super) fn text(text: impl Into<String>) -> PageCell {
        PageCell { text: text.into(), ..PageCell::default() }
    }

    pub(super) fn number(n: u64) -> PageCell {
        PageCell { text: grouped(n), class: "n", ..PageCell::default() }
    }

    /// A difference with its sign.
    pub(super) fn change(difference: i64) -> PageCell {
        let sign = match difference {
            1.. => "+",
            0 => "±",
            _ => "−",
        };
        PageCell { text: format!("{sign}{}", grouped(difference.unsigned_abs())), ..PageCell::number(0) }
    }

    /// A date, time or name, which stays on one line.
    pub(super) fn unbroken(text: impl Into<String>) -> PageCell {
        PageCell { text: text.into(), class: "t", ..PageCell::default() }
    }

    /// A text of several words or a long address, which gets more space.
    pub(super) fn wide(text: impl Into<String>) -> PageCell {
        PageCell { text: text.into(), class: "w", ..PageCell::default() }
    }

    /// A command to type.
    pub(super) fn code(text: impl Into<String>) -> PageCell {
        PageCell { text: text.into(), class: "w", is_code: true, ..PageCell::default() }
    }

    pub(super) fn state(state: impl Into<PageState>) -> PageCell {
        PageCell { state: Some(state.into()), ..PageCell::unbroken("") }
    }

    pub(super) fn named(named: &NamedLink) -> PageCell {
        PageCell { text: named.name.clone(), url: named.url.clone(), ..PageCell::default() }
    }

    pub(super) fn explicit(mut self, is_explicit: bool) -> PageCell {
        self.is_explicit = is_explicit;
        self
    }

    /// Whether it shows a state or runs and no text.
    pub(super) fn is_drawn(&self) -> bool {
        self.state.is_some() || self.strip.is_some()
    }

    /// The address that the text links to. Links to other sites are left out.
    pub(super) fn link(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| url.starts_with(SPOTIFY))
    }
}

/// `1,234,567`
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 track`, `2 tracks`, `3 fetches`, `4 queries`
pub(super) fn counted(n: u64, one: &str) -> String {
    let many = match one.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        _ if n == 1 => one.to_owned(),
        Some(stem) => format!("{stem}ies"),
        None if one.ends_with("ch") => format!("{one}es"),
        None => format!("{one}s"),
    };
    format!("{} {many}", grouped(n))
}

#[cfg(test)]
mod tests;
