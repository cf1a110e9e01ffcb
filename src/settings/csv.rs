//! The section `[csv]` of the settings and `[csv_options]` of a job, which have the same keys.

use serde::Deserialize;

/// A set of choices about CSVs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CsvProfile {
    /// No BOM, comma, `\n`.
    Plain,
    /// BOM, comma, `\r\n`.
    Excel,
    /// BOM, semicolon, `\r\n`.
    ExcelSemicolon,
    /// The columns of watsonbox/exportify.
    Exportify,
}

/// How lines end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineEnding {
    /// `\n`
    Lf,
    /// `\r\n`
    Crlf,
}

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeFormat {
    /// `2026-11-23T06:15:00Z`
    Iso,
    /// `2026-11-23 06:15:00`, which spreadsheets recognise.
    Spreadsheet,
}

/// Which cells get a leading apostrophe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormulaGuard {
    /// Those that a spreadsheet would run.
    Auto,
    /// All that begin like a formula.
    All,
    /// None.
    Off,
}

/// `[csv]` of the settings, or `[csv_options]` of a job. A missing value follows the profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CsvOptions {
    /// A set of choices.
    pub profile: Option<CsvProfile>,
    /// Byte order mark.
    pub bom: Option<bool>,
    /// One character between cells.
    pub delimiter: Option<char>,
    /// End of a line.
    pub line_ending: Option<LineEnding>,
    /// Between the parts of a list.
    pub list_separator: Option<String>,
    /// What stands for null.
    pub null: Option<String>,
    /// How times are written.
    pub time_format: Option<TimeFormat>,
    /// Guard against formulas.
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
