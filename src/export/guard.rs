//! The formula guard. A spreadsheet runs every cell that looks like a formula, and
//! anyone can name a playlist `=HYPERLINK(…)`.
//!
//! A guarded cell gets a leading `'`. A text that already looks like a guarded
//! cell is guarded as well, so that [`unguard`] always returns the original text.

use crate::settings::FormulaGuard;

/// Whether this text gets a leading `'`.
pub fn is_guarded(guard: FormulaGuard, text: &[u8]) -> bool {
    if !matches!(text.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\'')) {
        return false;
    }
    let bare = &text[text.iter().take_while(|b| **b == b'\'').count()..];
    match (guard, bare.first()) {
        (FormulaGuard::Off, _) | (_, None) => false,
        (_, Some(b'\t' | b'\r')) => true,
        (FormulaGuard::All, Some(first)) => b"=+-@".contains(first),
        (FormulaGuard::Auto, Some(b'=')) => bare.len() > 1,
        (FormulaGuard::Auto, Some(b'+' | b'-' | b'@')) => bare.iter().any(|b| b"(|!".contains(b)),
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
        FormulaGuard::All => {
            Some("remove one leading ' if the rest, after any further ', starts with = + - @, a tab or a return")
        }
        FormulaGuard::Auto => Some(
            "remove one leading ' if the rest, after any further ', is = with more text after it, starts with a \
             tab or a return, or starts with + - @ and contains a ( | or !",
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
        ] {
            assert!(is_guarded(FormulaGuard::Auto, text.as_bytes()), "{text}");
        }
        for text in ["", "=", "'", "'=", "+44", "-M-", "@", "- (", "'tis", " =1", "a=1(", "\u{feff}=1", "\n=1"] {
            let expected = text == "- (";
            assert_eq!(is_guarded(FormulaGuard::Auto, text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn all_guards_every_leading_trigger() {
        for text in ["=", "+44", "-M-", "@home", "\t", "'+44"] {
            assert!(is_guarded(FormulaGuard::All, text.as_bytes()), "{text}");
        }
        assert!(!is_guarded(FormulaGuard::All, b"'tis"));
    }

    proptest! {
        #[test]
        fn undoing_is_exact_for_every_text(text in "['=+@a(|!\\-\t\r]{0,6}") {
            for guard in [FormulaGuard::Auto, FormulaGuard::All, FormulaGuard::Off] {
                let cell = if is_guarded(guard, text.as_bytes()) { format!("'{text}") } else { text.clone() };
                prop_assert_eq!(unguard(guard, &cell), text.as_str());
            }
        }
    }
}
