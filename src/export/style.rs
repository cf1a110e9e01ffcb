//! The style of a CSV file: profiles, and options that override a profile.

use crate::settings::{CsvOptions, CsvProfile, FormulaGuard, LineEnding, TimeFormat};
use crate::store::views::ListStyle;

/// Separates the values of a list in SQL until they are written as a list. No name or code contains this control character.
pub(super) const LIST_SEPARATOR: &str = "\u{1f}";

/// The complete style of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvStyle {
    /// The profile that the other options start from. `exportify` also decides the columns.
    pub profile: CsvProfile,
    /// Whether the file starts with a byte order mark, which Excel needs to recognize UTF-8.
    pub bom: bool,
    /// The separator of cells.
    pub delimiter: u8,
    /// The end of a row.
    pub line_ending: LineEnding,
    /// The separator of the values of a list.
    pub list_separator: String,
    /// The text for null, without quotes. Empty by default; the empty string is `""`.
    pub null: String,
    /// The format of times.
    pub time_format: TimeFormat,
    /// Which text cells are guarded.
    pub formula_guard: FormulaGuard,
}

/// An option that would produce a file that cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsvStyleError {
    /// The character is not a valid delimiter.
    #[error("delimiter {0:?} is not a comma, a semicolon, a tab or |")]
    Delimiter(char),
    /// The text would end a cell or a row, or looks like a value.
    #[error("null {0:?} must consist of letters, digits, _ or \\ (and must not be a number, true or false)")]
    Null(String),
    /// Lists could not be split again.
    #[error("list_separator must not be empty")]
    ListSeparator,
}

impl CsvStyle {
    /// The style of a profile.
    pub fn for_profile(profile: CsvProfile) -> CsvStyle {
        let plain = CsvStyle {
            profile,
            bom: false,
            delimiter: b',',
            line_ending: LineEnding::Lf,
            list_separator: "; ".into(),
            null: String::new(),
            time_format: TimeFormat::Iso,
            formula_guard: FormulaGuard::Auto,
        };
        let excel = CsvStyle {
            bom: true,
            line_ending: LineEnding::Crlf,
            time_format: TimeFormat::Spreadsheet,
            formula_guard: FormulaGuard::All,
            ..plain.clone()
        };
        match profile {
            CsvProfile::Plain => plain,
            CsvProfile::Excel => excel,
            CsvProfile::ExcelSemicolon => CsvStyle { delimiter: b';', ..excel },
            CsvProfile::Exportify => CsvStyle { list_separator: ", ".into(), ..plain },
        }
    }

    /// The style of values in files that have types, such as JSON Lines: everything as the store has it.
    pub(super) fn typed() -> CsvStyle {
        CsvStyle {
            list_separator: LIST_SEPARATOR.into(),
            formula_guard: FormulaGuard::Off,
            ..CsvStyle::for_profile(CsvProfile::Plain)
        }
    }

    /// The style for some options. A missing option follows the profile.
    pub fn from_options(options: &CsvOptions) -> CsvStyle {
        let style = CsvStyle::for_profile(options.profile.unwrap_or_default());
        CsvStyle {
            profile: style.profile,
            bom: options.bom.unwrap_or(style.bom),
            delimiter: options.delimiter.and_then(|c| u8::try_from(c).ok()).unwrap_or(style.delimiter),
            line_ending: options.line_ending.unwrap_or(style.line_ending),
            list_separator: options.list_separator.clone().unwrap_or(style.list_separator),
            null: options.null.clone().unwrap_or(style.null),
            time_format: options.time_format.unwrap_or(style.time_format),
            formula_guard: options.formula_guard.unwrap_or(style.formula_guard),
        }
    }

    /// Checks that files in this style can be read back.
    ///
    /// # Errors
    /// The first option that is not valid.
    pub fn check(&self) -> Result<(), CsvStyleError> {
        if !b",;\t|".contains(&self.delimiter) {
            return Err(CsvStyleError::Delimiter(self.delimiter.into()));
        }
        let word = self.null.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'\\');
        let value =
            self.null.parse::<f64>().is_ok_and(|n| !n.is_nan()) || ["true", "false"].contains(&self.null.as_str());
        if !word || value {
            return Err(CsvStyleError::Null(self.null.clone()));
        }
        if self.list_separator.is_empty() {
            return Err(CsvStyleError::ListSeparator);
        }
        Ok(())
    }

    pub(super) fn lists(&self) -> ListStyle {
        ListStyle { separator: self.list_separator.clone(), escape_commas: self.profile == CsvProfile::Exportify }
    }
}

impl Default for CsvStyle {
    fn default() -> Self {
        CsvStyle::for_profile(CsvProfile::Plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_can_be_read_back() {
        for profile in CsvProfile::ALL {
            assert_eq!(CsvStyle::for_profile(profile).check(), Ok(()));
        }
    }

    #[test]
    fn ambiguous_styles_are_refused() {
        for null in ["a,b", "\"", "\n", "1", "true", "1e3"] {
            assert!(CsvStyle { null: null.into(), ..CsvStyle::default() }.check().is_err(), "{null}");
        }
        for null in ["", "NA", "\\N", "NULL", "NaN"] {
            assert!(CsvStyle { null: null.into(), ..CsvStyle::default() }.check().is_ok(), "{null}");
        }
        assert!(CsvStyle { delimiter: b'"', ..CsvStyle::default() }.check().is_err());
    }
}
