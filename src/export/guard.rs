//! The formula guard. A spreadsheet runs every cell that looks like a formula, and
//! anyone can name a playlist `=HYPERLINK(…)`.
//!
//! A guarded cell gets a leading `'`. A text that already looks like a guarded
//! cell is guarded as well, so that [`unguard`] always returns the original text.

use crate::settings::FormulaGuard;

/// Whether this text gets a leading `'`.
pub fn is_guarded(guard: FormulaGuard, text: &[u8]) -> bool {
    // Nearly every cell ends here. The full-width signs begin with 0xef.
    if !matches!(text.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n' | b'\'' | 0xef)) {
        return false;
    }
    let bare = &text[text.iter().take_while(|b| **b == b'\'').count()..];
    // What follows is text in UTF-8, since cells are.
    let Some(first) = bare.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next()) else { return false };
    match (guard, first) {
        (FormulaGuard::Off, _) => false,
        (_, '\t' | '\r' | '\n') => true,
        (FormulaGuard::All, first) => "=+-@＝＋－＠".contains(first),
        (FormulaGuard::Auto, '=' | '＝') => bare.len() > first.len_utf8(),
        (FormulaGuard::Auto, '+' | '-' | '@' | '＋' | '－' | '＠') => {
            let calls = |c: char| "(|!（｜！".contains(c);
            bare.utf8_chunks().any(|chunk| chunk.valid().contains(calls))
        }
        _ => false,
    }
}

/// The original text of a cell that was written with this guard.
pub fn unguard(guard: FormulaGuard, cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_guarded(guard, text.as_bytes()) => text,
        _ => cell,
    }
}

/// Instructions for undoing the guard, for the data package.
pub(super) fn undo_rule(guard: FormulaGuard) -> Option<&'static str> {
    match guard {
        FormulaGuard::Off => None,
        FormulaGuard::All => Some(
            "remove one leading ' if the rest, after any further ', starts with = + - @ in half or full width, a tab, a return \
                 or a line feed",
        ),
        FormulaGuard::Auto => Some(
            "remove one leading ' if the rest, after any further ', is = with more text after it, starts with a \
             tab, a return or a line feed, or starts with + - @ and contains a ( | or !, each in half or full width",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn auto_guards_only_formulas() {
        for text in [
            "=1",
            "=cmd|'/c calc'!A1",
            "\tx",
            "\rx",
            "\t",
            "+1+cmd|' /C calc'!A0",
            "-2+3+cmd|'x'",
            "@SUM(1)",
            "'=1",
            "''=1",
            "\n=1",
            "\n",
            "'\n",
            "＝1",
            "＋1｜x",
            "－2（3）",
            "＠SUM(1)",
            "'＝1",
        ] {
            assert!(is_guarded(FormulaGuard::Auto, text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "=",
            "'",
            "'=",
            "+44",
            "-M-",
            "@",
            "- (",
            "'tis",
            " =1",
            "a=1(",
            "\u{feff}=1",
            "＝",
            "＋44",
            "－M－",
            "＠",
            "。(!",
        ] {
            let expected = text == "- (";
            assert_eq!(is_guarded(FormulaGuard::Auto, text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn all_guards_every_leading_trigger() {
        for text in ["=", "+44", "-M-", "@home", "\t", "'+44", "\n", "＝", "＋44", "'－M－", "＠home"] {
            assert!(is_guarded(FormulaGuard::All, text.as_bytes()), "{text}");
        }
        assert!(!is_guarded(FormulaGuard::All, b"'tis"));
    }

    proptest! {
        #[test]
        fn undoing_is_exact_for_every_text(text in "['=+@a(|!\\-\t\r\n＝＋－＠（]{0,6}") {
            for guard in [FormulaGuard::Auto, FormulaGuard::All, FormulaGuard::Off] {
                let cell = if is_guarded(guard, text.as_bytes()) { format!("'{text}") } else { text.clone() };
                prop_assert_eq!(unguard(guard, &cell), text.as_str());
            }
        }
    }
}
