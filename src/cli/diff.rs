//! `diff JOB [--since DATE]`: shows what changed in a job's lists.
//!
//! Changes are printed as they are read from the store, so memory does not grow with their number.

use std::io::{self, BufWriter, Write};

use chrono::{DateTime, Utc};

use super::args::DiffArgs;
use super::error_exits::{store_error, unreadable_store};
use super::local_time::format_local;
use super::store_file::require_store;
use super::time_argument::{self, DayBound};
use super::{CommandContext, CommandError, ExitStatus, print};
use crate::document::{printable, terminal_safe};
use crate::scheduler::RunHistory;
use crate::store::timestamp;
use crate::store::{ListChange, ListName, changes_of_job, open_current_schema};

/// Prints the changes.
pub fn run(args: &DiffArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let loaded = context.jobs(&settings, std::slice::from_ref(&args.job));
    if loaded.has_errors() {
        return Err(CommandError::Problems(loaded.problems));
    }
    let database = context.project.database(&settings);
    require_store(context, &settings)?;
    let since = match (&args.since, loaded.jobs.first()) {
        (Some(text), Some(job)) => {
            time_argument::parse_time(text, "--since", job.timezone, Utc::now(), DayBound::Start)?
        }
        _ => {
            let past = RunHistory::read(&database).map_err(store_error)?;
            past.job_or_default(&args.job).start_of_newest_changes().ok_or_else(|| {
                CommandError::new(
                    ExitStatus::Usage,
                    anyhow::anyhow!("{}: no run has read anything yet", printable(&args.job)),
                )
                .with_hint("run the job, or give a start: --since 7d")
            })?
        }
    };
    let store = open_current_schema(&database).map_err(store_error)?;
    let mut out = DiffWriter {
        out: BufWriter::new(io::stdout().lock()),
        json: context.json,
        job: &args.job,
        since,
        list: None,
        count: 0,
    };
    let printed = changes_of_job(&store, &args.job, &timestamp(since), |list, change| {
        out.write_change(list, change).map_err(DiffError::Output)
    });
    match printed.and_then(|()| out.finish(None).map_err(DiffError::Output)) {
        // A closed pipe (`| head`) is not an error.
        Err(DiffError::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(ExitStatus::Complete),
        Err(DiffError::Output(e)) => Err(CommandError::new(ExitStatus::Storage, e)),
        Err(DiffError::Store(source)) => {
            let failure = unreadable_store(&database)(source);
            if out.count > 0 {
                // Close the JSON object, with the error in it.
                drop(out.finish(Some(&failure)));
            }
            // This releases the lock on stdout.
            drop(out);
            Err(failure)
        }
        Ok(()) => Ok(ExitStatus::Complete),
    }
}

enum DiffError {
    Output(io::Error),
    Store(rusqlite::Error),
}

impl From<rusqlite::Error> for DiffError {
    fn from(error: rusqlite::Error) -> DiffError {
        DiffError::Store(error)
    }
}

struct DiffWriter<'a, W: Write> {
    out: W,
    json: bool,
    job: &'a str,
    since: DateTime<Utc>,
    /// The list of the last printed change.
    list: Option<ListName>,
    count: u64,
}

impl<W: Write> DiffWriter<'_, W> {
    /// Starts the output with the first change or at the end, so that an earlier error can still use stdout.
    fn start(&mut self) -> io::Result<()> {
        print::mark_written();
        if self.json {
            let (job, since) = (print::json_text(&serde_json::json!(self.job)), timestamp(self.since));
            return write!(self.out, "{{\"job\":{job},\"since\":\"{since}\",\"changes\":[");
        }
        Ok(())
    }

    fn write_change(&mut self, list: &ListName, change: &ListChange) -> io::Result<()> {
        if self.count == 0 {
            self.start()?;
        }
        self.count += 1;
        if self.json {
            let comma = if self.count > 1 { "," } else { "" };
            let value = print::json_text(&serde_json::json!({ "of": list, "change": change }));
            return write!(self.out, "{comma}{value}");
        }
        if self.list.as_ref() != Some(list) {
            let gap = if self.list.is_some() { "\n" } else { "" };
            writeln!(self.out, "{gap}{}", terminal_safe(&heading(list)))?;
            self.list = Some(list.clone());
        }
        writeln!(self.out, "  {}", terminal_safe(&line(change)))
    }

    /// Ends the output. After an error, the JSON object also gets the keys of the error.
    fn finish(&mut self, failure: Option<&CommandError>) -> io::Result<()> {
        if self.count == 0 {
            self.start()?;
        }
        match (self.json, failure, self.count) {
            (true, None, _) => writeln!(self.out, "]}}")?,
            (true, Some(failure), _) => {
                let keys = print::json_text(&failure.json());
                writeln!(self.out, "],{}", keys.strip_prefix('{').unwrap_or(&keys))?;
            }
            (false, Some(_), _) => {}
            (false, None, 0) => writeln!(self.out, "nothing changed since {}", format_local(self.since))?,
            (false, None, n) => {
                writeln!(self.out, "\n{} since {}", print::count(n, "change"), format_local(self.since))?;
            }
        }
        self.out.flush()
    }
}

fn heading(list: &ListName) -> String {
    let mut text = list.list.clone();
    match (&list.name, &list.user) {
        (Some(name), _) => text.push_str(&format!(" {}", quoted(name))),
        (None, Some(user)) => text.push_str(&format!(" of {}", printable(user))),
        (None, None) => {}
    }
    if !list.id.is_empty() {
        text.push_str(&format!(" ({})", printable(&list.id)));
    }
    if !list.variant.is_empty() {
        text.push_str(&format!(", {}", printable(&list.variant)));
    }
    text
}

fn line(change: &ListChange) -> String {
    let item = match (&change.title, &change.by) {
        (Some(title), Some(by)) => format!("{} by {}", quoted(title), print::shorten(by)),
        (Some(title), None) => quoted(title),
        (None, _) => change
            .uri
            .as_deref()
            .or(change.item_id.as_deref())
            .map_or("an item that no longer exists".into(), printable),
    };
    let place = |at: Option<i64>| at.map_or_else(|| "?".to_owned(), |at| at.to_string());
    let text = |text: &Option<String>| text.as_deref().map_or("nothing".into(), quoted);
    match change.change.as_str() {
        "added" => {
            let mut line = format!("added      {item}, at {}", place(change.position_after));
            if let Some(day) = change.added_at.as_deref().map(|at| at.get(..10).unwrap_or(at)) {
                line.push_str(&format!(", {}", printable(day)));
            }
            if let Some(by) = &change.added_by {
                line.push_str(&format!(", by {}", printable(by)));
            }
            line
        }
        "removed" => format!("removed    {item}, from {}", place(change.position_before)),
        "moved" => {
            format!("moved      {item}, from {} to {}", place(change.position_before), place(change.position_after))
        }
        "renamed" => format!("renamed    from {} to {}", text(&change.text_before), text(&change.text_after)),
        "described" => format!("described  {}, before: {}", text(&change.text_after), text(&change.text_before)),
        "gone" => "gone       no longer on Spotify; its rows are kept".to_owned(),
        "first_read" => format!("first read with {}", print::count(change.items.unwrap_or(0), "item")),
        other => format!("{other:<10} {item}"),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", print::shorten(text))
}
