//! Text in columns, aligned by display width: CJK characters and emoji take two columns of a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Rows in aligned columns, two spaces apart.
pub(super) fn format_table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|it| it.width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| pad(cell, *width)).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
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

    #[test]
    fn wide_characters_stay_aligned() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = format_table(&[row(["TITLE", "BY"]), row(["夜に駆ける", "YOASOBI"]), row(["🎵 ok", "x"])]);
        assert_eq!(text, "TITLE       BY\n夜に駆ける  YOASOBI\n🎵 ok       x\n");
    }

    #[test]
    fn long_texts_are_cut_by_width() {
        assert_eq!(shorten_to("夜に駆ける", 10), "夜に駆ける");
        assert_eq!(shorten_to("夜に駆ける", 5), "夜に…");
        assert_eq!(shorten_to("abc", 2), "ab…");
    }
}
