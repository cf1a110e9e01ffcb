//! The rows of a job's input files, as tables of its queries.

use std::sync::Arc;

use rusqlite::{Connection, params_from_iter};
use rustc_hash::FxHashSet;

use super::{QueryError, QueryFetch};
use crate::store::views::{JoinedInputs, identifier};

/// The name of the table, if all input files of a job are one.
const INPUTS: &str = "inputs";

/// The end of the name of the table of one fetch.
const OF_FETCH: &str = "_inputs";

/// Takes the cells of a row.
pub type InputRowSink<'a> = dyn FnMut(&[Option<&str>]) -> Result<(), QueryError> + 'a;

/// The rows of an input file.
pub trait InputRows: std::fmt::Debug + Send + Sync {
    /// What distinguishes these rows from those of another fetch: the file, and how it is read.
    fn source(&self) -> String;

    /// The names of the columns. All are different, also in another case.
    fn columns(&self) -> &[String];

    /// Calls `each` with the cells of every row, in the order of the columns.
    ///
    /// # Errors
    /// The error of `each`, or why the file cannot be read.
    fn for_each_row(&self, each: &mut InputRowSink<'_>) -> Result<(), QueryError>;
}

/// Whether an SQL text may read the rows of an input file.
pub fn mentions_inputs(sql: &str) -> bool {
    sql.to_ascii_lowercase().contains(INPUTS)
}

/// Creates the table `NAME_inputs` for each fetch with an input file, and `inputs` if there is only one file. With
/// `is_filled`, the tables have the rows, and otherwise only the columns. A fetch with such a name keeps it.
pub(super) fn create_tables(store: &Connection, fetches: &[QueryFetch], is_filled: bool) -> Result<(), QueryError> {
    let mut taken: FxHashSet<String> = fetches.iter().map(|fetch| fetch.name.to_ascii_lowercase()).collect();
    let mut made: Vec<(String, String)> = Vec::new();
    for fetch in fetches {
        let Some(rows) = &fetch.inputs else { continue };
        let name = format!("{}{OF_FETCH}", fetch.name);
        if !taken.insert(name.to_ascii_lowercase()) {
            continue;
        }
        let source = rows.source();
        match made.iter().find(|(known, _)| *known == source) {
            Some((_, table)) => create_view(store, &name, table)?,
            None => {
                create_table(store, &name, rows, is_filled)?;
                made.push((source, name));
            }
        }
    }
    match made.as_slice() {
        [(_, table)] if !taken.contains(INPUTS) => create_view(store, INPUTS, table),
        _ => Ok(()),
    }
}

/// The temporary table with the input rows of a fetch, if its files show them.
fn joined_table(fetch: &str) -> String {
    // No fetch has a blank in its name, so no table of a query is meant.
    format!("{fetch} inputs")
}

/// Creates the table with the input rows of a fetch, if its files show them. Another export with the same connection
/// may have created it before.
///
/// # Errors
/// [`QueryError::Inputs`] if the file cannot be read.
pub fn create_joined_table(store: &Connection, fetch: &QueryFetch) -> Result<(), QueryError> {
    let Some(rows) = &fetch.inputs else { return Ok(()) };
    let name = joined_table(&fetch.name);
    let (table, index) = (identifier(&name), identifier(&format!("{name} key")));
    store.execute_batch(&format!("DROP TABLE IF EXISTS temp.{table}"))?;
    create_table(store, &name, rows, true)?;
    let key = rows.columns().get(1).map_or_else(String::new, |key| identifier(key));
    Ok(store.execute_batch(&format!("CREATE INDEX temp.{index} ON {table} ({key})"))?)
}

/// The columns of an input file in the files of its fetch, next to columns with these names.
pub fn joined_columns(fetch: &QueryFetch, taken: &[String]) -> Option<JoinedInputs> {
    let rows = fetch.inputs.as_ref()?;
    let (_, own) = rows.columns().split_at_checked(2)?;
    let mut taken: FxHashSet<String> = taken.iter().map(|name| name.to_ascii_lowercase()).collect();
    let header = |column: &String| {
        let mut header = column.clone();
        while !taken.insert(header.to_ascii_lowercase()) {
            header = format!("input_{header}");
        }
        (column.clone(), header)
    };
    Some(JoinedInputs {
        table: joined_table(&fetch.name),
        key: rows.columns()[1].clone(),
        columns: own.iter().map(header).collect(),
    })
}

fn create_view(store: &Connection, name: &str, table: &str) -> Result<(), QueryError> {
    let sql = format!("CREATE TEMP VIEW {} AS SELECT * FROM {}", identifier(name), identifier(table));
    Ok(store.execute_batch(&sql)?)
}

fn create_table(store: &Connection, name: &str, rows: &Arc<dyn InputRows>, is_filled: bool) -> Result<(), QueryError> {
    let columns: Vec<String> = rows.columns().iter().map(|column| identifier(column)).collect();
    // The first column is the line, a number. The others keep their text as it is, leading zeros included.
    let types = (0..columns.len()).map(|n| if n == 0 { "INTEGER" } else { "TEXT" });
    let declared: Vec<String> = columns.iter().zip(types).map(|(column, kind)| format!("{column} {kind}")).collect();
    let table = identifier(name);
    store.execute_batch(&format!("CREATE TEMP TABLE {table} ({})", declared.join(", ")))?;
    if !is_filled {
        return Ok(());
    }
    store.execute_batch("SAVEPOINT inputs")?;
    {
        let marks = vec!["?"; columns.len()].join(", ");
        let mut insert = store.prepare(&format!("INSERT INTO temp.{table} VALUES ({marks})"))?;
        rows.for_each_row(&mut |cells| {
            insert.execute(params_from_iter(cells))?;
            Ok(())
        })?;
    }
    Ok(store.execute_batch("RELEASE inputs")?)
}
