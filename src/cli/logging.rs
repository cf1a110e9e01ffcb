//! Logs on stderr: one line per event, as text or JSON.
//!
//! Playlist names come from strangers, so control characters are escaped. Logs have no colours for the
//! same reason: an escape sequence in a log line is always foreign.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

use super::args::{GlobalArgs, LogFormat};
use super::progress;
use crate::document::{printable, printable_json};

/// Starts logging. A second call has no effect.
pub fn start(global: &GlobalArgs) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::WARN,
        (false, 0) => LevelFilter::INFO,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    // Other crates may log URLs and headers, so only their warnings are logged.
    let levels = Targets::new().with_default(LevelFilter::WARN).with_target("cratedigger", level);
    let writer = EscapingWriter { json: global.log_format == LogFormat::Json };
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let lines = match global.log_format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
        // On a terminal the time is obvious; a file needs timestamps.
        LogFormat::Text if io::stderr().is_terminal() => lines.with_target(false).without_time().boxed(),
        LogFormat::Text => lines.with_target(false).boxed(),
    };
    let started = tracing_subscriber::registry().with(levels).with(lines).try_init();
    drop(started);
}

/// Creates writers to stderr that escape control characters.
struct EscapingWriter {
    /// Whether the lines are JSON.
    json: bool,
}

impl<'a> MakeWriter<'a> for EscapingWriter {
    type Writer = EscapedStderr;

    fn make_writer(&'a self) -> EscapedStderr {
        EscapedStderr { json: self.json }
    }
}

/// A writer to stderr; each write is one event.
struct EscapedStderr {
    json: bool,
}

impl Write for EscapedStderr {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        // Writing over a progress bar would leave parts of it on the terminal.
        let line = escaped(event, self.json);
        progress::bars().suspend(|| io::stderr().lock().write_all(&line)).map(|()| event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// One event as one line.
fn escaped(event: &[u8], json: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(event);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = if json { printable_json(line) } else { printable(line) };
    let mut out = line.into_bytes();
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_name_stays_on_its_line() {
        let line = escaped("name=\u{1b}[2J\nERROR forged \u{202e}x\n".as_bytes(), false);
        assert_eq!(line, b"name=\\u{1b}[2J\\nERROR forged \\u{202e}x\n");
    }

    #[test]
    fn hostile_name_is_valid_json() {
        let name = "a\u{202e}b\u{200e}c\u{feff}d\u{7f}e\u{9b}f\n\u{1b}[2J";
        let line = escaped(format!("{}\n", serde_json::json!({ "name": name })).as_bytes(), true);
        assert!(line.is_ascii(), "{}", String::from_utf8_lossy(&line));
        let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(read["name"], name);
    }
}
