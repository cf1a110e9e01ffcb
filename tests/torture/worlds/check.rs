//! Compares a world with the sandbox's truth.

use std::path::Path;

use super::play::RandomWorld;
use super::steps::{PLAYLISTS, USERS};
use crate::world::{Ran, Row};

fn read_rows(path: &Path) -> Result<Vec<Row>, String> {
    let mut reader = csv::Reader::from_path(path).map_err(|e| format!("{}: {e}", path.display()))?;
    reader.deserialize().map(|row| row.map_err(|e| format!("{}: {e}", path.display()))).collect()
}

/// Compares rows, and names the first difference.
fn compare<T: PartialEq + std::fmt::Debug>(what: &str, found: &[T], wanted: &[T]) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    let at = found.iter().zip(wanted).take_while(|(f, w)| f == w).count();
    let (found_len, wanted_len) = (found.len(), wanted.len());
    Err(format!(
        "{what}: {found_len} rows of {wanted_len}; row {at} is {:?} and should be {:?}",
        found.get(at),
        wanted.get(at)
    ))
}

impl RandomWorld {
    /// Every file that a run reports has as many rows as it says.
    pub fn check_claims(&self, ran: &Ran) -> Result<(), String> {
        for line in ran.stdout.lines() {
            let report: serde_json::Value = serde_json::from_str(line).map_err(|e| format!("{e}: {line}"))?;
            for file in report["files"].as_array().into_iter().flatten().filter(|file| file["outcome"] != "missing") {
                let path = self.world.project.root().join(file["path"].as_str().unwrap_or_default());
                let rows = read_rows(&path)?.len() as u64;
                if file["rows"].as_u64() != Some(rows) {
                    return Err(format!("{} has {rows} rows, not {}", path.display(), file["rows"]));
                }
            }
        }
        Ok(())
    }

    /// All files, the store and the history agree with the truth.
    pub fn check_truth(&self) -> Result<(), String> {
        let date = self.now().format("%Y-%m-%d");
        let csv = self.world.project.root().join("output/csv");
        for file in ["home/playlist_items.csv".to_owned(), format!("app/items-{date}.csv")] {
            self.check_playlists(&file, &read_rows(&csv.join(&file))?)?;
        }
        let home = format!("home/{date}/saved-home.csv");
        self.check_saved(&home, &read_rows(&csv.join(&home))?, "saved_tracks", "track_id", 0..1)?;
        for (list, column) in
            [("saved_tracks", "track_id"), ("saved_albums", "album_id"), ("followed_artists", "artist_id")]
        {
            let file = format!("both/{list}.csv");
            self.check_saved(&file, &read_rows(&csv.join(&file))?, list, column, 0..2)?;
        }
        let verified = self.cli(&["verify"]);
        if verified.code != 0 {
            return Err(format!("verify ends with {}: {}{}", verified.code, verified.stdout, verified.stderr));
        }
        Ok(())
    }

    fn check_playlists(&self, file: &str, rows: &[Row]) -> Result<(), String> {
        for playlist in PLAYLISTS {
            let truth = self.world.sandbox.catalog().expected_rows(playlist).unwrap();
            let wanted: Vec<[String; 2]> =
                truth.into_iter().map(|row| [row.uri.unwrap_or_default(), row.added_at.unwrap_or_default()]).collect();
            let rows = rows.iter().filter(|row| row["playlist_id"] == playlist);
            let found: Vec<[String; 2]> = rows.map(|row| [row["uri"].clone(), row["added_at"].clone()]).collect();
            compare(&format!("{file}, {playlist}"), &found, &wanted)?;
        }
        Ok(())
    }

    fn check_saved(
        &self,
        file: &str,
        rows: &[Row],
        list: &str,
        column: &str,
        users: std::ops::Range<usize>,
    ) -> Result<(), String> {
        for (name, id) in &USERS[users] {
            let truth = self.world.sandbox.catalog().expected_ids("users", id).unwrap();
            let entries = truth[list].as_array().unwrap().iter();
            let wanted: Vec<&str> = entries.filter_map(|one| one["id"].as_str().or(one.as_str())).collect();
            let rows = rows.iter().filter(|row| row["user"] == *name);
            let found: Vec<&str> = rows.map(|row| row[column].as_str()).collect();
            compare(&format!("{file} of {name}"), &found, &wanted)?;
        }
        Ok(())
    }
}
