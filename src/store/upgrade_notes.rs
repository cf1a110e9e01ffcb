//! What each migration of the store changes, for the people whose store it changes.

use std::path::{Path, PathBuf};

use super::migration_backups::backup_path;
use super::open_reader;
use super::schema::{CURRENT_SCHEMA, check_schema};

/// By schema version. All rows of earlier versions are kept.
const NOTES: [(i64, &str); 18] = [
    (2, "lists record what proved them complete, so that later runs send fewer calls"),
    (3, "each run records what it changed in lists, and playlists have a history"),
    (4, "files whose rows are unchanged are not written again"),
    (5, "each scheduled time is served once, whatever starts the runs"),
    (6, "runs record how many calls they were expected to send"),
    (7, "items that left a list and came back are recorded"),
    (8, "reads of lists that could not be proved complete are recorded"),
    (9, "a clock that was set back does not change the order of what was seen"),
    (10, "a much worse answer does not replace a good list"),
    (11, "fields that could not be read are recorded in field_notes"),
    (12, "skipped items record the user whose token was used"),
    (13, "codes are searched for once, and queries know the time of their last file"),
    (14, "a list with an item that cannot be read keeps its other items"),
    (15, "pages and their rows are written in one step"),
    (16, "a second run on a day writes all news of the day again"),
    (17, "plays can be imported from Spotify's privacy export"),
    (18, "other programs can copy what changed since a version"),
    (19, "places of lists that were empty or doubled are recorded, so that items that come late are found"),
];

/// An upgrade of a store by this program.
#[derive(Debug, PartialEq, Eq)]
pub struct StoreUpgrade {
    pub from: i64,
    pub to: i64,
    /// The copy from before.
    pub backup: PathBuf,
    /// What has changed, by schema version.
    pub notes: Vec<(i64, String)>,
}

impl StoreUpgrade {
    /// The upgrade that opening a store makes, if its schema is older.
    pub fn of_store(path: &Path) -> Option<StoreUpgrade> {
        let from = check_schema(&open_reader(path).ok()?, path).ok()?;
        (0 < from && from < CURRENT_SCHEMA).then(|| StoreUpgrade {
            from,
            to: CURRENT_SCHEMA,
            backup: backup_path(path, from),
            notes: (from + 1..=CURRENT_SCHEMA).map(|schema| (schema, note(schema))).collect(),
        })
    }
}

/// The note about a migration.
fn note(schema: i64) -> String {
    NOTES.iter().find(|(of, _)| *of == schema).map(|(_, note)| (*note).to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_migration_has_a_note() {
        let noted: Vec<i64> = NOTES.iter().map(|(schema, _)| *schema).collect();
        assert_eq!(noted, (2..=CURRENT_SCHEMA).collect::<Vec<_>>());
        let docs = include_str!("../../docs/operations.md");
        for (schema, note) in NOTES {
            assert!(docs.contains(&format!("| {schema} | {note} |")), "docs/operations.md lacks schema {schema}");
        }
    }
}
