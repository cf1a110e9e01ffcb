//! `reset JOB [FETCH]`: what was interrupted begins anew. Rows that stand are left as they are.

use crate::store::{interrupted_reads, lists};
use chrono::Utc;
use serde_json::json;

use super::app::{App, require_store, runtime, storage_error};
use super::args::ResetArgs;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::printable;
use crate::store::{InterruptedRead, Store};
use crate::sync::{JobLock, ListLock, LockError, timestamp};

/// Forgets checkpoints and says which.
pub fn run(args: &ResetArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let workshop = App::open(context)?;
    let loaded = context.jobs(&workshop.settings, std::slice::from_ref(&args.job));
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
    require_store(context, &workshop.settings)?;
    let _lock = match JobLock::take(
        workshop.state.path(),
        &workshop.database_path(),
        &args.job,
        workshop.settings.schedule.max_runtime,
    ) {
        Ok(lock) => lock,
        Err(e @ (LockError::Running { .. } | LockError::Compacting { .. })) => {
            return Err(CommandError::new(ExitStatus::Deferred, e));
        }
        Err(e @ LockError::Hangs { .. }) => return Err(CommandError::new(ExitStatus::Failed, e)),
        Err(e) => return Err(CommandError::new(ExitStatus::Storage, e)),
    };
    let store = workshop.open_store()?;
    let (forgotten, busy) = runtime()?.block_on(reset_reads(&store, &workshop, args, kinds))?;
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
            read.updated_at
        ));
    }
    for read in &busy {
        out.push_str(&format!("kept     {}: another run is reading it now\n", describe_read(read)));
    }
    if forgotten.is_empty() && busy.is_empty() {
        out.push_str("no read was interrupted: there is no checkpoint to forget\n");
    }
    print::stdout(&out).or_exit(ExitStatus::Storage)?;
    Ok(if busy.is_empty() { ExitStatus::Complete } else { ExitStatus::Deferred })
}

/// What was forgotten, and what another run reads at the moment.
async fn reset_reads(
    store: &Store,
    workshop: &App<'_>,
    args: &ResetArgs,
    kinds: Vec<&'static str>,
) -> Result<(Vec<InterruptedRead>, Vec<InterruptedRead>), CommandError> {
    let (job, fetch) = (args.job.clone(), args.fetch.clone());
    let reads =
        store.write(move |s| interrupted_reads::of_job(s, &job, fetch.as_deref().map(|name| (name, kinds.as_slice()))));
    let (mut forgotten, mut busy) = (Vec::new(), Vec::new());
    for read in reads.await.map_err(storage_error)? {
        let named = [&read.kind, &read.parent_id, &read.audience, &read.market, &read.variant].map(String::as_str);
        let lock = ListLock::try_take(workshop.state.path(), store.path(), named).or_exit(ExitStatus::Storage)?;
        if lock.is_none() {
            busy.push(read);
            continue;
        }
        let list = read.list;
        store.write(move |s| lists::discard_checkpoint(s, list)).await.map_err(storage_error)?;
        forgotten.push(read);
    }
    if args.fetch.is_none() {
        let (job, now) = (args.job.clone(), timestamp(Utc::now()));
        store.write(move |s| interrupted_reads::forbid_resume(s, &job, &now)).await.map_err(storage_error)?;
    }
    Ok((forgotten, busy))
}

fn describe_read(read: &InterruptedRead) -> String {
    let parts = [&read.parent_id, &read.variant, &read.market];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).map(|part| printable(part)).collect();
    let of = if parts.is_empty() { String::new() } else { format!(" of {}", parts.join(", ")) };
    format!("{}{of}", read.kind)
}
