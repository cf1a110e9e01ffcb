//! Text in columns, aligned by display width: CJK characters and emoji take two columns of a terminal.
//!
//! On a terminal, a table is as wide as the terminal: long cells continue on the next line, and no word is broken. If
//! not even the longest words fit side by side, the last columns go below their row. If not even two columns fit, each row
//! becomes a block with one line for each column. In a pipe or a
//! file, rows are never broken. `COLUMNS` sets the width in both cases.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::paragraph::{named_width, width_of, wrap_indented};

/// The columns between two cells.
const GAP: usize = 2;

/// Rows in aligned columns. The first row is the header. Columns of numbers are aligned to the right.
pub(super) fn format_table(rows: &[Vec<String>]) -> String {
    format_within(rows, terminal_width())
}

/// The width of the terminal, unless stdout is something else. `COLUMNS` overrides it.
fn terminal_width() -> Option<usize> {
    named_width().or_else(|| width_of(&std::io::stdout()))
}

fn format_within(rows: &[Vec<String>], width: Option<usize>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |of: fn(&str) -> usize| -> Vec<usize> {
        let cells = |n: usize| rows.iter().filter_map(move |row| row.get(n));
        (0..columns).map(|n| cells(n).map(|cell| of(cell)).max().unwrap_or(0)).collect()
    };
    let (whole, words) = (widest(UnicodeWidthStr::width), widest(longest_word));
    let total = total_of;
    match width {
        Some(width) if total(&whole) > width && total(&words) <= width => arrange(rows, Some((width, &words))),
        Some(width) if total(&whole) > width && columns > 2 => {
            let side_by_side = (2..columns).rev().find(|n| total_of(&words[..*n]) <= width);
            match side_by_side {
                Some(first) => with_lines_below(rows, first, (width, &words)),
                None => as_blocks(rows, width),
            }
        }
        _ => arrange(rows, None),
    }
}

/// The width of columns side by side.
fn total_of(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// The first columns as a table, and below each row what its other columns have.
fn with_lines_below(rows: &[Vec<String>], first: usize, (width, words): (usize, &[usize])) -> String {
    /// Marks the first line of a row. It takes no column.
    const ROW_START: char = '\u{200b}';
    const INDENT: usize = 4;
    let cut = |row: &Vec<String>| row.iter().take(first).cloned().collect::<Vec<_>>();
    let cut: Vec<Vec<String>> = rows.iter().map(cut).collect();
    let whole: Vec<usize> = (0..first)
        .map(|n| cut.iter().filter_map(|row| row.get(n)).map(|cell| cell.width()).max().unwrap_or(0))
        .collect();
    let numbers: Vec<bool> = (0..first).map(|n| is_number_column(&cut, n)).collect();
    let marked: Vec<Vec<String>> = cut
        .iter()
        .map(|row| {
            row.iter().enumerate().map(|(n, cell)| if n == 0 { format!("{ROW_START}{cell}") } else { cell.clone() })
        })
        .map(Iterator::collect)
        .collect();
    let fit = (total_of(&whole) > width).then_some((width, &words[..first]));
    let text = arrange_columns(&marked, fit, &numbers);
    let header = rows.first().map(Vec::as_slice).unwrap_or_default();
    let below = |row: &[String]| {
        let cells = header.iter().zip(row).skip(first).filter(|(_, cell)| !is_missing(cell));
        let line =
            |(name, cell)| format!("{}\n", wrap_indented(&format!("{:INDENT$}{name}  {cell}", ""), width, INDENT));
        cells.map(line).collect::<String>()
    };
    let mut out = String::new();
    let mut at = 0;
    for line in text.lines() {
        if line.contains(ROW_START) {
            if at > 1 {
                out.push_str(&rows.get(at - 1).map(|row| below(row)).unwrap_or_default());
            }
            at += 1;
        }
        out.extend(line.chars().filter(|c| *c != ROW_START));
        out.push('\n');
    }
    if at > 1 {
        out.push_str(&rows.get(at - 1).map(|row| below(row)).unwrap_or_default());
    }
    out
}

/// The rows as a table. With a width, its cells continue on further lines, in columns that have room for these words.
fn arrange(rows: &[Vec<String>], fit: Option<(usize, &[usize])>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let numbers: Vec<bool> = (0..columns).map(|n| is_number_column(rows, n)).collect();
    arrange_columns(rows, fit, &numbers)
}

fn arrange_columns(rows: &[Vec<String>], fit: Option<(usize, &[usize])>, numbers: &[bool]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.add_rows(rows.iter().cloned());
    if let Some((width, _)) = fit {
        // The gap behind the last column is not printed.
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(to_u16(width + GAP));
    }
    for (n, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, to_u16(GAP)));
        if numbers.get(n) == Some(&true) {
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
        let blocks = format_within(&rows, Some(20));
        assert_eq!(blocks.matches("NEXT").count(), 2, "{blocks}");
    }

    #[test]
    fn columns_that_do_not_fit_go_below_the_row() {
        let rows = table(&[
            &["RUN", "JOB", "STATE", "WHY"],
            &[
                "9",
                "watched-playlists",
                "partial",
                "playlist_items: a_very_long_word_that_fits_nowhere in it, and more",
            ],
            &["10", "weekly", "complete", ""],
        ]);
        let text = format_within(&rows, Some(40));
        let expected = "RUN  JOB                STATE\n  9  watched-playlists  partial\n    WHY  playlist_items:\n    \
                        a_very_long_word_that_fits_nowhere\n    in it, and more\n 10  weekly             complete\n";
        assert_eq!(text, expected);
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
