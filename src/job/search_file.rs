//! The expressions of a search: `query`, `queries`, or a `queries_file` with a template.

use std::path::Path;

use super::csv_file::{InputRow, TextEncoding, read_rows};
use crate::document::{Diagnostic, DocumentChecker, TableValues, nearest, or_list, quote, texts};

/// Spotify does not document a limit for `q`, but it refused longer expressions.
const MAX_CHARACTERS: usize = 250;

/// Reads the searches of a fetch in the order of the file, without duplicates.
pub(super) fn read_searches(
    values: &TableValues<'_, '_>,
    dir: &Path,
    checker: &mut DocumentChecker<'_>,
) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    if values.entry("queries_file").is_some() {
        if let Some(name) = values.text("queries_file") {
            found = searches_in_file(name, values, dir, checker);
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
    let mut seen = std::collections::HashSet::new();
    found.retain(|query| seen.insert(query.clone()));
    found
}

fn searches_in_file(
    name: &str,
    values: &TableValues<'_, '_>,
    dir: &Path,
    checker: &mut DocumentChecker<'_>,
) -> Vec<String> {
    let Some(at) = values.entry("queries_file").map(|e| e.value.span()) else { return Vec::new() };
    let path = dir.join(name);
    let rows = match read_rows(&path, TextEncoding::Unicode) {
        Ok(rows) => rows,
        Err((line, why)) => {
            let place = if line == 0 { String::new() } else { format!(" line {line}") };
            let problem = checker.report(at, "fetch.queries_file", format!("{}{place} {why}", quote(name)));
            problem.hint = Some(format!("the program looks for the file at {}", path.display()));
            return Vec::new();
        }
    };
    let Some((header, data)) = rows.split_first() else {
        checker.report(at, "fetch.queries_file", format!("{} is empty", quote(name)));
        return Vec::new();
    };
    let template = values.entry("query").and_then(|e| Some((values.text("query")?, e.value.span())));
    let Some((template, span)) = template else {
        return plain_column(header, data, &rows);
    };
    let parts = match parse_template(template, &header.cells) {
        Ok(parts) => parts,
        Err((message, hint)) => {
            checker.report(span, "fetch.query", message).hint = hint;
            return Vec::new();
        }
    };
    if data.is_empty() {
        checker.report(at, "fetch.queries_file", format!("{} contains a header but no rows", quote(name)));
    }
    let (mut found, mut empty) = (Vec::new(), Vec::new());
    for row in data {
        match fill_template(&parts, row) {
            Some(query) => found.push(query),
            None => empty.push(row.line),
        }
    }
    if let Some(first) = empty.first() {
        let mut problem =
            Diagnostic::for_file(name, format!("{} rows are empty in a column that the template uses", empty.len()))
                .for_key("fetch.queries_file")
                .as_warning();
        problem.line = Some(*first);
        checker.problems.push(problem.with_hint("these rows are skipped"));
    }
    found
}

/// Reads a file without a template: the column `query`, else the first column, which then has no header.
fn plain_column(header: &InputRow, data: &[InputRow], all: &[InputRow]) -> Vec<String> {
    let named = header.cells.iter().position(|cell| cell.eq_ignore_ascii_case("query"));
    let (column, rows) = named.map_or((0, all), |column| (column, data));
    rows.iter().filter_map(|row| row.cells.get(column)).filter(|cell| !cell.is_empty()).cloned().collect()
}

enum TemplatePart {
    Text(String),
    Column(usize),
}

type TemplateError = (String, Option<String>);

/// The parts of a template: text, and columns in braces.
fn parse_template(template: &str, header: &[String]) -> Result<Vec<TemplatePart>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        parts.push(TemplatePart::Text(before.to_owned()));
        let (name, behind) = after.split_once('}').ok_or_else(|| ("a brace is not closed".to_owned(), None))?;
        let column = header.iter().position(|cell| cell.eq_ignore_ascii_case(name.trim())).ok_or_else(|| {
            let near = nearest(name, header.iter().map(String::as_str));
            let hint = if near.is_empty() {
                format!("its columns are {}", header.join(", "))
            } else {
                format!("did you mean {}?", or_list(&near))
            };
            (format!("the file has no column {}", quote(name)), Some(hint))
        })?;
        parts.push(TemplatePart::Column(column));
        rest = behind;
    }
    parts.push(TemplatePart::Text(rest.to_owned()));
    if parts.iter().any(|part| matches!(part, TemplatePart::Column(_))) {
        Ok(parts)
    } else {
        let example = header.first().map_or("isrc", String::as_str);
        Err(("the template uses no column of the file".to_owned(), Some(format!("write \"…{{{example}}}…\""))))
    }
}

fn fill_template(parts: &[TemplatePart], row: &InputRow) -> Option<String> {
    let mut out = String::new();
    for part in parts {
        match part {
            TemplatePart::Text(text) => out.push_str(text),
            TemplatePart::Column(column) => out.push_str(row.cells.get(*column).filter(|cell| !cell.is_empty())?),
        }
    }
    Some(out)
}
