//! The lists of a world as the sandbox knows them, and the files that show them.

use serde_json::Value;
use spotify_sandbox::{CatalogHandle, ExpectedRow, QuotaMode, fixtures};

/// A list whose rows are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorldList {
    Playlist(&'static str),
    /// Saved items of a user: the key of the sandbox, such as `saved_tracks`, and the id of the user.
    Library(&'static str, &'static str),
    Album(&'static str),
    /// One group of an artist's discography.
    Discography(&'static str, &'static str),
    Episodes(&'static str),
}

/// The part of a CSV that shows one list.
#[derive(Debug, Clone, Copy)]
pub struct ListFile {
    pub job: &'static str,
    pub stream: &'static str,
    /// The local name of the user; empty for the app.
    pub user: &'static str,
    /// Path below the folder of the CSVs, with `{date}`.
    pub path: &'static str,
    pub list: WorldList,
    /// The rows that have this value in this column.
    pub only: (&'static str, &'static str),
}

/// What one row should be: the item that it shows, and columns with their texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrueRow {
    pub item: String,
    pub cells: Vec<(&'static str, String)>,
}

impl WorldList {
    /// The column that says which item a row shows.
    pub fn item_column(self) -> &'static str {
        match self {
            WorldList::Playlist(_) => "uri",
            WorldList::Library("saved_tracks", _) | WorldList::Album(_) => "track_id",
            WorldList::Library("followed_artists", _) => "artist_id",
            WorldList::Library(..) | WorldList::Discography(..) => "album_id",
            WorldList::Episodes(_) => "episode_id",
        }
    }

    /// The id by which notes name the list; none for libraries.
    pub fn id(self) -> Option<&'static str> {
        match self {
            WorldList::Playlist(id)
            | WorldList::Album(id)
            | WorldList::Discography(id, _)
            | WorldList::Episodes(id) => Some(id),
            WorldList::Library(..) => None,
        }
    }

    /// Its rows in the sandbox now.
    pub fn true_rows(self, catalog: &CatalogHandle<'_>) -> Vec<TrueRow> {
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().unwrap().iter().filter_map(|id| id.as_str().map(str::to_owned)).collect()
        };
        let track = |id: String| TrueRow { cells: track_cells(&catalog.expected_track(&id).unwrap()), item: id };
        let named = |kind: &str, column: &'static str, id: String| {
            let name = text(catalog.expected_ids(kind, &id).unwrap()["name"].as_str());
            TrueRow { item: id, cells: vec![(column, name)] }
        };
        match self {
            WorldList::Playlist(id) => {
                let rows = catalog.expected_rows(id).unwrap();
                rows.iter().map(playlist_row).collect()
            }
            WorldList::Library("followed_artists", user) => {
                let ids = texts(&catalog.expected_ids("users", user).unwrap()["followed_artists"]);
                ids.into_iter().map(|id| named("artists", "artist_name", id)).collect()
            }
            WorldList::Library(list, user) => {
                let truth = catalog.expected_ids("users", user).unwrap();
                let saved = truth[list].as_array().unwrap().iter().filter(|saved| !saved.is_null());
                let row = |saved: &Value| {
                    let id = text(saved["id"].as_str());
                    let mut row = match list {
                        "saved_tracks" => track(id),
                        _ => named("albums", "album_name", id),
                    };
                    row.cells.push(("added_at", text(saved["added_at"].as_str())));
                    row
                };
                saved.map(row).collect()
            }
            WorldList::Album(id) => {
                let of_album = ["track_id", "track_name", "artist_ids", "artist_names", "disc_number", "track_number"];
                let ids = texts(&catalog.expected_ids("albums", id).unwrap()["tracks"]);
                let row = |id| {
                    let mut row = track(id);
                    row.cells.retain(|(column, _)| of_album.contains(column));
                    row
                };
                ids.into_iter().map(row).collect()
            }
            WorldList::Discography(id, group) => {
                let ids = texts(&catalog.expected_ids("artists", id).unwrap()[group]);
                ids.into_iter().map(|id| named("albums", "album_name", id)).collect()
            }
            WorldList::Episodes(id) => {
                let truth = catalog.expected_ids("shows", id).unwrap();
                let row = |item| TrueRow { item, cells: vec![("show_id", id.to_owned())] };
                texts(&truth["episodes"]).into_iter().map(row).collect()
            }
        }
    }
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

fn number(value: Option<u64>) -> String {
    value.map(|n| n.to_string()).unwrap_or_default()
}

fn playlist_row(row: &ExpectedRow) -> TrueRow {
    let mut cells = match row.kind.as_str() {
        "track" => track_cells(row),
        "episode" => vec![("episode_id", text(row.id.as_deref())), ("episode_name", text(row.name.as_deref()))],
        _ => Vec::new(),
    };
    cells.extend([
        ("kind", row.kind.clone()),
        ("added_at", text(row.added_at.as_deref())),
        ("added_by", text(row.added_by.as_deref())),
    ]);
    TrueRow { item: text(row.uri.as_deref()), cells }
}

fn track_cells(row: &ExpectedRow) -> Vec<(&'static str, String)> {
    vec![
        ("track_id", text(row.id.as_deref())),
        ("track_name", text(row.name.as_deref())),
        ("artist_ids", row.artist_ids.join("; ")),
        ("artist_names", row.artist_names.join("; ")),
        ("album_id", text(row.album_id.as_deref())),
        ("album_name", text(row.album_name.as_deref())),
        ("album_type", text(row.album_type.as_deref())),
        ("release_date", text(row.release_date.as_deref())),
        ("release_date_precision", text(row.release_date_precision.as_deref())),
        ("duration_ms", number(row.duration_ms)),
        ("disc_number", number(row.disc_number)),
        ("track_number", number(row.track_number)),
        ("explicit", row.explicit.map(|explicit| explicit.to_string()).unwrap_or_default()),
    ]
}

/// The job whose rows are deleted when they are old.
pub const JOB_WITH_RETENTION: &str = "home";

/// The job files. Two readers share playlists, some names have a date, one job has a retention, one has two users.
pub fn job_files(mode: QuotaMode) -> Vec<(&'static str, String)> {
    let home = read_by_home(mode).iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ");
    let home = format!(
        "user = \"home\"\nretention = \"40d\"\n[[fetch]]\nstream = \"playlist_items\"\nids = [{home}]\n\
         [[fetch]]\nstream = \"saved_tracks\"\ncsv = \"{{date}}/saved-{{user}}.csv\"\n"
    );
    let app = format!(
        "[[fetch]]\nstream = \"album_tracks\"\nids = [\"{}\"]\n[[fetch]]\nstream = \"artist_albums\"\nids = [\"{}\"]\n",
        fixtures::LONG_ALBUM,
        fixtures::BUSY_ARTIST,
    );
    // In Development Mode, the app itself may not read any playlist.
    let app = match mode {
        QuotaMode::Development => app,
        QuotaMode::Extended => format!(
            "[[fetch]]\nstream = \"playlist_items\"\nids = [\"{}\", \"{}\"]\ncsv = \"items-{{date}}.csv\"\n{app}",
            fixtures::HOME_PLAYLIST,
            fixtures::FOREIGN_PLAYLIST,
        ),
    };
    let both = "users = [\"home\", \"studio\"]\n[[fetch]]\nstream = \"saved_tracks\"\n[[fetch]]\n\
                stream = \"saved_albums\"\n[[fetch]]\nstream = \"followed_artists\"\n";
    let studio = format!(
        "user = \"studio\"\n[[fetch]]\nstream = \"my_playlist_items\"\n[[fetch]]\nstream = \"recently_played\"\n\
         [[fetch]]\nstream = \"top_tracks\"\n[[fetch]]\nstream = \"show_episodes\"\nids = [\"{}\"]\n",
        fixtures::SHOW
    );
    vec![(JOB_WITH_RETENTION, home), ("app", app), ("both", both.to_owned()), ("studio", studio)]
}

/// The playlists that the job of `home` reads.
pub fn read_by_home(mode: QuotaMode) -> &'static [&'static str] {
    match mode {
        QuotaMode::Development => &[fixtures::HOME_PLAYLIST, fixtures::SHARED_PLAYLIST],
        QuotaMode::Extended => &[fixtures::HOME_PLAYLIST, fixtures::FOREIGN_PLAYLIST, fixtures::SHARED_PLAYLIST],
    }
}

/// All lists with the files that show them.
pub fn list_files(mode: QuotaMode) -> Vec<ListFile> {
    let mut files = Vec::new();
    let mut add = |job, stream, user, path, list, only| files.push(ListFile { job, stream, user, path, list, only });
    for id in read_by_home(mode) {
        let list = WorldList::Playlist(id);
        add("home", "playlist_items", "home", "home/playlist_items.csv", list, ("playlist_id", *id));
    }
    let saved = WorldList::Library("saved_tracks", fixtures::HOME_USER);
    add("home", "saved_tracks", "home", "home/{date}/saved-home.csv", saved, ("user", "home"));
    if mode == QuotaMode::Extended {
        for id in [fixtures::HOME_PLAYLIST, fixtures::FOREIGN_PLAYLIST] {
            let list = WorldList::Playlist(id);
            add("app", "playlist_items", "", "app/items-{date}.csv", list, ("playlist_id", id));
        }
    }
    let album = fixtures::LONG_ALBUM;
    add("app", "album_tracks", "", "app/album_tracks.csv", WorldList::Album(album), ("album_id", album));
    for group in ["album", "single"] {
        let list = WorldList::Discography(fixtures::BUSY_ARTIST, group);
        add("app", "artist_albums", "", "app/artist_albums.csv", list, ("album_group", group));
    }
    for (list, path) in [
        ("saved_tracks", "both/saved_tracks.csv"),
        ("saved_albums", "both/saved_albums.csv"),
        ("followed_artists", "both/followed_artists.csv"),
    ] {
        add("both", list, "home", path, WorldList::Library(list, fixtures::HOME_USER), ("user", "home"));
        add("both", list, "studio", path, WorldList::Library(list, fixtures::STUDIO_USER), ("user", "studio"));
    }
    for id in [fixtures::SHARED_PLAYLIST, fixtures::STUDIO_PLAYLIST] {
        let list = WorldList::Playlist(id);
        add("studio", "my_playlist_items", "studio", "studio/my_playlist_items.csv", list, ("playlist_id", id));
    }
    let show = fixtures::SHOW;
    add("studio", "show_episodes", "studio", "studio/show_episodes.csv", WorldList::Episodes(show), ("show_id", show));
    files
}
