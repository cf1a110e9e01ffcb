//! The first sheet of a workbook: what it shows, as of when, and what did not fit.

use chrono::{DateTime, Utc};
use rust_xlsxwriter::{Format, FormatAlign, Worksheet};

use super::sheet::{MOST_ROWS, SheetColumn, SheetLosses};
use super::{JobWorkbook, WorkbookSheet, failed};
use crate::export::outcome::PackageRunState;
use crate::export::render::RenderError;

/// A sheet of the workbook.
pub(super) struct AboutSheet<'a> {
    pub name: String,
    pub sheet: &'a WorkbookSheet<'a>,
    pub columns: Vec<SheetColumn>,
    pub rows: u64,
    /// Whether the sheet has the rows.
    pub is_shown: bool,
    pub losses: SheetLosses,
}

/// What a sheet says in place of rows.
pub(super) fn why_no_rows(sheet: &WorkbookSheet<'_>, rows: u64) -> String {
    let elsewhere = match &sheet.file {
        Some(file) => format!("They are in {file}."),
        None => "Give the fetch or query a file, such as csv = true, to get them.".to_owned(),
    };
    match rows {
        0 => "Nothing was read for this sheet yet.".to_owned(),
        _ => format!("These {rows} rows are more than the {MOST_ROWS} that a sheet can have. {elsewhere}"),
    }
}

impl AboutSheet<'_> {
    fn notes(&self) -> String {
        let SheetLosses { plain_links, cut, nul } = self.losses;
        let of = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
        let notes = [
            (!self.is_shown).then(|| why_no_rows(self.sheet, self.rows)),
            of(plain_links, "addresses are plain text, because a sheet can have 65,530 links."),
            of(cut, "cells are cut off, because a cell can have 32,767 characters. The files have the whole texts."),
            of(nul, "cells had NUL characters, which a workbook cannot have; they are U+FFFD here."),
        ];
        notes.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// Writes the sheet.
pub(super) fn write_about(
    sheet: &mut Worksheet,
    shown: &JobWorkbook<'_>,
    started: DateTime<Utc>,
    sheets: &[AboutSheet<'_>],
) -> Result<(), RenderError> {
    for (column, width) in [(0, 22.0), (1, 26.0), (2, 24.0), (3, 60.0), (4, 60.0)] {
        sheet.set_column_width(column, width).map_err(failed)?;
    }
    let mut page =
        AboutPage { sheet, row: 0, bold: Format::new().set_bold(), title: Format::new().set_bold().set_font_size(16) };
    page.title(&shown.job.name)?;
    if let Some(description) = &shown.job.description {
        page.line(&[description])?;
    }
    page.row += 1;
    let state = PackageRunState::from_run(shown.state).name();
    if !shown.user.is_empty() {
        page.fact("user", shown.user)?;
    }
    page.fact("as of", &started.format("%Y-%m-%d %H:%M:%S UTC").to_string())?;
    page.number("run", shown.run)?;
    page.fact("state", state)?;
    for reason in shown.reasons {
        page.fact("reason", reason)?;
    }
    page.fact("times", "UTC")?;
    page.link("data from", "https://open.spotify.com/", "Spotify")?;
    page.fact("written by", concat!("cratedigger ", env!("CARGO_PKG_VERSION")))?;
    page.row += 1;
    page.heads(&["sheet", "rows", "same rows in", "one row is", "note"])?;
    for about in sheets {
        let row = page.row;
        // The name of a sheet contains no quote.
        page.link_to_sheet(&about.name)?;
        page.count(row, 1, about.rows)?;
        page.text(row, 2, about.sheet.file.as_deref().unwrap_or_default())?;
        page.text(row, 3, &about.sheet.title)?;
        page.text(row, 4, &about.notes())?;
        page.row += 1;
    }
    page.row += 1;
    page.heads(&["sheet", "column", "type", "meaning"])?;
    for about in sheets {
        for column in &about.columns {
            page.line(&[&about.name, &column.header, column.type_name(), &column.about])?;
        }
    }
    Ok(())
}

/// The sheet and the row that is written next.
struct AboutPage<'s> {
    sheet: &'s mut Worksheet,
    row: u32,
    bold: Format,
    title: Format,
}

impl AboutPage<'_> {
    fn title(&mut self, text: &str) -> Result<(), RenderError> {
        self.sheet.write_string_with_format(self.row, 0, text, &self.title).map_err(failed)?;
        self.row += 1;
        Ok(())
    }

    fn text(&mut self, row: u32, column: u16, text: &str) -> Result<(), RenderError> {
        // A description or a reason is never that long.
        let text: String = text.replace('\0', "\u{fffd}").chars().take(10_000).collect();
        self.sheet.write_string(row, column, text).map(drop).map_err(failed)
    }

    #[expect(clippy::cast_precision_loss, reason = "no file has 2^53 rows")]
    fn count(&mut self, row: u32, column: u16, count: u64) -> Result<(), RenderError> {
        self.sheet.write_number(row, column, count as f64).map(drop).map_err(failed)
    }

    fn label(&mut self, label: &str) -> Result<(), RenderError> {
        self.sheet.write_string_with_format(self.row, 0, label, &self.bold).map(drop).map_err(failed)
    }

    fn fact(&mut self, label: &str, text: &str) -> Result<(), RenderError> {
        self.label(label)?;
        self.text(self.row, 1, text)?;
        self.row += 1;
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "no store has 2^53 runs")]
    fn number(&mut self, label: &str, number: i64) -> Result<(), RenderError> {
        self.label(label)?;
        let left = Format::new().set_align(FormatAlign::Left);
        self.sheet.write_number_with_format(self.row, 1, number as f64, &left).map_err(failed)?;
        self.row += 1;
        Ok(())
    }

    fn link(&mut self, label: &str, url: &str, text: &str) -> Result<(), RenderError> {
        self.label(label)?;
        self.sheet.write_url_with_text(self.row, 1, url, text).map_err(failed)?;
        self.row += 1;
        Ok(())
    }

    fn link_to_sheet(&mut self, name: &str) -> Result<(), RenderError> {
        let url = format!("internal:'{name}'!A1");
        self.sheet.write_url_with_text(self.row, 0, url.as_str(), name).map(drop).map_err(failed)
    }

    fn heads(&mut self, names: &[&str]) -> Result<(), RenderError> {
        for (column, name) in (0..).zip(names) {
            self.sheet.write_string_with_format(self.row, column, *name, &self.bold).map_err(failed)?;
        }
        self.row += 1;
        Ok(())
    }

    fn line(&mut self, texts: &[&str]) -> Result<(), RenderError> {
        for (column, text) in (0..).zip(texts) {
            self.text(self.row, column, text)?;
        }
        self.row += 1;
        Ok(())
    }
}
