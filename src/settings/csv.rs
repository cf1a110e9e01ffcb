//! The section `[csv]` of the settings and `[csv_options]` of a job, which have the same keys.

use serde::Deserialize;

/// A preset for the style of CSV files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CsvProfile {
    /// For pandas, R, DuckDB and people: comma, `\n`, no byte order mark, times as stored.
    #[default]
    Plain,
    /// For Excel on systems with a comma as the list separator.
    Excel,
    /// For Excel on systems with a semicolon as the list separator, as in most of Europe.
    ExcelSemicolon,
    /// The columns of watsonbox/exportify.
    Exportify,
}

impl CsvProfile {
    /// Every profile.
    pub const ALL: [CsvProfile; 4] =
        [CsvProfile::Plain, CsvProfile::Excel, CsvProfile::ExcelSemicolon, CsvProfile::Exportify];

    /// The name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            CsvProfile::Plain => "plain",
            CsvProfile::Excel => "excel",
            CsvProfile::ExcelSemicolon => "excel-semicolon",
            CsvProfile::Exportify => "exportify",
        }
    }
}

/// The end of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineEnding {
    /// `\n`
    Lf,
    /// `\r\n`
    Crlf,
}

/// The format of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeFormat {
    /// As stored: `2026-01-02T03:04:05Z`.
    Iso,
    /// `2026-01-02 03:04:05` in UTC and whole seconds, which spreadsheets recognize in any locale.
    Spreadsheet,
}

/// Which text cells get a leading apostrophe; see `export::guard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormulaGuard {
    /// Texts that a spreadsheet would run: a leading `=` with more text, a leading tab or return, or a leading `+ - @`
    /// and somewhere a `(`, `|` or `!`. The artists `+44` and `-M-` are not changed.
    #[default]
    Auto,
    /// Every text that starts with `= + - @`, a tab or a return.
    All,
    /// No text, for files that only programs read.
    Off,
}

impl FormulaGuard {
    /// The name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            FormulaGuard::Auto => "auto",
            FormulaGuard::All => "all",
            FormulaGuard::Off => "off",
        }
    }
}

/// `[csv]` of the settings, or `[csv_options]` of a job. A missing value follows the profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CsvOptions {
    /// The preset.
    pub profile: Option<CsvProfile>,
    /// Whether the file starts with a byte order mark.
    pub bom: Option<bool>,
    /// The separator of cells.
    pub delimiter: Option<char>,
    /// The end of a row.
    pub line_ending: Option<LineEnding>,
    /// The separator of the values of a list.
    pub list_separator: Option<String>,
    /// The text for null.
    pub null: Option<String>,
    /// The format of times.
    pub time_format: Option<TimeFormat>,
    /// Which text cells are guarded.
    pub formula_guard: Option<FormulaGuard>,
}

impl CsvOptions {
    /// These options, with the missing ones from `below`. If these options name a profile, then
    /// `below` is ignored: its options were chosen for another profile.
    #[must_use]
    pub fn layered_over(&self, below: &CsvOptions) -> CsvOptions {
        let other = CsvOptions::default();
        let below = if self.profile.is_some() { &other } else { below };
        CsvOptions {
            profile: self.profile.or(below.profile),
            bom: self.bom.or(below.bom),
            delimiter: self.delimiter.or(below.delimiter),
            line_ending: self.line_ending.or(below.line_ending),
            list_separator: self.list_separator.clone().or_else(|| below.list_separator.clone()),
            null: self.null.clone().or_else(|| below.null.clone()),
            time_format: self.time_format.or(below.time_format),
            formula_guard: self.formula_guard.or(below.formula_guard),
        }
    }
}
