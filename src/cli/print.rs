//! Writing to stdout, which gets nothing but results, and to stderr.

use std::borrow::Cow;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use super::paragraph::{width_of, wrap_lines};
use super::state_color;
use super::table::shorten_to;
use crate::document::{printable, printable_json, terminal_safe};

/// Whether anything was written to stdout.
static WRITTEN: AtomicBool = AtomicBool::new(false);

/// Records that stdout is in use, so that a later error does not append a JSON object of its own.
pub fn mark_written() {
    WRITTEN.store(true, Ordering::Relaxed);
}

/// Writes an error as the one JSON object of a command, unless stdout is already in use.
pub fn write_error_object(value: &serde_json::Value) {
    if !WRITTEN.load(Ordering::Relaxed) {
        // If stdout is closed or its disk is full, the exit code and stderr remain.
        drop(json(value));
    }
}

/// Writes text to stdout, without anything that could control a terminal. A closed pipe (`| head`) is not an error.
///
/// # Errors
///
/// If stdout cannot be written for another reason, such as a full disk.
pub fn stdout(text: &str) -> io::Result<()> {
    write_stdout(&terminal_safe(text))
}

/// Writes text for people to stdout: like [`stdout`], with long lines broken between words on a terminal, and with the
/// colors of marked states.
///
/// # Errors
///
/// As [`stdout`].
pub fn paragraphs(text: &str) -> io::Result<()> {
    let is_colored = state_color::is_wanted(&io::stdout());
    paragraphs_colored(&state_color::color_states(&terminal_safe(text), is_colored))
}

/// Like [`paragraphs`], for text with colors of our own. Its other parts are [`printable`] already.
///
/// # Errors
///
/// As [`stdout`].
pub fn paragraphs_colored(text: &str) -> io::Result<()> {
    write_stdout(&fit(text, &io::stdout()))
}

/// The text with lines that fit the terminal, if the stream is one.
fn fit<'t>(text: &'t str, stream: &impl AsFd) -> Cow<'t, str> {
    width_of(stream).map_or(Cow::Borrowed(text), |width| Cow::Owned(wrap_lines(text, width)))
}

/// The text with lines that fit the terminal of stderr, if it is one.
pub(super) fn fit_stderr(text: &str) -> Cow<'_, str> {
    fit(text, &io::stderr())
}

fn write_stdout(text: &str) -> io::Result<()> {
    mark_written();
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Stdout for a program that reads messages. Unlike for people, a closed pipe is an error.
pub(super) fn message_stream() -> impl Write {
    mark_written();
    io::stdout().lock()
}

/// What a file has: a number of rows, or a page.
pub(super) fn file_content(path: &str, rows: u64) -> String {
    if path.ends_with(".html") { "page".to_owned() } else { count(rows, "row") }
}

/// `1 call`, `2 calls`, `3 queries`.
pub fn count<N: std::fmt::Display>(n: N, word: &str) -> String {
    let n = n.to_string();
    if n == "1" {
        return format!("{n} {word}");
    }
    match word.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        Some(stem) => format!("{n} {stem}ies"),
        None if word.ends_with("ch") => format!("{n} {word}es"),
        None => format!("{n} {word}s"),
    }
}

/// Writes a JSON value to stdout, on one line.
///
/// # Errors
///
/// As [`stdout`].
pub fn json(value: &serde_json::Value) -> io::Result<()> {
    write_stdout(&format!("{}\n", json_text(value)))
}

/// A value as JSON on one line. Characters that could control a terminal are escaped, which changes no value.
pub fn json_text(value: &serde_json::Value) -> String {
    printable_json(&value.to_string())
}

/// Writes text for people to stderr, without anything that could control a terminal, and ignores errors. Long lines are
/// broken between words on a terminal, and marked states have their color.
pub fn stderr(text: &str) {
    let is_colored = state_color::is_wanted(&io::stderr());
    stderr_colored(&state_color::color_states(&terminal_safe(text), is_colored));
}

/// Like [`stderr`], for text with colors of our own. Its other parts are [`printable`] already.
pub fn stderr_colored(text: &str) {
    let text = fit_stderr(text);
    let mut out = io::stderr().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// A foreign text for one line of a terminal: without control characters, and shortened if it is long.
pub fn shorten(text: &str) -> String {
    const WIDTH: usize = 80;
    shorten_to(&printable(text), WIDTH)
}

/// Writes text for a terminal, without anything that could control it.
pub struct TerminalWriter<W> {
    out: W,
    /// The start of a character or line end. The rest is not written yet.
    pending: Vec<u8>,
}

impl<W: Write> TerminalWriter<W> {
    pub fn new(out: W) -> TerminalWriter<W> {
        TerminalWriter { out, pending: Vec::new() }
    }

    fn write_text(&mut self, text: &str) -> io::Result<()> {
        // The byte order mark and Excel's line ends are not part of the text.
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        self.out.write_all(terminal_safe(&text).as_bytes())
    }
}

impl<W: Write> Write for TerminalWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        let mut whole = match std::str::from_utf8(&self.pending) {
            Err(e) if e.error_len().is_none() => e.valid_up_to(),
            _ => self.pending.len(),
        };
        if self.pending[..whole].ends_with(b"\r") {
            whole -= 1;
        }
        let rest = self.pending.split_off(whole);
        let text = std::mem::replace(&mut self.pending, rest);
        self.write_text(&String::from_utf8_lossy(&text))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.pending);
        self.write_text(&String::from_utf8_lossy(&rest))?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_gets_no_control_character() {
        let text = "\u{feff}a,b\r\n\u{1b}]0;x\u{7},\u{9b}é\u{202e}\rz\r\n";
        for size in [1, 2, 3, 100] {
            let mut out = TerminalWriter::new(Vec::new());
            for part in text.as_bytes().chunks(size) {
                out.write_all(part).unwrap();
            }
            out.flush().unwrap();
            let written = String::from_utf8(out.out).unwrap();
            assert_eq!(written, "a,b\n\\u{1b}]0;x\\u{7},\\u{9b}é\\u{202e}\\u{d}z\n", "{size}");
        }
    }
}
