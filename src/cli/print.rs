//! stdout, which is for what was asked for and nothing else.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::document::printable;

/// Whether anything was written to stdout.
static WRITTEN: AtomicBool = AtomicBool::new(false);

/// Notes that stdout is being written: what fails now puts no object of its own behind it.
pub fn mark_written() {
    WRITTEN.store(true, Ordering::Relaxed);
}

/// Writes why a command failed, as the one object that it owes a program, unless it has written one.
pub fn write_error_object(value: &serde_json::Value) {
    if !WRITTEN.load(Ordering::Relaxed) {
        // Whoever reads stdout is gone, or its disk is full: the exit code is left, and stderr.
        drop(json(value));
    }
}

/// Writes to stdout. A reader that went away (`| head`) is no error.
///
/// # Errors
///
/// If stdout cannot be written for another reason, such as a full disk.
pub fn stdout(text: &str) -> io::Result<()> {
    mark_written();
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// `1 call`, `2 calls`, `3 queries`.
pub fn count<N: std::fmt::Display>(n: N, word: &str) -> String {
    let n = n.to_string();
    if n == "1" {
        return format!("{n} {word}");
    }
    match word.strip_suffix('y') {
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
    stdout(&format!("{value}\n"))
}

/// Writes to stderr; what cannot be written there is lost.
pub fn stderr(text: &str) {
    let mut out = io::stderr().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// A text that came from elsewhere, on one line of a terminal: without control characters, and cut
/// where it is long.
pub fn shorten(text: &str) -> String {
    const LONGEST: usize = 80;
    let shown = printable(text);
    match shown.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// Rows in columns that line up, two blanks apart.
pub fn format_table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
