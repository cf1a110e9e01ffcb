//! The file next to that of a fetch: ids, codes and searches without a result.

use std::collections::BTreeSet;

use super::output_file::{OutputFile, RowSource, suffix_of};
use crate::job::{Fetch, FetchSource};
use crate::settings::{FileFormat, extension};
use crate::store::not_found_query;
use crate::store::query::{QueryParameters, QueryReader};

/// The end of the name of such a file.
const NOT_FOUND: &str = "-not-found";

/// The path of the file that this one is next to; the path itself if it is not such a file.
pub(super) fn path_beside(path: &str) -> String {
    let stem = path.strip_suffix(extension(path)).and_then(|stem| stem.strip_suffix('.'));
    match stem.and_then(|stem| stem.strip_suffix(NOT_FOUND)) {
        Some(stem) => format!("{stem}.{}", extension(path)),
        None => path.to_owned(),
    }
}

/// A file of missing items.
pub(super) struct NotFoundFile {
    /// The name of the fetch.
    pub fetch: String,
    /// The path below the job's folder.
    pub path: String,
    sql: String,
}

impl NotFoundFile {
    /// The files next to those of fetches, which come with the paths of their files.
    pub(super) fn beside_all<'f>(fetches: impl Iterator<Item = (String, &'f Fetch)>, run: i64) -> Vec<NotFoundFile> {
        fetches.filter_map(|(path, fetch)| NotFoundFile::next_to(&path, fetch, run)).collect()
    }

    /// The file next to that of a fetch, if the fetch requests ids, codes or searches.
    fn next_to(path: &str, fetch: &Fetch, run: i64) -> Option<NotFoundFile> {
        if matches!(fetch.source, FetchSource::Nothing | FetchSource::User) {
            return None;
        }
        let format = FileFormat::of_path(path);
        let end = format!(".{}", if format == FileFormat::Csv { "csv" } else { extension(path) });
        let path = format!("{}{NOT_FOUND}{end}", path.strip_suffix(&end).unwrap_or(path));
        Some(NotFoundFile { fetch: fetch.name.clone(), path, sql: not_found_query(run, &fetch.name) })
    }

    pub(super) fn output_file<'s>(
        &'s self,
        reader: &'s QueryReader,
        bound: &'s QueryParameters,
        force_render: &BTreeSet<String>,
    ) -> OutputFile<'s> {
        OutputFile {
            path: self.path.clone(),
            name: format!("{} not found{}", self.fetch, suffix_of(FileFormat::of_path(&self.path))),
            title: format!("what {} requested and Spotify did not have", self.fetch),
            source: RowSource::Query { reader, sql: &self.sql, bound },
            inputs: String::new(),
            version: None,
            force: force_render.contains(&self.path),
        }
    }
}
