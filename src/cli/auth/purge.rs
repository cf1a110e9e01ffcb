//! `auth logout --purge`: deletes a user's rows, files and raw responses, and lists the places that it cannot reach.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::app::App;
use crate::cli::args::ExportArgs;
use crate::cli::runtime::runtime;
use crate::cli::{CommandError, ExitStatus, OrExit, export, print};
use crate::document::printable;
use crate::export::{ExportTarget, forget_missing_files};
use crate::job::{Job, JobUsers};
use crate::store::{RawAnswers, StoreError, accounts, open_writer, purge};
use crate::sync::{JobLock, LockError};
use spotify_client::state::grants::SpotifyAccount;

/// Deletes a user's rows and rewrites the CSV files. `None` if the store has no such user.
pub(super) fn run(
    name: &str,
    account: Option<SpotifyAccount>,
    app: &App<'_>,
) -> Result<Option<ExitStatus>, CommandError> {
    if !app.database_path().exists() {
        print::stderr("there is no store, so there is nothing to delete\n");
        return Ok(None);
    }
    // A run in progress would write the deleted rows again.
    let _locks = lock_jobs(name, app)?;
    let store = app.open_store()?;
    let runtime = runtime()?;
    let (local, known) = (name.to_owned(), account);
    let found = runtime.block_on(store.write(move |s| {
        // A user who signed out earlier is still named in the store.
        let user = match &known {
            Some(account) => Some(accounts::stored_id(s, account.account_id.as_deref(), &account.user_id)?),
            None => purge::account_id(s, &local)?,
        };
        Ok((user, purge::files_of_user(s, &local)?))
    }));
    let (user, files) = found.or_exit(ExitStatus::Storage)?;
    let Some(user) = user else {
        print::stderr(&format!("the store has no data of {name}: no run has read the account\n"));
        return Ok(None);
    };
    // Files go first: if the command is killed, the next one finds them in the records.
    let target = app.job_files()?.target;
    let folder = target.csv_dir.clone();
    for file in &files {
        let path = folder.join(file);
        if path.exists() {
            std::fs::remove_file(&path).or_exit(ExitStatus::Storage)?;
            print::stderr(&format!("deleted   {}\n", printable(&path.display().to_string())));
        }
    }
    let (local, account) = (name.to_owned(), user.clone());
    let purged = runtime.block_on(async {
        let purged = store.write(move |s| {
            purge::forget_files_of_user(s, &local)?;
            purge::purge_user(s, &account)
        });
        let purged = purged.await?;
        store.compact().await?;
        Ok::<_, StoreError>(purged)
    });
    let purged = purged.or_exit(ExitStatus::Storage)?;
    if let Ok(store) = Arc::try_unwrap(store) {
        store.close();
    }
    rewrite_packages(app, &target, &files)?;
    let answers = RawAnswers::delete_personal(&app.database_path()).or_exit(ExitStatus::Storage)?;
    print::stderr(&format!(
        "{name}: deleted {} of the library, tops and plays and {}; data shared with other users are kept\n",
        print::count(purged.rows, "row"),
        print::count(purged.playlists, "playlist")
    ));
    if answers > 0 {
        print::stderr(&format!(
            "deleted {answers} raw responses about users, since they do not say which user they belong to\n"
        ));
    }
    let exit = export::run(&ExportArgs { jobs: Vec::new() }, app.context)?;
    report_remaining_files(&folder, name, &user);
    if exit != ExitStatus::Complete {
        print::stderr("hint: some files were not rewritten; run `cratedigger export` when the problem is solved\n");
    }
    Ok(Some(exit))
}

/// Rewrites the data packages of the jobs with deleted files, also of jobs that no longer have a job file.
fn rewrite_packages(app: &App<'_>, target: &ExportTarget, deleted: &[String]) -> Result<(), CommandError> {
    let jobs: BTreeSet<&str> = deleted.iter().filter_map(|path| path.split('/').next()).collect();
    let store = open_writer(&app.database_path(), app.job_files()?.access).or_exit(ExitStatus::Storage)?;
    jobs.into_iter()
        .try_for_each(|job| forget_missing_files(&store, target, job).map(drop))
        .or_exit(ExitStatus::Storage)
}

/// Locks the jobs of a user, so that they cannot run.
fn lock_jobs(name: &str, app: &App<'_>) -> Result<Vec<JobLock>, CommandError> {
    let asks = |job: &Job| match &job.users {
        JobUsers::Named(names) => names.iter().any(|user| user == name),
        JobUsers::All => true,
        JobUsers::None => false,
    };
    let (store, hangs) = (app.database_path(), app.settings.schedule.max_runtime);
    let jobs = app.context.jobs(app.settings, &[]).jobs;
    let lock = |job: &Job| {
        JobLock::take(app.state.path(), &store, &job.name, hangs).map_err(|e| match e {
            LockError::Io { .. } => CommandError::new(ExitStatus::Storage, e),
            _ => CommandError::new(ExitStatus::Deferred, e)
                .with_hint("nothing was deleted; wait for that run to finish, or stop it, then try again"),
        })
    };
    jobs.iter().filter(|job| asks(job)).map(lock).collect()
}

/// Lists the files that still mention the user, such as dated files and results of queries.
fn report_remaining_files(folder: &Path, name: &str, user: &str) {
    let marks = [format!("\"{name}\""), user.to_owned()];
    let mut left = Vec::new();
    for job in entries(folder) {
        let files = entries(&job).into_iter().filter(|path| path.extension().is_some_and(|it| it == "csv"));
        left.extend(files.filter(|path| {
            let text = std::fs::read(path).unwrap_or_default();
            marks.iter().any(|mark| text.windows(mark.len()).any(|part| part == mark.as_bytes()))
        }));
    }
    for path in &left {
        print::stderr(&format!("left      {} still mentions this user\n", printable(&path.display().to_string())));
    }
    print::stderr(
        "not deleted: backups and copies of the store, files of queries or earlier days that no job writes any more, \
         and copies that others have made\n",
    );
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    paths
}
