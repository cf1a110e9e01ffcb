//! The style of a CSV file: profiles, and options that override a profile.

use super::guard::Guard;
use crate::store::views::ListStyle;

/// A named set of choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// For pandas, R, DuckDB and people: comma, `\n`, no BOM, times as stored.
    #[default]
    Plain,
    /// For Excel where the list separator of Windows is a comma.
    Excel,
    /// For Excel where it is a semicolon, as in most of Europe.
    ExcelSemicolon,
    /// Columns as watsonbox/exportify names them.
    Exportify,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Profile; 4] = [Profile::Plain, Profile::Excel, Profile::ExcelSemicolon, Profile::Exportify];

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Plain => "plain",
            Profile::Excel => "excel",
            Profile::ExcelSemicolon => "excel-semicolon",
            Profile::Exportify => "exportify",
        }
    }
}

/// What ends a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnding {
    /// `\n`
    Lf,
    /// `\r\n`
    CrLf,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFormat {
    /// As stored: `2026-01-02T03:04:05Z`.
    Iso,
    /// `2026-01-02 03:04:05`, UTC, whole seconds: what a spreadsheet takes for a time in any locale.
    Spreadsheet,
}

/// The complete style of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvStyle {
    /// The profile that the other options start from. `exportify` also decides the columns.
    pub profile: Profile,
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
    pub formula_guard: Guard,
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
    pub fn for_profile(profile: Profile) -> CsvStyle {
        let plain = CsvStyle {
            profile,
            bom: false,
            delimiter: b',',
            line_ending: LineEnding::Lf,
            list_separator: "; ".into(),
            null: String::new(),
            time_format: TimeFormat::Iso,
            formula_guard: Guard::Auto,
        };
        let excel = CsvStyle {
            bom: true,
            line_ending: LineEnding::CrLf,
            time_format: TimeFormat::Spreadsheet,
            formula_guard: Guard::All,
            ..plain.clone()
        };
        match profile {
            Profile::Plain => plain,
            Profile::Excel => excel,
            Profile::ExcelSemicolon => CsvStyle { delimiter: b';', ..excel },
            Profile::Exportify => CsvStyle { list_separator: ", ".into(), ..plain },
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
        ListStyle { separator: self.list_separator.clone(), escape_commas: self.profile == Profile::Exportify }
    }
}

impl Default for CsvStyle {
    fn default() -> Self {
        CsvStyle::for_profile(Profile::Plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_can_be_read_back() {
        for profile in Profile::ALL {
            assert_eq!(CsvStyle::for_profile(profile).check(), Ok(()));
        }
    }

    #[test]
    fn choices_that_cannot_be_read_back_are_refused() {
        for null in ["a,b", "\"", "\n", "1", "true", "1e3"] {
            assert!(CsvStyle { null: null.into(), ..CsvStyle::default() }.check().is_err(), "{null}");
        }
        for null in ["", "NA", "\\N", "NULL", "NaN"] {
            assert!(CsvStyle { null: null.into(), ..CsvStyle::default() }.check().is_ok(), "{null}");
        }
        assert!(CsvStyle { delimiter: b'"', ..CsvStyle::default() }.check().is_err());
    }
}
