//! The formula guard. A spreadsheet runs every cell that looks like a formula, and
//! anyone can name a playlist `=HYPERLINK(…)`.
//!
//! A guarded cell gets a leading `'`. A text that already looks like a guarded
//! cell is guarded as well, so that [`FormulaGuard::undo`] always returns the original text.

/// Which text cells are guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// Texts that a spreadsheet would run: a leading `=` with more text, a leading tab or return, or a leading `+ - @`
    /// and somewhere a `(`, `|` or `!`. The artists `+44` and `-M-` are not changed.
    #[default]
    Auto,
    /// Every text that starts with `= + - @`, a tab or a return.
    All,
    /// No text, for files that only programs read.
    Off,
}

impl Guard {
    /// The name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Guard::Auto => "auto",
            Guard::All => "all",
            Guard::Off => "off",
        }
    }

    /// Whether this text gets a leading `'`.
    pub fn applies(self, text: &[u8]) -> bool {
        match text.first() {
            Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\'') => self.looks_behind(text),
            _ => false,
        }
    }

    fn looks_behind(self, text: &[u8]) -> bool {
        let bare = &text[text.iter().take_while(|b| **b == b'\'').count()..];
        match (self, bare.first()) {
            (Guard::Off, _) | (_, None) => false,
            (_, Some(b'\t' | b'\r')) => true,
            (Guard::All, Some(first)) => b"=+-@".contains(first),
            (Guard::Auto, Some(b'=')) => bare.len() > 1,
            (Guard::Auto, Some(b'+' | b'-' | b'@')) => bare.iter().any(|b| b"(|!".contains(b)),
            _ => false,
        }
    }

    /// The original text of a cell that was written with this guard.
    pub fn undo(self, cell: &str) -> &str {
        match cell.strip_prefix('\'') {
            Some(text) if self.applies(text.as_bytes()) => text,
            _ => cell,
        }
    }

    /// Instructions for undoing the guard, for the data package.
    pub fn undo_rule(self) -> Option<&'static str> {
        match self {
            Guard::Off => None,
            Guard::All => {
                Some("remove one leading ' if the rest, after any further ', starts with = + - @, a tab or a return")
            }
            Guard::Auto => Some(
                "remove one leading ' if the rest, after any further ', is = with more text after it, starts with a \
                 tab or a return, or starts with + - @ and contains a ( | or !",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn auto_guards_what_a_spreadsheet_would_run_and_nothing_else() {
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
            assert!(Guard::Auto.applies(text.as_bytes()), "{text}");
        }
        for text in ["", "=", "'", "'=", "+44", "-M-", "@", "- (", "'tis", " =1", "a=1(", "\u{feff}=1", "\n=1"] {
            let expected = text == "- (";
            assert_eq!(Guard::Auto.applies(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn all_guards_whatever_begins_with_a_trigger() {
        for text in ["=", "+44", "-M-", "@home", "\t", "'+44"] {
            assert!(Guard::All.applies(text.as_bytes()), "{text}");
        }
        assert!(!Guard::All.applies(b"'tis"));
    }

    proptest! {
        #[test]
        fn undoing_is_exact_for_every_text(text in "['=+@a(|!\\-\t\r]{0,6}") {
            for guard in [Guard::Auto, Guard::All, Guard::Off] {
                let cell = if guard.applies(text.as_bytes()) { format!("'{text}") } else { text.clone() };
                prop_assert_eq!(guard.undo(&cell), text.as_str());
            }
        }
    }
}
