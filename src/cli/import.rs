//! `import history FILE…`: adds the plays of Spotify's privacy export to the store. It sends no call.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::Utc;
use serde_json::json;

use super::app::App;
use super::args::{ImportCommand, ImportFilesArgs, ImportHistoryArgs};
use super::compact::share_store;
use super::error_exits::{grant_error, store_error, unreadable_store};
use super::runtime::runtime;
use super::sign_in_status::open_existing_grants;
use super::store_file::require_store;
use super::table::format_table;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::printable;
use crate::input_file::{self, InputFileError};
use crate::store::{ExportedPlay, ImportedPlays, accounts, import_plays, open_current_schema, timestamp};
use crate::sync::ExportedHistory;

/// A larger file is not one of the export: those have about 12 MB each.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Songs without a place that are listed for people.
const MAX_LISTED: usize = 20;

pub fn run(args: &ImportFilesArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    match &args.command {
        ImportCommand::History(args) => import_history(args, context),
    }
}

/// The sum of what the files contain.
#[derive(Default)]
struct HistorySum {
    files: u64,
    entries: u64,
    short: u64,
    other_media: u64,
    wrong_time: u64,
    unreadable: u64,
    usernames: BTreeSet<String>,
    plays: Vec<ExportedPlay>,
}

fn import_history(args: &ImportHistoryArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    require_store(context, &settings)?;
    let mut sum = HistorySum::default();
    for path in history_files(&args.files)? {
        sum.read(&path)?;
    }
    let app = App::open(context, &settings)?;
    // Plays that were read before a purge must not be written after it.
    let _lock = share_store(&app, "nothing was imported")?;
    let (name, user_id) = find_user(args.user.as_deref(), &app)?;
    let store = app.store()?;
    let runtime = runtime()?;
    let known_as = user_id.clone();
    let ids = runtime.block_on(store.write(move |tx| accounts::ids_of(tx, &known_as))).map_err(store_error)?.user_ids;
    let is_foreign = |username: &&String| !ids.iter().any(|id| id.to_lowercase() == username.to_lowercase());
    // An old account may have another user name than id. With `--user`, the caller has decided who owns the files.
    if let Some(other) = sum.usernames.iter().find(is_foreign).filter(|_| args.user.is_none()) {
        let error = anyhow::anyhow!(
            "the files contain plays of the account {}, and user {} is the account {}; nothing was imported",
            printable(other),
            printable(&name),
            printable(&user_id)
        );
        return Err(CommandError::new(ExitStatus::Usage, error).with_hint(
            "if both are the same person, or if the files belong to another user, name the user: --user USER",
        ));
    }
    let plays = std::mem::take(&mut sum.plays);
    let count = plays.len() as u64;
    let (user, now) = (user_id, timestamp(Utc::now()));
    let imported = runtime.block_on(import_plays(store, user, plays, now)).map_err(store_error)?;
    app.close();
    report(&sum, count, &imported, &name, context)
}

fn report(
    sum: &HistorySum,
    plays: u64,
    imported: &ImportedPlays,
    user: &str,
    context: &CommandContext,
) -> Result<ExitStatus, CommandError> {
    let unplaced: u64 = imported.unplaced.iter().map(|(_, plays)| plays).sum();
    if context.json {
        let songs: Vec<_> = imported
            .unplaced
            .iter()
            .map(|((artist, title), plays)| json!({ "artist": artist, "title": title, "plays": plays }))
            .collect();
        print::json(&json!({
            "user": user, "files": sum.files, "entries": sum.entries, "plays": plays, "added": imported.added,
            "known": imported.known, "short": sum.short, "other_media": sum.other_media,
            "wrong_time": sum.wrong_time, "unreadable": sum.unreadable,
            "unplaced": unplaced, "unplaced_songs": songs,
        }))
        .or_exit(ExitStatus::Storage)?;
        return Ok(ExitStatus::Complete);
    }
    let mut out = format!(
        "{} in {}: {} added for {}\n",
        print::count(sum.entries, "entry"),
        print::count(sum.files, "file"),
        print::count(imported.added, "play"),
        printable(user)
    );
    for (number, what) in [
        (imported.known, "known already, from the API, from an earlier import or from another of these files"),
        (sum.short, "shorter than 30 seconds, which the API does not list either"),
        (sum.other_media, "podcasts, audiobooks and videos"),
        (sum.wrong_time, "at a time before 2006, when Spotify was founded, or in the future"),
        (sum.unreadable, "without a time, a name or a length"),
        (unplaced, "not imported: the files name the track without an id, and the store does not have it"),
    ] {
        if number > 0 {
            out.push_str(&format!("  {number:>8}  {what}\n"));
        }
    }
    if !imported.unplaced.is_empty() {
        let mut rows = vec![["PLAYS", "ARTIST", "TITLE"].map(str::to_owned).to_vec()];
        rows.extend(
            imported
                .unplaced
                .iter()
                .take(MAX_LISTED)
                .map(|((artist, title), plays)| vec![plays.to_string(), print::shorten(artist), print::shorten(title)]),
        );
        out.push_str(&format!("\n{}", format_table(&rows)));
        if let Some(more) = imported.unplaced.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
            out.push_str(&format!("and {more} more (--json lists all)\n"));
        }
        out.push_str(
            "The \"Extended streaming history\" has ids. Or read these tracks with a job, and import again.\n",
        );
    }
    print::stdout(&out).or_exit(ExitStatus::Storage)?;
    Ok(ExitStatus::Complete)
}

impl HistorySum {
    fn read(&mut self, path: &Path) -> Result<(), CommandError> {
        let shown = printable(&path.display().to_string());
        let read = match input_file::read_file(path, MAX_FILE_BYTES) {
            Err(InputFileError::Io(e)) => Err(anyhow::Error::new(e).context(format!("failed to read {shown}"))),
            Err(refused) => Err(anyhow::anyhow!("{shown} {refused}")),
            Ok(bytes) => ExportedHistory::read(&bytes, Utc::now()).map_err(|why| anyhow::anyhow!("{shown} {why}")),
        };
        let history = read.or_exit(ExitStatus::Usage).map_err(|error| {
            error.with_hint(
                "Spotify sends the files after a request at https://www.spotify.com/account/privacy; take those that are \
                 named Streaming_History_Audio_… or StreamingHistory_music_…",
            )
        })?;
        self.files += 1;
        self.entries += history.entries;
        self.short += history.short;
        self.other_media += history.other_media;
        self.wrong_time += history.wrong_time;
        self.unreadable += history.unreadable;
        self.plays.extend(history.plays);
        self.usernames.extend(history.usernames);
        Ok(())
    }
}

/// Folders within folders are read to this depth. The export has one or two levels.
const MAX_DEPTH: usize = 8;

/// The named files, and in folders and their subfolders those with the names of a streaming history.
fn history_files(named: &[PathBuf]) -> Result<Vec<PathBuf>, CommandError> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut found = Vec::new();
        find_in_folder(path, MAX_DEPTH, &mut found)?;
        found.sort();
        if found.is_empty() {
            let shown = printable(&path.display().to_string());
            let error = anyhow::anyhow!("the folder {shown} and its subfolders have no file of a streaming history");
            return Err(CommandError::new(ExitStatus::Usage, error).with_hint("name the files"));
        }
        files.extend(found);
    }
    Ok(files)
}

/// Links to folders are not followed, so that no file is read twice.
fn find_in_folder(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), CommandError> {
    let shown = printable(&folder.display().to_string());
    let entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| anyhow::Error::new(e).context(format!("failed to read {shown}")))
        .or_exit(ExitStatus::Usage)?;
    for entry in entries {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if depth > 0 {
                find_in_folder(&path, depth - 1, found)?;
            }
        } else if is_history(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_history(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    let is_named = ["streaming_history_", "streaminghistory", "endsong"].iter().any(|start| name.starts_with(start));
    is_named && Path::new(&name).extension().is_some_and(|ext| ext == "json")
}

/// The local name of the user and the id under which the rows of the account are stored.
fn find_user(wanted: Option<&str>, app: &App<'_>) -> Result<(String, String), CommandError> {
    let database = app.database_path();
    let users = {
        let store = open_current_schema(&database).map_err(store_error)?;
        accounts::user_ids_by_name(&store).map_err(unreadable_store(&database))?
    };
    match (wanted, users.as_slice()) {
        (None, [(name, id)]) => return Ok((name.clone(), id.clone())),
        (None, []) => {
            let error = anyhow::anyhow!("the store has no user yet");
            return Err(CommandError::new(ExitStatus::Usage, error)
                .with_hint("name a user who is signed in: --user USER (cratedigger auth login USER)"));
        }
        (None, _) => {
            let names: Vec<&str> = users.iter().map(|(name, _)| name.as_str()).collect();
            let error = anyhow::anyhow!("the store has several users: {}", printable(&names.join(", ")));
            return Err(CommandError::new(ExitStatus::Usage, error).with_hint("name one of them: --user USER"));
        }
        (Some(wanted), _) => {
            if let Some(found) = users.iter().find(|(name, _)| name == wanted) {
                return Ok(found.clone());
            }
        }
    }
    // The user is signed in and has no run yet.
    let wanted = wanted.unwrap_or_default();
    let grants = open_existing_grants(app.context, app.settings)?;
    let grant = grants.map(|grants| grants.get(wanted)).transpose().map_err(grant_error)?.flatten();
    let Some(account) = grant.and_then(|grant| grant.account) else {
        let error = anyhow::anyhow!("there is no user {} in the store or among the sign-ins", printable(wanted));
        let hint = format!("cratedigger auth login {}", printable(wanted));
        return Err(CommandError::new(ExitStatus::UserAction, error).with_hint(hint));
    };
    let store = app.store()?;
    let (local, now) = (wanted.to_owned(), timestamp(Utc::now()));
    let stored = runtime()?.block_on(store.write(move |tx| {
        let id = accounts::stored_id(tx, account.account_id.as_deref(), &account.user_id)?;
        // Another sign-in of an account that has a name already.
        if users.iter().any(|(_, known)| *known == id) {
            return Ok(id);
        }
        accounts::name_user(tx, &id, &local, &now)?;
        Ok(id)
    }));
    Ok((wanted.to_owned(), stored.map_err(store_error)?))
}
