//! `reset JOB [FETCH]`: what was interrupted begins anew. Rows that stand are left as they are.

use chrono::Utc;
use serde_json::json;

use super::args::Reset;
use super::workshop::{Workshop, must_exist, runtime, storage};
use super::{Context, Exit, Failure, OrExit, print};
use crate::document::printable;
use crate::run::{JobLock, ListLock, LockTrouble, stamp};
use crate::store::{Store, UnderWay};

/// Forgets checkpoints and says which.
pub fn run(args: &Reset, context: &Context) -> Result<Exit, Failure> {
    let workshop = Workshop::open(context)?;
    let loaded = context.jobs(&workshop.settings, std::slice::from_ref(&args.job));
    if loaded.has_errors() {
        return Err(Failure::Problems(loaded.problems));
    }
    let kinds = match (&args.fetch, loaded.jobs.first()) {
        (Some(name), Some(job)) => {
            let fetch = job.fetches.iter().find(|fetch| fetch.name == *name).ok_or_else(|| {
                let names = job.fetches.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ");
                Failure::new(Exit::Usage, anyhow::anyhow!("the job {} has no fetch {name:?}", job.name))
                    .with_hint(format!("its fetches are {names}"))
            })?;
            lists_of(fetch.stream.name)
        }
        _ => Vec::new(),
    };
    must_exist(context, &workshop.settings)?;
    let _lock = match JobLock::take(
        workshop.state.path(),
        &workshop.database(),
        &args.job,
        workshop.settings.schedule.max_runtime,
    ) {
        Ok(lock) => lock,
        Err(e @ (LockTrouble::Running { .. } | LockTrouble::Compacting { .. })) => {
            return Err(Failure::new(Exit::Deferred, e));
        }
        Err(e @ LockTrouble::Hangs { .. }) => return Err(Failure::new(Exit::Failed, e)),
        Err(e) => return Err(Failure::new(Exit::Storage, e)),
    };
    let store = workshop.store()?;
    let (forgotten, busy) = runtime()?.block_on(forget(&store, &workshop, args, kinds))?;
    if context.json {
        print::json(&json!({ "job": args.job, "fetch": args.fetch, "forgotten": forgotten, "being_read": busy }))
            .or_exit(Exit::Storage)?;
        return Ok(if busy.is_empty() { Exit::Complete } else { Exit::Deferred });
    }
    let mut out = String::new();
    for read in &forgotten {
        out.push_str(&format!(
            "forgot   {}: {} staged, last page at {}\n",
            named(read),
            print::count(read.items, "item"),
            read.updated_at
        ));
    }
    for read in &busy {
        out.push_str(&format!("kept     {}: another run is reading it now\n", named(read)));
    }
    if forgotten.is_empty() && busy.is_empty() {
        out.push_str("no read was interrupted: there is no checkpoint to forget\n");
    }
    print::stdout(&out).or_exit(Exit::Storage)?;
    Ok(if busy.is_empty() { Exit::Complete } else { Exit::Deferred })
}

/// The lists that a fetch of a stream reads: mostly those of its own name.
fn lists_of(stream: &'static str) -> Vec<&'static str> {
    match stream {
        "my_playlist_items" => vec!["my_playlists", "playlist_items"],
        other => vec![other],
    }
}

/// What was forgotten, and what another run reads at the moment.
async fn forget(
    store: &Store,
    workshop: &Workshop<'_>,
    args: &Reset,
    kinds: Vec<&'static str>,
) -> Result<(Vec<UnderWay>, Vec<UnderWay>), Failure> {
    let (job, fetch) = (args.job.clone(), args.fetch.clone());
    let reads = store.write(move |s| s.reads_under_way(&job, fetch.as_deref().map(|name| (name, kinds.as_slice()))));
    let (mut forgotten, mut busy) = (Vec::new(), Vec::new());
    for read in reads.await.map_err(storage)? {
        let named = [&read.kind, &read.parent_id, &read.audience, &read.market, &read.variant].map(String::as_str);
        let lock = ListLock::try_take(workshop.state.path(), store.path(), named).or_exit(Exit::Storage)?;
        if lock.is_none() {
            busy.push(read);
            continue;
        }
        let list = read.list;
        store.write(move |s| s.forget_checkpoint(list)).await.map_err(storage)?;
        forgotten.push(read);
    }
    if args.fetch.is_none() {
        let (job, now) = (args.job.clone(), stamp(Utc::now()));
        store.write(move |s| s.end_chain(&job, &now)).await.map_err(storage)?;
    }
    Ok((forgotten, busy))
}

fn named(read: &UnderWay) -> String {
    let parts = [&read.parent_id, &read.variant, &read.market];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).map(|part| printable(part)).collect();
    let of = if parts.is_empty() { String::new() } else { format!(" of {}", parts.join(", ")) };
    format!("{}{of}", read.kind)
}
