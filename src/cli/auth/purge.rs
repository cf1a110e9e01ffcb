//! `auth logout --purge`: a person's rows, files and answers, and what of them is out of reach.

use crate::store::purge;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::app::{App, runtime};
use crate::cli::args::ExportArgs;
use crate::cli::{CommandContext, CommandError, ExitStatus, OrExit, export, print};
use crate::document::printable;
use crate::job::{Job, JobUsers};
use crate::store::{RawAnswers, StoreError};
use crate::sync::{JobLock, LockError};
use spotify_client::state::grants::SpotifyAccount;

/// Deletes a person's rows and writes the CSVs again. `None`: the store knows nobody of this name.
pub(super) fn run(
    name: &str,
    account: Option<SpotifyAccount>,
    context: &CommandContext,
    workshop: &App<'_>,
) -> Result<Option<ExitStatus>, CommandError> {
    if !workshop.database_path().exists() {
        print::stderr("there is no store, so nothing to delete\n");
        return Ok(None);
    }
    // A run that goes on would write again what is deleted, for somebody who is not there any more.
    let _locks = lock_jobs(name, context, workshop)?;
    let store = workshop.open_store()?;
    let runtime = runtime()?;
    let (local, known) = (name.to_owned(), account.map(|account| account.user_id));
    let found = runtime.block_on(store.write(move |s| {
        // Who signed out earlier has left the name in the store.
        let user = known.map_or_else(|| purge::account_id(s, &local), |user| Ok(Some(user)))?;
        Ok((user, purge::files_of_user(s, &local)?))
    }));
    let (user, files) = found.or_exit(ExitStatus::Storage)?;
    let Some(user) = user else {
        print::stderr(&format!("the store holds nothing of {name}: no run ever asked whose account it is\n"));
        return Ok(None);
    };
    // The files first: killed in between, the command finds them on record when it is given again.
    let folder = workshop.job_files()?.target.csv_dir;
    for file in files {
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
    let answers = RawAnswers::delete_personal(&workshop.database_path()).or_exit(ExitStatus::Storage)?;
    print::stderr(&format!(
        "{name}: {} of the library, tops and plays and {} are deleted; what others share stays\n",
        print::count(purged.rows, "row"),
        print::count(purged.playlists, "playlist")
    ));
    if answers > 0 {
        print::stderr(&format!(
            "{answers} answers kept as Spotify sent them are deleted: those about people, since nothing says about whom\n"
        ));
    }
    let exit = export::run(&ExportArgs { jobs: Vec::new() }, context)?;
    report_remaining_files(&folder, name, &user);
    if exit != ExitStatus::Complete {
        print::stderr(
            "hint: not all files were written again: `cratedigger export` does that once the trouble is over\n",
        );
    }
    Ok(Some(exit))
}

/// Keeps the jobs of a user from running, as long as the locks are held.
fn lock_jobs(name: &str, context: &CommandContext, workshop: &App<'_>) -> Result<Vec<JobLock>, CommandError> {
    let asks = |job: &Job| match &job.users {
        JobUsers::Named(names) => names.iter().any(|user| user == name),
        JobUsers::All => true,
        JobUsers::None => false,
    };
    let (store, hangs) = (workshop.database_path(), workshop.settings.schedule.max_runtime);
    let jobs = context.jobs(&workshop.settings, &[]).jobs;
    let lock = |job: &Job| {
        JobLock::take(workshop.state.path(), &store, &job.name, hangs).map_err(|e| match e {
            LockError::Io { .. } => CommandError::new(ExitStatus::Storage, e),
            _ => CommandError::new(ExitStatus::Deferred, e).with_hint(
                "nothing was deleted; wait until that run has ended, or stop it, and give the command again",
            ),
        })
    };
    jobs.iter().filter(|job| asks(job)).map(lock).collect()
}

/// Names the files that still hold this person: of earlier days, or of queries that say it themselves.
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
        print::stderr(&format!("left      {} names this person still\n", printable(&path.display().to_string())));
    }
    print::stderr(
        "out of reach: backups and copies of the store, files that queries or earlier days wrote and no job writes any more, \
         and whatever others have taken from them\n",
    );
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    paths
}
