//! `auth logout --purge`: deletes a user's rows, files and raw responses, and lists the places that it cannot reach.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod leftovers;
mod packed_files;
mod report;
mod searched_words;
mod stores;
mod unfinished_words;

pub(super) use report::report_leftovers;
pub(super) use stores::{OtherStore, other_stores, run_in_all};
use unfinished_words::UnfinishedWords;

use crate::cli::app::App;
use crate::cli::args::ExportArgs;
use crate::cli::error_exits::{file_error, store_error};
use crate::cli::runtime::runtime;
use crate::cli::{CommandError, ExitStatus, OrExit, export, print, push};
use crate::document::printable;
use crate::export::{
    ClearedFiles, ExportTarget, UserMentions, clear_user_files, delete_workbooks, forget_missing_files,
    left_by_earlier_purges,
};
use crate::notify::{AlertStore, normalize_reason};
use crate::store::{
    CompactReport, PurgeCounts, PurgedUser, RawAnswers, Store, StoreError, canonical_path, delete_all_backups,
    open_writer, purge,
};
use spotify_client::state::grants::Grant;

/// A word with fewer letters besides its numbers is in texts about something else.
const LEAST_LETTERS: usize = 4;

/// What a purge has left, as far as the command can know.
pub(in crate::cli::auth) struct PurgeOutcome {
    pub(in crate::cli::auth) exit: ExitStatus,
    user: PurgedUser,
    csv_dir: PathBuf,
    /// Paths below the CSV folder of files that no job has rendered again.
    not_rendered: Vec<String>,
    /// Databases that other programs keep from being rewritten.
    held: Vec<PathBuf>,
    /// Targets that still have the rows, because they could not be pushed to.
    targets: Vec<String>,
}

/// Deletes a user's rows and files from one store, which is locked. Returns `None` if there is nothing of such a user.
fn run(name: &str, grant: Option<&Grant>, app: &App<'_>) -> Result<Option<PurgeOutcome>, CommandError> {
    let database = app.database_path();
    let alerts = AlertStore::new(app.state.path(), &canonical_path(&database));
    let unknown = PurgedUser { local_names: BTreeSet::from([name.to_owned()]), ..PurgedUser::default() };
    if !database.exists() {
        // A mistyped name may be a word that any text contains.
        if grant.is_some() {
            forget_alerts(&alerts, &unknown, &BTreeSet::new())?;
        }
        return Ok(None);
    }
    let store = app.open_store()?;
    let runtime = runtime()?;
    let (local, known) = (name.to_owned(), grant.and_then(|grant| grant.account.clone()));
    let found = runtime.block_on(store.write(move |s| {
        let account = known.as_ref().map(|known| (known.account_id.as_deref(), known.user_id.as_str()));
        let mut user = PurgedUser::find(s, &local, account)?;
        let mut jobs = BTreeSet::new();
        if let Some(user) = &mut user {
            user.playlists = purge::playlists_of(s, user)?;
            jobs = purge::jobs_of(s, user)?;
        }
        Ok((user, jobs, purge::is_unfinished(s)?))
    }));
    let (user, jobs, is_unfinished) = found.map_err(store_error)?;
    let is_known = user.is_some();
    let words = UnfinishedWords::of(app);
    let earlier = words.read().filter(|_| is_unfinished);
    let mut user = user.unwrap_or(unknown);
    if is_known || grant.is_some() {
        forget_alerts(&alerts, &user, &jobs)?;
    }
    if !is_known && !is_unfinished {
        return Ok(None);
    }
    let has_words = is_known || earlier.is_some();
    user.extend(earlier.unwrap_or_default());
    let mentions = if has_words { UserMentions::of(&user) } else { UserMentions::default() };
    words.write(&user).or_exit(ExitStatus::Storage)?;
    let target = app.job_files()?.target;
    // Files go first: if the command is killed, the next one finds them in the records.
    let (csv, user) = (target.clone(), user);
    let cleared = runtime.block_on(store.with_connection({
        let user = user.clone();
        move |conn| clear_user_files(conn, &csv, &user, &mentions)
    }));
    let cleared = cleared.map_err(store_error)?.map_err(file_error)?;
    let purged = match is_known {
        true => {
            let user = user.clone();
            Some(runtime.block_on(store.write(move |s| purge::purge_user(s, &user))).map_err(store_error)?)
        }
        false => None,
    };
    if let Ok(store) = Arc::try_unwrap(store) {
        store.close();
    }
    report_files(&cleared);
    match purged {
        Some(purged) => report_counts(name, &purged),
        None => print::stderr("an earlier purge was not finished; finishing it\n"),
    }
    finish(user, &cleared, app, &target).map(Some)
}

/// Deletes what the state folder says about the user, and the messages and pings of jobs that read for the user.
fn forget_alerts(alerts: &AlertStore, user: &PurgedUser, jobs: &BTreeSet<String>) -> Result<(), CommandError> {
    // Alerts and warnings are kept with `#` for each number. The rest of an id may be in any text.
    let normalized = user.in_other_words(|word| {
        let word = normalize_reason(word);
        (word.chars().filter(|c| *c != '#').count() >= LEAST_LETTERS).then_some(word)
    });
    let is_mentioned = |text: &str| user.is_mentioned_in(text) || normalized.is_mentioned_in(text);
    alerts.forget_mentions(is_mentioned, |job| jobs.contains(job)).or_exit(ExitStatus::Storage).map(drop)
}

/// What follows the deletion of the rows. A later purge repeats it if this one is killed.
fn finish(
    user: PurgedUser,
    cleared: &ClearedFiles,
    app: &App<'_>,
    target: &ExportTarget,
) -> Result<PurgeOutcome, CommandError> {
    let database = app.database_path();
    for path in delete_all_backups(&database).map_err(store_error)? {
        print::stderr(&format!("deleted   {} (a copy from before an upgrade)\n", shown(&path)));
    }
    let raw = RawAnswers::delete_personal(&database).map_err(store_error)?;
    if let Some((answers, _)) = raw.filter(|(answers, _)| *answers > 0) {
        print::stderr(&format!(
            "deleted {answers} raw responses about users, since they do not say which user they belong to\n"
        ));
    }
    let exit = export::run_in_locked_store(&ExportArgs { jobs: Vec::new() }, app.context)?;
    if exit != ExitStatus::Complete {
        print::stderr("hint: some files were not rewritten; run `cratedigger export` when the problem is solved\n");
    }
    let not_rendered = rewrite_packages(app, target, cleared)?;
    let mut held = Vec::new();
    if raw.is_some_and(|(_, raw)| raw.wal_bytes > 0) {
        held.push(database.with_extension("raw.db"));
    }
    let compacted = runtime()?.block_on(compact(app.open_store()?, held.is_empty())).map_err(store_error)?;
    if compacted.wal_bytes > 0 {
        held.insert(0, database.clone());
    }
    if held.is_empty() {
        UnfinishedWords::of(app).delete().or_exit(ExitStatus::Storage)?;
    }
    let csv_dir = target.csv_dir.clone();
    let targets = push::push_purge(app.context, app.settings)?;
    let exit = match exit {
        _ if !held.is_empty() => ExitStatus::Deferred,
        ExitStatus::Complete if !(cleared.left.is_empty() && not_rendered.is_empty() && targets.is_empty()) => {
            ExitStatus::Partial
        }
        exit => exit,
    };
    Ok(PurgeOutcome { exit, user, csv_dir, not_rendered, held, targets })
}

/// Rewrites the store, so that the deleted bytes disappear, and records that the purge is finished, unless the file of raw
/// responses still contains some.
async fn compact(store: Arc<Store>, is_last: bool) -> Result<CompactReport, StoreError> {
    let compacted = store.compact().await?;
    if compacted.wal_bytes == 0 && is_last {
        store.write(purge::finish).await?;
    }
    if let Ok(store) = Arc::try_unwrap(store) {
        store.close();
    }
    Ok(compacted)
}

/// Deletes the workbooks that no job has rendered again, and rewrites the data packages of the jobs with deleted files, also of
/// jobs that no longer have a job file. Returns the other files that no job has rendered again.
fn rewrite_packages(app: &App<'_>, target: &ExportTarget, cleared: &ClearedFiles) -> Result<Vec<String>, CommandError> {
    let store = open_writer(&app.database_path(), app.job_files()?.access).map_err(store_error)?;
    let not_rendered = || {
        let left = left_by_earlier_purges(&store, target).map_err(|source| StoreError::Sqlite {
            path: app.database_path(),
            what: "cannot be written",
            source,
        });
        let mut left = left.map_err(store_error)?;
        left.retain(|path| cleared.to_render.contains(path));
        Ok(left)
    };
    let workbooks = delete_workbooks(&store, target, &not_rendered()?).map_err(file_error)?;
    for path in &workbooks {
        print::stderr(&format!("deleted   {} (no job writes it again)\n", shown(path)));
    }
    let below = |path: &PathBuf| path.strip_prefix(&target.csv_dir).ok().map(Path::to_owned);
    let paths = cleared.deleted.iter().chain(&cleared.shortened).chain(&workbooks).filter_map(below);
    let jobs: BTreeSet<String> =
        paths.filter_map(|path| path.iter().next().map(|job| job.to_string_lossy().into_owned())).collect();
    for job in &jobs {
        forget_missing_files(&store, target, job).map_err(file_error)?;
    }
    not_rendered()
}

fn report_files(cleared: &ClearedFiles) {
    for path in &cleared.deleted {
        print::stderr(&format!("deleted   {}\n", shown(path)));
    }
    for path in &cleared.shortened {
        print::stderr(&format!("shortened {}\n", shown(path)));
    }
    for (path, why) in &cleared.left {
        print::stderr(&format!("left      {}: {}\n", shown(path), printable(why)));
    }
}

fn report_counts(name: &str, purged: &PurgeCounts) {
    print::stderr(&format!(
        "{name}: deleted {} of the library, tops and plays and {}; data shared with other users are kept\n",
        print::count(purged.rows, "row"),
        print::count(purged.playlists, "playlist")
    ));
    if purged.shared > 0 {
        print::stderr(&format!(
            "kept {} of other readers that name this account as owner or as the one who added an item\n",
            print::count(purged.shared, "playlist")
        ));
    }
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}
