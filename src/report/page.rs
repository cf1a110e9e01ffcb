//! The parts of a page, and the template that writes them.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::chart::Chart;
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
    pub state: PageState,
    /// As of when, and until when.
    pub written: String,
    pub reasons: Vec<String>,
    /// Labels and numbers.
    pub facts: Vec<(String, String)>,
    pub sections: Vec<Section>,
    /// Whether the page shows something of Spotify's.
    pub has_content: bool,
    style: &'static str,
    style_hash: String,
    version: &'static str,
}

impl Page {
    pub(super) fn new(kicker: &str, title: &str, state: PageState) -> Page {
        Page {
            title: title.to_owned(),
            kicker: kicker.to_owned(),
            description: None,
            state,
            written: String::new(),
            reasons: Vec::new(),
            facts: Vec::new(),
            sections: Vec::new(),
            has_content: false,
            style: STYLE,
            style_hash: STANDARD.encode(Sha256::digest(STYLE.as_bytes())),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, askama::Error> {
        self.render().map(String::into_bytes)
    }
}

/// The state of a run, as a sign and a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageState(pub RunState);

impl PageState {
    pub(super) fn class(self) -> &'static str {
        self.0.as_str()
    }

    pub(super) fn word(self) -> &'static str {
        self.0.as_str()
    }

    pub(super) fn sign(self) -> &'static str {
        match self.0 {
            RunState::Complete => "✓",
            RunState::Partial => "◐",
            RunState::Deferred | RunState::Running => "…",
            RunState::Failed => "✗",
        }
    }

    /// Where its bar in a strip of runs begins: a failed run is the tallest.
    pub(super) fn top(self) -> u32 {
        match self.0 {
            RunState::Complete => 8,
            RunState::Partial | RunState::Deferred | RunState::Running => 4,
            RunState::Failed => 0,
        }
    }
}

/// A part of a page under its own heading.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub id: &'static str,
    pub title: &'static str,
    /// The finding, in a sentence.
    pub lead: String,
    pub charts: Vec<Chart>,
    pub tables: Vec<PageTable>,
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
    pub is_code: bool,
    pub state: Option<PageState>,
    pub strip: Vec<PageState>,
}

impl PageCell {
    pub(super) fn text(text: impl Into<String>) -> PageCell {
        PageCell { text: text.into(), ..PageCell::default() }
    }

    pub(super) fn number(n: u64) -> PageCell {
        PageCell { text: grouped(n), class: "n", ..PageCell::default() }
    }

    /// A date, time or name, which is not broken.
    pub(super) fn time(text: impl Into<String>) -> PageCell {
        PageCell { text: text.into(), class: "t", ..PageCell::default() }
    }

    /// A text of several words or a long address, which gets more space.
    pub(super) fn wide(text: impl Into<String>) -> PageCell {
        PageCell { text: text.into(), class: "w", ..PageCell::default() }
    }

    pub(super) fn named(named: &NamedLink) -> PageCell {
        PageCell { text: named.name.clone(), url: named.url.clone(), ..PageCell::default() }
    }

    pub(super) fn explicit(mut self, is_explicit: bool) -> PageCell {
        self.is_explicit = is_explicit;
        self
    }

    /// The address that the text links to. Links to other sites are left out.
    pub(super) fn link(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| url.starts_with(SPOTIFY))
    }

    /// What a strip of runs shows, in words.
    pub(super) fn strip_text(&self) -> String {
        let count = |state: RunState| self.strip.iter().filter(|run| run.0 == state).count();
        let all = [RunState::Complete, RunState::Partial, RunState::Deferred, RunState::Failed, RunState::Running];
        let parts = all.into_iter().filter(|state| count(*state) > 0);
        let parts: Vec<String> = parts.map(|state| format!("{} {}", count(state), state.as_str())).collect();
        format!("last {} runs: {}", self.strip.len(), parts.join(", "))
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

/// `1 track`, `2 tracks`; `many` if the plural is not formed with an s.
pub(super) fn counted(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", grouped(n)) }
}

#[cfg(test)]
mod tests;
