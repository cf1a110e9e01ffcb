//! `skipped [JOB]`: lists everything that runs repaired, converted, kept or skipped.

use std::io::{self, BufWriter, Write};

use super::args::SkippedArgs;
use super::error_exits::{store_error, unreadable_store};
use super::local_time::format_stored;
use super::store_file::require_store;
use super::table::format_table;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::{printable, printable_json};
use crate::store::{SkipEntry, SkipFilter, each_skip, open_current_schema};

/// Prints the entries.
pub fn run(args: &SkippedArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let database = context.project.database(&settings);
    require_store(context, &settings)?;
    let store = open_current_schema(&database).map_err(store_error)?;
    let filter = SkipFilter { job: args.job.as_deref(), run: args.run };
    if context.json {
        return write_json(|each| each_skip(&store, filter, each)).map_err(|e| match e {
            SkippedError::Output(e) => CommandError::new(ExitStatus::Storage, e),
            SkippedError::Store(e) => unreadable_store(&database)(e),
        });
    }
    let mut entries = Vec::new();
    let collected: rusqlite::Result<()> = each_skip(&store, filter, |entry| {
        entries.push(entry);
        Ok(())
    });
    collected.map_err(unreadable_store(&database))?;
    let mut out = String::new();
    for list in entries.chunk_by(|one, two| heading(one) == heading(two)) {
        out.push_str(&format!("{}\n{}\n", heading(&list[0]), format_table(&rows_of(list))));
    }
    out.push_str(&match entries.len() {
        0 => "nothing was skipped, kept, converted or repaired\n".to_owned(),
        1 => "1 entry\n".to_owned(),
        n => format!("{n} entries\n"),
    });
    print::stdout(&out).or_exit(ExitStatus::Storage)?;
    Ok(ExitStatus::Complete)
}

enum SkippedError {
    Output(io::Error),
    Store(rusqlite::Error),
}

impl From<rusqlite::Error> for SkippedError {
    fn from(error: rusqlite::Error) -> SkippedError {
        SkippedError::Store(error)
    }
}

/// Writes the entries as they are read, so that memory does not grow with their number.
fn write_json(
    each_entry: impl FnOnce(&mut dyn FnMut(SkipEntry) -> Result<(), SkippedError>) -> Result<(), SkippedError>,
) -> Result<ExitStatus, SkippedError> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut count = 0;
    let write = |out: &mut BufWriter<io::StdoutLock<'_>>, text: &str| out.write_all(text.as_bytes());
    let written = each_entry(&mut |entry| {
        let start = if count == 0 { "{\"skipped\":[" } else { "," };
        print::mark_written();
        count += 1;
        let json = printable_json(&serde_json::to_string(&entry).map_err(|e| SkippedError::Output(e.into()))?);
        write(&mut out, &format!("{start}{json}")).map_err(SkippedError::Output)
    });
    let end = written.and_then(|()| {
        print::mark_written();
        let end = if count == 0 { "{\"skipped\":[]}\n" } else { "]}\n" };
        write(&mut out, end).and_then(|()| out.flush()).map_err(SkippedError::Output)
    });
    match end {
        // A closed pipe (`| head`) is not an error.
        Err(SkippedError::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(ExitStatus::Complete),
        end => end.map(|()| ExitStatus::Complete),
    }
}

/// The list that an entry belongs to, and the run that found it.
fn heading(entry: &SkipEntry) -> String {
    let list = entry.list_name.as_deref().or(entry.list.as_deref()).map(print::shorten);
    let list = list.map_or_else(String::new, |list| format!(": {list}"));
    let (job, fetch) = (printable(&entry.job), printable(&entry.fetch));
    format!("{job}, {fetch}{list} (run {}, {})", entry.run, format_stored(&entry.seen_at))
}

/// The entries of one list as a table. Columns that say nothing about any of them are left out.
fn rows_of(list: &[SkipEntry]) -> Vec<Vec<String>> {
    let has_positions = list.iter().any(|entry| entry.position.is_some());
    let has_titles = list.iter().any(|entry| entry.title.as_ref().or(entry.item_id.as_ref()).is_some());
    let has_counts = list.iter().any(|entry| entry.items != 1);
    let cells = |[at, title, items, reason, detail]: [String; 5]| {
        let shown = [(has_positions, at), (has_titles, title), (has_counts, items), (true, reason), (true, detail)];
        let mut cells: Vec<String> =
            shown.into_iter().filter(|(is_shown, _)| *is_shown).map(|(_, cell)| cell).collect();
        cells[0].insert_str(0, "  ");
        cells
    };
    let row = |entry: &SkipEntry| {
        let title = entry.title.as_deref().or(entry.item_id.as_deref()).unwrap_or("");
        let position = entry.position.map_or_else(String::new, |position| position.to_string());
        let detail = printable(entry.detail.as_deref().unwrap_or(""));
        cells([position, print::shorten(title), entry.items.to_string(), entry.reason.clone(), detail])
    };
    let head = cells(["AT", "TITLE", "ITEMS", "REASON", "DETAIL"].map(str::to_owned));
    std::iter::once(head).chain(list.iter().map(row)).collect()
}
