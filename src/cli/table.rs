//! Text in columns, aligned by display width: CJK characters and emoji take two columns of a terminal.
//!
//! On a terminal, a table is as wide as the terminal: long cells continue on the next line, and no word is broken. If
//! not even the longest words fit side by side, each row becomes a block with one line for each column. In a pipe or a
//! file, rows are never broken. `COLUMNS` sets the width in both cases.

use std::io::IsTerminal as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns between two cells.
const GAP: usize = 2;

/// Rows in aligned columns. The first row is the header. Columns of numbers are aligned to the right.
pub(super) fn format_table(rows: &[Vec<String>]) -> String {
    format_within(rows, terminal_width())
}

/// The width of the terminal, unless stdout is something else. `COLUMNS` overrides it.
fn terminal_width() -> Option<usize> {
    let named = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|width| *width > 0);
    named.or_else(|| {
        let stdout = std::io::stdout();
        let (width, _) = terminal_size::terminal_size_of(&stdout).filter(|_| stdout.is_terminal())?;
        Some(usize::from(width.0))
    })
}

fn format_within(rows: &[Vec<String>], width: Option<usize>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |of: fn(&str) -> usize| -> Vec<usize> {
        let cells = |n: usize| rows.iter().filter_map(move |row| row.get(n));
        (0..columns).map(|n| cells(n).map(|cell| of(cell)).max().unwrap_or(0)).collect()
    };
    let (whole, words) = (widest(UnicodeWidthStr::width), widest(longest_word));
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * columns.saturating_sub(1);
    match width {
        Some(width) if total(&whole) > width && total(&words) <= width => arrange(rows, Some((width, &words))),
        Some(width) if total(&whole) > width && columns > 2 => as_blocks(rows, width),
        _ => arrange(rows, None),
    }
}

/// The rows as a table. With a width, its cells continue on further lines, in columns that have room for these words.
fn arrange(rows: &[Vec<String>], fit: Option<(usize, &[usize])>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.add_rows(rows.iter().cloned());
    if let Some((width, _)) = fit {
        // The gap behind the last column is not printed.
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(to_u16(width + GAP));
    }
    for (n, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, to_u16(GAP)));
        if is_number_column(rows, n) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if let Some((_, words)) = fit {
            // A width of a column includes its gap.
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(to_u16(words[n] + GAP))));
        }
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Each row as a block: the names of the columns, each with its value.
fn as_blocks(rows: &[Vec<String>], width: usize) -> String {
    let Some((header, rows)) = rows.split_first() else { return String::new() };
    let names = header.iter().map(|name| name.width()).max().unwrap_or(0);
    let block = |row: &Vec<String>| {
        let lines: Vec<Vec<String>> =
            header.iter().cloned().zip(row.iter().cloned()).map(|(a, b)| vec![a, b]).collect();
        let value = |of: fn(&str) -> usize| row.iter().map(|cell| of(cell)).max().unwrap_or(0);
        let is_wide = names + GAP + value(UnicodeWidthStr::width) > width;
        arrange(&lines, is_wide.then_some((width, &[names, value(longest_word)])))
    };
    rows.iter().map(block).collect::<Vec<_>>().join("\n")
}

/// Whether all values below the header are numbers or missing, and at least one is a number.
fn is_number_column(rows: &[Vec<String>], column: usize) -> bool {
    let mut cells = rows.iter().skip(1).filter_map(|row| row.get(column)).filter(|cell| !is_missing(cell)).peekable();
    cells.peek().is_some() && cells.all(|cell| is_number(cell))
}

fn is_missing(cell: &str) -> bool {
    matches!(cell, "" | "-" | "?")
}

fn is_number(cell: &str) -> bool {
    let digits = cell.strip_prefix(['-', '+']).unwrap_or(cell);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn longest_word(text: &str) -> usize {
    text.split(' ').map(UnicodeWidthStr::width).max().unwrap_or(0)
}

fn to_u16(width: usize) -> u16 {
    u16::try_from(width).unwrap_or(u16::MAX)
}

/// The text with spaces up to a display width.
pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{:1$}", "", width.saturating_sub(text.width()))
}

/// The text cut to a display width, with an ellipsis if anything is missing.
pub(super) fn shorten_to(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn wide_characters_stay_aligned() {
        let text = format_within(&table(&[&["TITLE", "BY"], &["夜に駆ける", "YOASOBI"], &["🎵 ok", "x"]]), None);
        assert_eq!(text, "TITLE       BY\n夜に駆ける  YOASOBI\n🎵 ok       x\n");
    }

    #[test]
    fn numbers_are_aligned_to_the_right() {
        let rows = table(&[&["NAME", "ROWS", "ID"], &["a", "5", "5"], &["b", "1200", "x7"], &["c", "-", ""]]);
        assert_eq!(format_within(&rows, None), "NAME  ROWS  ID\na        5  5\nb     1200  x7\nc        -\n");
    }

    #[test]
    fn tables_fit_the_width_without_broken_words() {
        let rows = table(&[
            &["JOB", "NEXT", "WHAT IT DOES"],
            &["watched-playlists", "Mon 30 Nov 23:43", "the playlists in playlists.csv, and what was added or removed"],
            &["夜に駆ける", "now", "短い 説明 短い 説明 短い 説明 短い 説明 短い 説明 短い 説明"],
        ]);
        let words = |text: &str| {
            let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            words.sort();
            words
        };
        let all = words(&format_within(&rows, None));
        for width in [120, 80, 60, 50] {
            let text = format_within(&rows, Some(width));
            assert!(text.lines().all(|line| line.width() <= width), "{width}:\n{text}");
            assert_eq!(words(&text), all, "{width}:\n{text}");
        }
        let narrow = format_within(&rows, Some(30));
        assert_eq!(narrow.matches("WHAT IT DOES").count(), 2, "{narrow}");
        assert!(narrow.lines().all(|line| line.width() <= 31), "{narrow}");
    }

    #[test]
    fn tables_that_fit_do_not_change() {
        let rows = table(&[&["A", "B", "C"], &["one", "two words", "3"]]);
        assert_eq!(format_within(&rows, Some(80)), format_within(&rows, None));
    }

    #[test]
    fn long_texts_are_cut_by_width() {
        assert_eq!(shorten_to("夜に駆ける", 10), "夜に駆ける");
        assert_eq!(shorten_to("夜に駆ける", 5), "夜に…");
        assert_eq!(shorten_to("abc", 2), "ab…");
    }
}
