//! The file of `--config`.

use std::path::{Path, PathBuf};

use super::json_file::{self, JsonValue};
use crate::document::{Diagnostic, nearest, or_list, quote};
use crate::settings::Shard;
use crate::store::FEED_TABLES;

/// Which store is read, and which of its tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SingerConfig {
    /// The project folder.
    pub project: Option<PathBuf>,
    /// The part of the users that has the store.
    pub shard: Option<Shard>,
    /// The tables; all if there are none.
    pub tables: Vec<&'static str>,
}

const KEYS: [&str; 3] = ["project", "shard", "tables"];

/// Reads the file of `--config`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_config(path: &Path) -> Result<SingerConfig, Vec<Diagnostic>> {
    let one = |problem| vec![problem];
    let document =
        json_file::read(path, "config", "the project in this folder is read").map_err(|problem| one(*problem))?;
    let members = json_file::object(&document, "config").map_err(|problem| one(*problem))?;
    let (mut config, mut problems) = (SingerConfig::default(), Vec::new());
    for (key, value) in members {
        match key.as_str() {
            "project" => match value.text() {
                Some(folder) => config.project = Some(PathBuf::from(folder)),
                None => problems.push(value.problem("`project` is not the path of a folder in quotes")),
            },
            "shard" => match value.text().map(|text| text.parse()) {
                Some(Ok(shard)) => config.shard = Some(shard),
                Some(Err(why)) => problems.push(value.problem(format!("`shard` is not valid: {why}"))),
                None => problems.push(value.problem("`shard` is not a text such as \"3/16\"")),
            },
            "tables" => match value.values() {
                Some(values) => config.tables = values.into_iter().filter_map(|v| table(v, &mut problems)).collect(),
                None => problems.push(value.problem("`tables` is not a list such as [\"tracks\", \"playlist_items\"]")),
            },
            other => {
                let problem = value.name_problem(other, format!("unknown key {}", quote(other)));
                problems.push(problem.with_hint(match nearest(other, KEYS).as_slice() {
                    [] => format!("the keys are {}", or_list(&KEYS)),
                    near => format!("did you mean {}?", or_list(near)),
                }));
            }
        }
    }
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn table(value: JsonValue<'_>, problems: &mut Vec<Diagnostic>) -> Option<&'static str> {
    let name = value.text();
    let known = FEED_TABLES.into_iter().find(|known| Some(*known) == name.as_deref());
    if known.is_none() {
        problems.push(match name {
            None => value.problem("is not the name of a table in quotes"),
            Some(name) => unknown_table(value, &name),
        });
    }
    known
}

/// The problem that a value names a table that does not exist.
pub(super) fn unknown_table(value: JsonValue<'_>, name: &str) -> Diagnostic {
    let problem = value.problem(format!("there is no table named {}", quote(name)));
    problem.with_hint(match nearest(name, FEED_TABLES).as_slice() {
        [] => "`cratedigger singer --discover` lists all tables".to_owned(),
        near => format!("did you mean {}?", or_list(near)),
    })
}
