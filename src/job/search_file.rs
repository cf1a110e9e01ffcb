//! The expressions of a search: `query`, `queries`, or a `queries_file` with a template.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_128;

use super::csv_file::{CsvFault, CsvFile, InputRow, TextEncoding};
use super::id_column::column_hint;
use super::read::JobContext;
use crate::document::{Diagnostic, DocumentChecker, TableValues, quote, texts};

/// Spotify does not document a limit for `q`, but it refused longer expressions.
const MAX_CHARACTERS: usize = 250;

/// Most memory of the searches of one file. A template makes them longer than the file.
const MAX_BYTES: usize = 64 << 20;

/// Reads the searches of a fetch in the order of the file, without duplicates.
pub(super) fn read_searches(
    values: &TableValues<'_, '_>,
    context: &JobContext<'_>,
    checker: &mut DocumentChecker<'_>,
) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    if values.entry("queries_file").is_some() {
        if let Some(name) = values.text("queries_file") {
            found = searches_in_file(name, values, context, checker);
        }
    } else if let Some(query) = values.text("query") {
        found.push(query.to_owned());
    }
    if let Some(value) = values.get("queries") {
        found.extend(texts(value).into_iter().map(|(text, _)| text.to_owned()));
    }
    if let Some(long) = found.iter().find(|q| q.chars().count() > MAX_CHARACTERS) {
        let at = ["query", "queries", "queries_file"].iter().find_map(|k| values.entry(k));
        if let Some(entry) = at {
            checker.report(
                entry.value.span(),
                &format!("fetch.{}", entry.key.name),
                format!("a search may have at most {MAX_CHARACTERS} characters: {}", quote(long)),
            );
        }
    }
    let mut seen = HashSet::new();
    found.retain(|query| seen.insert(xxh3_128(query.as_bytes())));
    found.shrink_to_fit();
    found
}

fn searches_in_file(
    name: &str,
    values: &TableValues<'_, '_>,
    context: &JobContext<'_>,
    checker: &mut DocumentChecker<'_>,
) -> Vec<String> {
    let Some(at) = values.entry("queries_file").map(|e| e.value.span()) else { return Vec::new() };
    let mut report = |fault: CsvFault| {
        let place = if fault.line == 0 { String::new() } else { format!(" line {}", fault.line) };
        let message = format!("{}{place} {}", quote(name), fault.why);
        checker.report(at.clone(), "fetch.queries_file", message).hint = fault.hint;
    };
    let Ok(file) = CsvFile::read(context.dir, name, TextEncoding::Unicode).map_err(&mut report) else {
        return Vec::new();
    };
    let template = values.entry("query").and_then(|e| Some((values.text("query")?, e.value.span())));
    let mut searches = FileSearches::default();
    let read = file.for_each_row(|row| {
        searches.add(&row.cells, row.line, template.as_ref().map(|(text, _)| *text));
        if searches.bytes > MAX_BYTES {
            let why =
                format!("brings the searches to more than {} MiB, which is the limit for a file", MAX_BYTES >> 20);
            let hint = Some("divide the file, and use a job for each part".to_owned());
            return Err(CsvFault { line: row.line, why, hint });
        }
        Ok(())
    });
    let within = |()| context.inputs.add(searches.bytes).map_err(|why| CsvFault { line: 0, why, hint: None });
    if read.and_then(within).map_err(&mut report).is_err() {
        return Vec::new();
    }
    if searches.rows == 0 {
        checker.report(at, "fetch.queries_file", format!("{} is empty", quote(name)));
        return Vec::new();
    }
    if let (Some(Err((message, hint))), Some((_, span))) = (searches.template, &template) {
        checker.report(span.clone(), "fetch.query", message).hint = hint;
        return Vec::new();
    } else if template.is_some() && searches.rows == 1 {
        checker.report(at, "fetch.queries_file", format!("{} contains a header but no rows", quote(name)));
    }
    if searches.empty > 0 {
        let message = format!("{} rows are empty in a column that the template uses", searches.empty);
        let mut problem = Diagnostic::for_file(name, message).for_key("fetch.queries_file").as_warning();
        problem.line = Some(searches.first_empty);
        checker.problems.push(problem.with_hint("these rows are skipped"));
    }
    searches.found
}

/// The searches in a file, as far as its rows were read.
#[derive(Default)]
pub(super) struct FileSearches {
    rows: usize,
    found: Vec<String>,
    /// The hashes of `found`, and the memory that it uses.
    seen: HashSet<u128>,
    bytes: usize,
    /// Number of rows without a value that the template uses, and the line of the first.
    empty: usize,
    first_empty: usize,
    /// The template with the columns of this file, once the header is known.
    template: Option<Result<Vec<TemplatePart>, TemplateError>>,
    /// Without a template: the column `query`, else the first column, which then has no header.
    column: usize,
}

impl FileSearches {
    /// Whether the first row of a file is a header.
    pub(super) fn has_header(first: &[String], template: Option<&str>) -> bool {
        template.is_some() || first.iter().any(|cell| is_query_column(cell))
    }

    /// The search of the next row; none if it has none.
    pub(super) fn of_row(&mut self, row: &InputRow<'_>, template: Option<&str>) -> Option<String> {
        // A row that repeats an earlier search has it, too.
        self.seen.clear();
        self.add(&row.cells, row.line, template);
        self.found.pop()
    }

    fn add(&mut self, cells: &[&str], line: usize, template: Option<&str>) {
        self.rows += 1;
        if self.rows == 1 {
            self.template = template.map(|template| parse_template(template, cells));
            let named = cells.iter().position(|cell| is_query_column(cell));
            self.column = named.unwrap_or(0);
            if template.is_some() || named.is_some() {
                return;
            }
        }
        match &self.template {
            None => {
                let cell = cells.get(self.column).filter(|cell| !cell.is_empty());
                if let Some(cell) = cell {
                    self.push(cut(cell));
                }
            }
            Some(Ok(parts)) => match fill_template(parts, cells) {
                Some(query) => self.push(&query),
                None => {
                    self.empty += 1;
                    if self.empty == 1 {
                        self.first_empty = line;
                    }
                }
            },
            Some(Err(_)) => {}
        }
    }

    /// Adds a search unless an earlier row is the same.
    fn push(&mut self, query: &str) {
        if self.seen.insert(xxh3_128(query.as_bytes())) {
            self.bytes += size_of::<String>() + query.len();
            self.found.push(query.to_owned());
        }
    }
}

fn is_query_column(name: &str) -> bool {
    name.eq_ignore_ascii_case("query")
}

/// The beginning of a search. It has one character too many if the whole search is too long, which is reported later.
fn cut(query: &str) -> &str {
    query.char_indices().nth(MAX_CHARACTERS + 1).map_or(query, |(end, _)| &query[..end])
}

enum TemplatePart {
    Text(String),
    Column(usize),
}

type TemplateError = (String, Option<String>);

/// The parts of a template: text, and columns in braces.
fn parse_template(template: &str, header: &[&str]) -> Result<Vec<TemplatePart>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        parts.push(TemplatePart::Text(before.to_owned()));
        let (name, behind) = after.split_once('}').ok_or_else(|| ("a brace is not closed".to_owned(), None))?;
        let column = header.iter().position(|cell| cell.eq_ignore_ascii_case(name.trim())).ok_or_else(|| {
            (format!("the file has no column {}", quote(name)), Some(column_hint(name, header.iter().copied())))
        })?;
        parts.push(TemplatePart::Column(column));
        rest = behind;
    }
    parts.push(TemplatePart::Text(rest.to_owned()));
    if parts.iter().any(|part| matches!(part, TemplatePart::Column(_))) {
        Ok(parts)
    } else {
        let example = header.first().copied().unwrap_or("isrc");
        Err(("the template uses no column of the file".to_owned(), Some(format!("write \"…{{{example}}}…\""))))
    }
}

fn fill_template(parts: &[TemplatePart], cells: &[&str]) -> Option<String> {
    let mut out = String::new();
    for part in parts {
        let text = match part {
            TemplatePart::Text(text) => text.as_str(),
            TemplatePart::Column(column) => cells.get(*column).filter(|cell| !cell.is_empty())?,
        };
        // A template can name a column a thousand times.
        out.push_str(cut(text));
        out.truncate(cut(&out).len());
    }
    Some(out)
}
