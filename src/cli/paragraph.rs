//! Lines that fit a terminal: long ones continue on the next line, and no word is broken.
//!
//! All text that people read on a terminal passes through here, in [`super::print`]. Text for a pipe or a file keeps its
//! lines.

use std::os::fd::AsFd;

use textwrap::core::{Word, display_width};
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm, fill};

/// The width of a terminal, unless the stream is something else. `COLUMNS` overrides it.
pub(super) fn width_of(stream: &impl AsFd) -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(stream)?;
    named_width().or(Some(usize::from(width.0)))
}

/// The width that `COLUMNS` names.
pub(super) fn named_width() -> Option<usize> {
    std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|width| *width > 0)
}

/// Breaks lines that are longer than a width between words. Further lines are indented like the first one, and below the
/// text behind its label. Words that are longer than a line stay whole, and so do commands in backticks.
pub(super) fn wrap_lines(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if display_width(line) <= width || is_excerpt(line) {
            out.push_str(line);
        } else {
            out.push_str(&wrap_indented(line, width, hanging_indent(line, width)));
        }
        out.push_str(end);
    }
    out
}

/// Breaks a line, with this indentation of its further lines.
pub(super) fn wrap_indented(line: &str, width: usize, indent: usize) -> String {
    // Very narrow terminals have no room for an indentation.
    let indent = " ".repeat(if indent + 20 > width { 0 } else { indent });
    let options = Options::new(width)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_separator(WordSeparator::Custom(split_words))
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    fill(line, options)
}

/// Splits at spaces outside of backticks.
fn split_words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    /// A command that is copied from the terminal stays whole. Further apart, two backticks are no command.
    const LONGEST_COMMAND: usize = 200;
    let mut rest = line;
    Box::new(std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.find(' ').unwrap_or(rest.len());
        if let Some(open) = rest[..end].find('`')
            && let Some(length) = rest[open + 1..].find('`').filter(|length| *length <= LONGEST_COMMAND)
        {
            let close = open + 1 + length;
            if close > end {
                end = rest[close..].find(' ').map_or(rest.len(), |space| close + space);
            }
        }
        let spaces = rest[end..].len() - rest[end..].trim_start_matches(' ').len();
        let (word, after) = rest.split_at(end + spaces);
        rest = after;
        Some(Word::from(word))
    }))
}

/// Whether the line shows a place in a file, so that its columns must stay where they are.
fn is_excerpt(line: &str) -> bool {
    let plain = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    plain.starts_with('|') || plain.starts_with("-->")
}

/// The column in which the further lines of a line begin: that of its last column near the start, such as the text
/// behind `wrote  ` or behind spaces; otherwise a little right of its label, such as `hint:` or `-`.
fn hanging_indent(line: &str, width: usize) -> usize {
    let mut column = 0;
    let mut at = 0;
    while let Some(found) = line[at..].find("  ") {
        at += found;
        at += line[at..].len() - line[at..].trim_start_matches(' ').len();
        let end = display_width(&line[..at]);
        if end > width / 2 {
            break;
        }
        column = end;
    }
    let text = line.trim_start_matches(' ');
    let leading = line.len() - text.len();
    let label = text.split(' ').next().unwrap_or_default();
    let has_label = label.ends_with(':') || label == "-";
    if has_label && column <= leading { leading + 2 } else { column.max(leading) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_commands_stay_whole() {
        let text = "short\n  hint: the grant of home ends soon, so run `cratedigger auth login home` again\n";
        let expected =
            "short\n  hint: the grant of home ends soon, so\n    run `cratedigger auth login home`\n    again\n";
        assert_eq!(wrap_lines(text, 40), expected);
        let address = "open https://accounts.example/authorize?client_id=0123456789&scope=a in a browser";
        assert_eq!(
            wrap_lines(address, 30),
            "open\nhttps://accounts.example/authorize?client_id=0123456789&scope=a\nin a browser"
        );
    }

    #[test]
    fn further_lines_continue_the_last_column() {
        let line = "ok    settings      the settings file config/cratedigger.toml is valid";
        let expected = "ok    settings      the settings file\n                    config/cratedigger.toml\n                    is valid";
        assert_eq!(wrap_lines(line, 44), expected);
        let line = "                    -> run cratedigger check in this folder and read on";
        assert_eq!(wrap_lines(line, 44).lines().nth(1), Some("                    in this folder and read"));
    }

    #[test]
    fn columns_and_excerpts_stay_as_they_are() {
        let rows = "wrote  config/cratedigger.toml\nkept   .env\n";
        assert_eq!(wrap_lines(rows, 30), rows);
        let excerpt = " 12 | schedule = \"every day at seven in the morning\"\n    |            ^^^^^ unknown\n";
        assert_eq!(wrap_lines(excerpt, 20), excerpt);
    }

    #[test]
    fn colors_and_wide_characters_have_their_width() {
        assert_eq!(wrap_lines("\u{1b}[32mready\u{1b}[0m and set", 13), "\u{1b}[32mready\u{1b}[0m and set");
        assert_eq!(wrap_lines("夜に駆ける 夜に駆ける", 12), "夜に駆ける\n夜に駆ける");
    }
}
