//! Which sheets the workbooks of a job have.

use std::path::Path;

use crate::export::planned_file::{FileContent, PlannedFile};
use crate::job::{Job, RowFile, TemplateValues};
use crate::settings::FileFormat;

/// A sheet: of a fetch or a query, of all users or of one.
pub(in crate::export) struct PlannedSheet<'p> {
    pub name: String,
    /// The path of a file with the same rows.
    pub file: Option<String>,
    /// Local name of the user that the rows are for; empty if they are for all users.
    pub user: &'p str,
    pub content: &'p FileContent<'p>,
}

impl PlannedSheet<'_> {
    /// The name of the fetch with the rows, if it is not a query.
    pub(in crate::export) fn fetch_name(&self) -> Option<&str> {
        match self.content {
            FileContent::Fetch { fetch, .. } => Some(&fetch.name),
            FileContent::Query { .. } => None,
        }
    }
}

/// The sheets of a job, in the order of its fetches and queries. Rows that have a file for each user have a sheet for each
/// user; rows that have a file for each list have one sheet. `whole` are the fetches for which no file may be planned.
pub(in crate::export) fn planned_sheets<'p>(
    job: &'p Job,
    plans: &'p [PlannedFile<'p>],
    whole: &'p [FileContent<'p>],
    (date, datetime): (&str, &str),
) -> Vec<PlannedSheet<'p>> {
    let mut sheets: Vec<PlannedSheet<'p>> = Vec::new();
    let fetches = job.fetches.iter().map(|fetch| fetch.name.clone());
    for of in fetches.chain((1..=job.queries.len()).map(of_query)) {
        let before = sheets.len();
        for plan in plans.iter().filter(|plan| subject(&plan.content) == of) {
            if sheets[before..].iter().any(|sheet| sheet.user == plan.user) {
                continue;
            }
            let name = name_of(&plan.content, Some(plan.file));
            let values = TemplateValues { job: &job.name, date, datetime, user: plan.user, list: plan.list_name() };
            let file = match plan.list {
                Some(_) => plan.file.name.template().to_owned(),
                None => plan.file.name.expand(&values),
            };
            sheets.push(PlannedSheet { name, file: Some(file), user: plan.user, content: &plan.content });
        }
        if sheets.len() == before {
            let content = whole.iter().find(|content| subject(content) == of);
            let sheet = |content| PlannedSheet { name: name_of(content, None), file: None, user: "", content };
            sheets.extend(content.map(sheet));
        }
    }
    sheets
}

/// The fetch or query that has the rows.
fn subject(content: &FileContent<'_>) -> String {
    match content {
        FileContent::Fetch { fetch, .. } => fetch.name.clone(),
        FileContent::Query { number, .. } => of_query(*number),
    }
}

fn of_query(number: usize) -> String {
    format!("query {number}")
}

fn name_of(content: &FileContent<'_>, file: Option<&RowFile>) -> String {
    match (content, file) {
        (FileContent::Fetch { fetch, .. }, _) => fetch.name.clone(),
        (FileContent::Query { number, .. }, Some(file)) => match stem_of(file.name.template()) {
            stem if stem.is_empty() => of_query(*number),
            stem => stem,
        },
        (FileContent::Query { number, .. }, None) => of_query(*number),
    }
}

/// The name of a file without folder, ending and placeholders: a sheet has the same name every day.
fn stem_of(template: &str) -> String {
    let name = Path::new(template).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let mut stem = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('{') {
        stem.push_str(before);
        rest = after.split_once('}').map_or("", |(_, behind)| behind);
    }
    stem.push_str(rest);
    stem.trim_matches(|c: char| !c.is_alphanumeric()).to_owned()
}

/// The path of the workbook of a job, or of a user of the job.
pub(in crate::export) fn workbook_path(job: &str, user: &str) -> String {
    let stem = if user.is_empty() { job.to_owned() } else { format!("{job}-{user}") };
    format!("{stem}.{}", FileFormat::Xlsx.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheet_of_a_query_has_the_name_of_its_file() {
        for (template, stem) in [
            ("new-releases.csv", "new-releases"),
            ("daily/{date}-new.csv", "new"),
            ("{date}/{user}.csv", ""),
            ("a.b.jsonl", "a.b"),
            ("plays-{user}-{datetime}.csv", "plays"),
        ] {
            assert_eq!(stem_of(template), stem, "{template}");
        }
    }
}
