//! What a purge says about the places that may still have the rows of the user.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::leftovers::{self, Mention};
use super::unfinished_words::UnfinishedWords;
use super::{PurgeOutcome, shown};
use crate::cli::app::App;
use crate::cli::print;

/// Lists the data that are left, after the grant was deleted too. `stores` are all stores of the project.
pub(in crate::cli::auth) fn report_leftovers(name: &str, purged: &[(&App<'_>, PurgeOutcome)], stores: &[&App<'_>]) {
    for (_, outcome) in purged {
        for path in &outcome.not_rendered {
            let path = shown(&outcome.csv_dir.join(path));
            print::stderr(&format!("left      {path} may contain rows of this user\n"));
        }
    }
    for (path, mention) in files_that_mention(purged, stores) {
        let what = match mention {
            Mention::User => "still mentions this user",
            Mention::Playlist => "still mentions a deleted playlist of this user",
            Mention::Title => "contains the title of a deleted playlist of this user",
            Mention::Unreadable => "may mention this user: it is compressed or encrypted, or cannot be read",
        };
        print::stderr(&format!("left      {} {what}\n", shown(&path)));
    }
    print::stderr(
        "not deleted: backups and copies of the store elsewhere, rows in places that a target file named earlier (`url`, \
         `schema`, `store`), the system's log, and copies that others have made\n",
    );
    for (app, PurgeOutcome { targets, .. }) in purged.iter().filter(|(_, outcome)| !outcome.targets.is_empty()) {
        for target in targets {
            print::stderr(&format!("left      target {target} still has the deleted rows\n"));
        }
        let shard = app.settings.shard.map(|shard| format!(" --shard {shard}")).unwrap_or_default();
        print::stderr(&format!(
            "hint: when it answers again, run `cratedigger push {}{shard}` to delete them there\n",
            targets.join(" ")
        ));
    }
    let held: Vec<&PathBuf> = purged.iter().flat_map(|(_, outcome)| &outcome.held).collect();
    for path in &held {
        print::stderr(&format!(
            "left      {0} and {0}-wal still contain the deleted rows, because another program is reading them\n",
            shown(path)
        ));
    }
    if !held.is_empty() {
        print::stderr(&format!(
            "hint: end that program, then run `cratedigger auth logout {name} --purge` again to finish\n"
        ));
    }
}

fn files_that_mention(purged: &[(&App<'_>, PurgeOutcome)], stores: &[&App<'_>]) -> BTreeMap<PathBuf, Mention> {
    let own_files = |app: &&App<'_>| {
        let words = UnfinishedWords::of(app).path().to_owned();
        [app.database_path(), app.database_path().with_extension("raw.db"), words]
    };
    let own: Vec<PathBuf> = stores.iter().flat_map(own_files).collect();
    let mut folders = BTreeSet::new();
    for app in stores {
        let database = app.database_path();
        folders.insert(app.context.project.csv_dir(app.settings));
        folders.insert(database.parent().unwrap_or(Path::new(".")).to_owned());
        folders.insert(app.context.project.jobs_dir.clone());
        folders.insert(app.state.path().to_owned());
    }
    let folders: Vec<PathBuf> = folders.into_iter().collect();
    let mut found: BTreeMap<PathBuf, Mention> = BTreeMap::new();
    for (_, outcome) in purged {
        for (path, mention) in leftovers::files_that_mention(&outcome.user, &folders, &own) {
            found.entry(path).and_modify(|known| *known = mention.min(*known)).or_insert(mention);
        }
    }
    found
}
