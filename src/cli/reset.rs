//! `reset JOB [FETCH]`: discards the checkpoints of interrupted reads, which then start again. Stored rows
//! stay as they are.

use chrono::Utc;
use serde_json::json;

use super::app::App;
use super::args::ResetArgs;
use super::error_exits::store_error;
use super::local_time::format_stored;
use super::runtime::runtime;
use super::store_file::require_store;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::printable;
use crate::store::timestamp;
use crate::store::{InterruptedRead, Store, interrupted_reads, lists};
use crate::sync::{JobLock, ListLock, LockError};

/// Discards checkpoints and lists them.
pub fn run(args: &ResetArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let app = App::open(context, &settings)?;
    let loaded = context.jobs(app.settings, std::slice::from_ref(&args.job));
    if loaded.has_errors() {
        return Err(CommandError::Problems(loaded.problems));
    }
    let kinds = match (&args.fetch, loaded.jobs.first()) {
        (Some(name), Some(job)) => {
            let fetch = job.fetches.iter().find(|fetch| fetch.name == *name).ok_or_else(|| {
                let names = job.fetches.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ");
                CommandError::new(ExitStatus::Usage, anyhow::anyhow!("the job {} has no fetch {name:?}", job.name))
                    .with_hint(format!("its fetches are {names}"))
            })?;
            fetch.stream.list_names()
        }
        _ => Vec::new(),
    };
    require_store(context, app.settings)?;
    let _lock =
        match JobLock::take(app.state.path(), &app.database_path(), &args.job, app.settings.schedule.max_runtime) {
            Ok(lock) => lock,
            Err(e @ (LockError::Running { .. } | LockError::Compacting { .. })) => {
                return Err(CommandError::new(ExitStatus::Deferred, e));
            }
            Err(e @ LockError::Hangs { .. }) => return Err(CommandError::new(ExitStatus::Failed, e)),
            Err(e) => return Err(CommandError::new(ExitStatus::Storage, e)),
        };
    let store = app.store()?;
    let (forgotten, busy) = runtime()?.block_on(reset_reads(store, &app, args, kinds))?;
    if context.json {
        print::json(&json!({ "job": args.job, "fetch": args.fetch, "forgotten": forgotten, "being_read": busy }))
            .or_exit(ExitStatus::Storage)?;
        return Ok(if busy.is_empty() { ExitStatus::Complete } else { ExitStatus::Deferred });
    }
    let mut out = String::new();
    for read in &forgotten {
        out.push_str(&format!(
            "forgot   {}: {} staged, last page at {}\n",
            describe_read(read),
            print::count(read.items, "item"),
            format_stored(&read.updated_at)
        ));
    }
    for read in &busy {
        out.push_str(&format!("kept     {}: another run is reading it now\n", describe_read(read)));
    }
    if forgotten.is_empty() && busy.is_empty() {
        out.push_str("no read was interrupted, so there is no checkpoint to discard\n");
    }
    print::paragraphs(&out).or_exit(ExitStatus::Storage)?;
    Ok(if busy.is_empty() { ExitStatus::Complete } else { ExitStatus::Deferred })
}

/// Discards the checkpoints. Returns the discarded reads, and those that another run is reading now.
async fn reset_reads(
    store: &Store,
    app: &App<'_>,
    args: &ResetArgs,
    kinds: Vec<&'static str>,
) -> Result<(Vec<InterruptedRead>, Vec<InterruptedRead>), CommandError> {
    let (job, fetch) = (args.job.clone(), args.fetch.clone());
    let reads =
        store.write(move |s| interrupted_reads::of_job(s, &job, fetch.as_deref().map(|name| (name, kinds.as_slice()))));
    let (mut forgotten, mut busy) = (Vec::new(), Vec::new());
    for read in reads.await.map_err(store_error)? {
        let named = [&read.kind, &read.parent_id, &read.audience, &read.market, &read.variant].map(String::as_str);
        let lock = ListLock::try_take(app.state.path(), store.path(), named).or_exit(ExitStatus::Storage)?;
        if lock.is_none() {
            busy.push(read);
            continue;
        }
        let list = read.list;
        store.write(move |s| lists::discard_checkpoint(s, list)).await.map_err(store_error)?;
        forgotten.push(read);
    }
    if args.fetch.is_none() {
        let (job, now) = (args.job.clone(), timestamp(Utc::now()));
        store.write(move |s| interrupted_reads::forbid_resume(s, &job, &now)).await.map_err(store_error)?;
    }
    Ok((forgotten, busy))
}

fn describe_read(read: &InterruptedRead) -> String {
    let parts = [&read.parent_id, &read.variant, &read.market];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).map(|part| printable(part)).collect();
    let of = if parts.is_empty() { String::new() } else { format!(" of {}", parts.join(", ")) };
    format!("{}{of}", read.kind)
}
