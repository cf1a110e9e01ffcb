//! `diff JOB [--since DATE]`: what changed in a job's lists, in words.
//!
//! Changes are told as they are read from the store, so that a million of them take no more memory
//! than one.

use std::io::{self, BufWriter, Write};

use chrono::{DateTime, Utc};

use super::args::Diff;
use super::when::{self, Of};
use super::workshop::{local, must_exist, storage, unreadable};
use super::{Context, Exit, Failure, print};
use crate::document::printable;
use crate::run::stamp;
use crate::scheduler::Past;
use crate::store::{ListChange, ListName, changes_of_job, open_current};

/// Tells what changed.
pub fn run(args: &Diff, context: &Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let loaded = context.jobs(&settings, std::slice::from_ref(&args.job));
    if loaded.has_errors() {
        return Err(Failure::Problems(loaded.problems));
    }
    let database = context.project.database(&settings);
    must_exist(context, &settings)?;
    let since = match (&args.since, loaded.jobs.first()) {
        (Some(text), Some(job)) => when::parse(text, "--since", job.timezone, Utc::now(), Of::Begin)?,
        _ => {
            let past = Past::read(&database).map_err(storage)?;
            past.of(&args.job).last_good.ok_or_else(|| {
                Failure::new(Exit::Usage, anyhow::anyhow!("{}: no run has read anything yet", printable(&args.job)))
                    .with_hint("run it, or say since when: --since 7d")
            })?
        }
    };
    let store = open_current(&database).map_err(storage)?;
    let mut out = Telling {
        out: BufWriter::new(io::stdout().lock()),
        json: context.json,
        job: &args.job,
        since,
        list: None,
        count: 0,
    };
    let told = changes_of_job(&store, &args.job, &stamp(since), |list, change| {
        out.tell(list, change).map_err(Trouble::Output)
    });
    match told.and_then(|()| out.end(None).map_err(Trouble::Output)) {
        // A reader that went away (`| head`) has seen enough.
        Err(Trouble::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Complete),
        Err(Trouble::Output(e)) => Err(Failure::new(Exit::Storage, e)),
        Err(Trouble::Store(source)) => {
            let failure = unreadable(&database)(source);
            if out.count > 0 {
                // The object that was begun is closed, and says so.
                drop(out.end(Some(&failure)));
            }
            // The lock on stdout goes with it.
            drop(out);
            Err(failure)
        }
        Ok(()) => Ok(Exit::Complete),
    }
}

enum Trouble {
    Output(io::Error),
    Store(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble::Store(error)
    }
}

struct Telling<'a, W: Write> {
    out: W,
    json: bool,
    job: &'a str,
    since: DateTime<Utc>,
    /// The list that was told of last.
    list: Option<ListName>,
    count: u64,
}

impl<W: Write> Telling<'_, W> {
    /// With the first change or at the end: until then a failure may have stdout to itself.
    fn begin(&mut self) -> io::Result<()> {
        print::begin();
        if self.json {
            let (job, since) = (serde_json::json!(self.job), stamp(self.since));
            return write!(self.out, "{{\"job\":{job},\"since\":\"{since}\",\"changes\":[");
        }
        Ok(())
    }

    fn tell(&mut self, list: &ListName, change: &ListChange) -> io::Result<()> {
        if self.count == 0 {
            self.begin()?;
        }
        self.count += 1;
        if self.json {
            let comma = if self.count > 1 { "," } else { "" };
            let value = serde_json::json!({ "of": list, "change": change });
            return write!(self.out, "{comma}{value}");
        }
        if self.list.as_ref() != Some(list) {
            let gap = if self.list.is_some() { "\n" } else { "" };
            writeln!(self.out, "{gap}{}", heading(list))?;
            self.list = Some(list.clone());
        }
        writeln!(self.out, "  {}", line(change))
    }

    /// All was told, or no more can be: then the object has the keys of a failure as well.
    fn end(&mut self, failure: Option<&Failure>) -> io::Result<()> {
        if self.count == 0 {
            self.begin()?;
        }
        match (self.json, failure, self.count) {
            (true, None, _) => writeln!(self.out, "]}}")?,
            (true, Some(failure), _) => {
                let keys = failure.json().to_string();
                writeln!(self.out, "],{}", keys.strip_prefix('{').unwrap_or(&keys))?;
            }
            (false, Some(_), _) => {}
            (false, None, 0) => writeln!(self.out, "nothing changed since {}", local(self.since))?,
            (false, None, n) => {
                writeln!(self.out, "\n{} since {}", print::count(n, "change"), local(self.since))?;
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
        (Some(title), Some(by)) => format!("{} by {}", quoted(title), print::brief(by)),
        (Some(title), None) => quoted(title),
        (None, _) => {
            change.uri.as_deref().or(change.item_id.as_deref()).map_or("an item that is gone".into(), printable)
        }
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
        "gone" => "gone       Spotify no longer has it; its rows stay".to_owned(),
        "first_read" => format!("first read with {}", print::count(change.items.unwrap_or(0), "item")),
        other => format!("{other:<10} {item}"),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", print::brief(text))
}
