//! How a CSV is written: profiles, and the single choices that override one.

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

/// Every choice about how a CSV is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvStyle {
    /// Where the other choices came from; `exportify` also decides the columns.
    pub profile: Profile,
    /// Begin with a byte order mark, which Excel needs to see that a file is UTF-8.
    pub bom: bool,
    /// Between two cells.
    pub delimiter: u8,
    /// Between two rows.
    pub line_ending: LineEnding,
    /// Between two values of a list.
    pub list_separator: String,
    /// What stands for null, unquoted; empty by default, unlike the empty string, which is `""`.
    pub null: String,
    /// How times are written.
    pub time_format: TimeFormat,
    /// Which cells are guarded.
    pub formula_guard: Guard,
}

/// A choice that would make a file which cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsvStyleError {
    /// Not one of the delimiters.
    #[error("delimiter {0:?} is none of: comma, semicolon, tab, |")]
    Delimiter(char),
    /// Would end a cell or a row, or looks like a value.
    #[error("null {0:?} must be letters, digits, _ or \\ (not a number, true or false)")]
    Null(String),
    /// Lists could not be split again.
    #[error("list_separator must not be empty")]
    ListSeparator,
}

impl CsvStyle {
    /// The choices of a profile.
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

    /// Refuses choices that would make a file which cannot be read back.
    ///
    /// # Errors
    /// The first such choice.
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
