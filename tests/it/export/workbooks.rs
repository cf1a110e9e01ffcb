//! Workbooks: the rows of the CSV files as typed tables, under the same rules.

use calamine::Data;
use serde_json::{Value, json};
use spotify_sandbox::fixtures;

use crate::support::project::Project;
use crate::support::sign_in::sign_in;
use crate::support::snapshot::Cases;
use crate::support::workbook::{as_csv, cells, sheet_names, sheet_rows};
use crate::support::world::{World, by_ids, fetch};

/// A text as a cell of a workbook has it.
fn fitting(text: &str) -> String {
    let mut units = 0;
    text.chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= 32_767
        })
        .collect()
}

/// Compares every cell of a sheet with the CSV file, and the types of the cells with each other.
fn assert_same_rows(world: &World, sheet: &str, file: &str) -> Vec<&'static str> {
    let (typed, rows) = (sheet_rows(&world.csv_path("x.xlsx"), sheet), world.csv(file));
    assert_eq!(typed.len(), rows.len(), "{sheet}");
    let mut kinds = std::collections::BTreeSet::new();
    for (typed, row) in typed.iter().zip(&rows) {
        for (name, expected) in row {
            let cell = &typed[name];
            assert_eq!(as_csv(cell), fitting(expected), "{name} in {sheet}");
            kinds.insert(match cell {
                Data::Empty => "empty",
                Data::String(_) => "text",
                Data::Float(_) => "number",
                Data::Bool(_) => "boolean",
                Data::DateTime(_) => "time",
                other => panic!("{other:?}"),
            });
        }
        let day = typed.get("release_day").map(as_csv).unwrap_or_default();
        let date = row.get("release_date").map(String::as_str).unwrap_or_default();
        let expected = if date.len() == 10 { format!("{date}T00:00:00Z") } else { String::new() };
        assert_eq!(day, expected, "{sheet}");
    }
    kinds.into_iter().collect()
}

const SETTINGS: &str = "[output]\nxlsx = true\n[csv]\nformula_guard = \"off\"";

#[test]
fn every_cell_is_that_of_the_csv() {
    let items = [fixtures::HOME_PLAYLIST, fixtures::EDGE_CASE_PLAYLIST];
    let job = [
        "description = \"All kinds of rows\"\n".to_owned(),
        by_ids("playlist_items", &items),
        by_ids("artist_albums", &[fixtures::SEMICOLON_ARTIST]),
        fetch("albums", "from = \"artist_albums\""),
        fetch("tracks", "from = \"playlist_items\"\nwhere = \"kind = 'track'\"\ncsv = false"),
        format!("{}name = \"none\"\n", by_ids("playlist_items", &[fixtures::EMPTY_PLAYLIST])),
        "[[query]]\ncsv = \"{date}/counts.csv\"\nsql = \"SELECT kind, count(*) AS n, avg(duration_ms) AS length, NULL AS \
         missing, min(added_at) AS added_at, max(explicit) AS most FROM playlist_items GROUP BY 1 ORDER BY 1\"\n"
            .to_owned(),
    ]
    .concat();
    let world = World::extended().settings(SETTINGS).job(&job);
    world.run(&[]).exits(0);
    let path = world.csv_path("x.xlsx");
    assert_eq!(sheet_names(&path), ["about", "playlist_items", "artist_albums", "albums", "none", "counts"]);
    let kinds = assert_same_rows(&world, "playlist_items", "playlist_items.csv");
    assert_eq!(kinds, ["boolean", "empty", "number", "text", "time"]);
    assert_same_rows(&world, "artist_albums", "artist_albums.csv");
    assert_same_rows(&world, "albums", "albums.csv");
    assert_same_rows(&world, "none", "none.csv");
    let dated = std::fs::read_dir(world.csv_path("")).unwrap().map(|entry| entry.unwrap());
    let dated = dated.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap());
    let counts = format!("{}/counts.csv", dated.last().unwrap());
    assert_same_rows(&world, "counts", &counts);
    let started = world.one("SELECT strftime('%Y-%m-%d %H:%M:%S', started_at) FROM runs");
    let about: Vec<String> =
        cells(&path, "about").iter().map(|row| row.iter().map(as_csv).collect::<Vec<_>>().join(" | ")).collect();
    let mut cases = Cases::default();
    let about = about.join("\n").replace(&started, "[time]").replace(&counts, "[date]/counts.csv");
    cases.add("about", &about);
    cases.assert_text("sheet_about");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn unchanged_rows_leave_the_workbook_untouched() {
    let world = World::extended().job(&format!(
        "xlsx = true\n{}csv = false\njsonl = true\n",
        by_ids("playlist_items", &[fixtures::HOME_PLAYLIST])
    ));
    world.run(&[]).exits(0);
    let state = || {
        let written = std::fs::metadata(world.csv_path("x.xlsx")).unwrap().modified().unwrap();
        (written, world.csv_bytes("x.xlsx"))
    };
    let first = state();
    world.run(&[]).exits(0);
    world.cli(&["export"]).exits(0);
    assert!(first == state());
    // The same run has the same bytes, also when it is rendered again.
    std::fs::write(world.csv_path("x.xlsx"), "PK").unwrap();
    world.cli(&["verify"]).exits(74);
    world.cli(&["verify", "--rewrite-csv"]).exits(0);
    let second = state();
    std::fs::remove_file(world.csv_path("x.xlsx")).unwrap();
    world.cli(&["export"]).exits(0);
    assert!(second.1 == state().1);
    let package: Value = serde_json::from_slice(&world.csv_bytes("datapackage.json")).unwrap();
    let resources = package["resources"].as_array().unwrap();
    let workbook = resources.iter().find(|resource| resource["path"] == "x.xlsx").unwrap();
    assert_eq!((&workbook["rows"], &workbook["format"]), (&json!(120), &json!("xlsx")));
    assert_eq!(workbook["sheets"], json!([{ "name": "playlist_items", "rows": 120 }]));
    assert_eq!(
        world.rows("SELECT source FROM published_files WHERE job = 'x' ORDER BY 1").concat(),
        ["job workbook", "playlist_items as jsonl"]
    );
    // A workbook that the job does not write any more stays as it is.
    let job = std::fs::read_to_string(world.project.root().join("jobs/x.toml")).unwrap();
    world.project.write("jobs/x.toml", job.replace("xlsx = true", "xlsx = false"));
    world.run(&[]).exits(0);
    assert!(second.1 == state().1);
    std::fs::write(world.csv_path("stray.xlsx"), "PK").unwrap();
    let found = world.cli(&["verify", "--json"]).json();
    assert_eq!(found["files"]["findings"][0]["matter"], "stray");
}

#[test]
fn each_user_has_a_workbook() {
    let job = "users = [\"home\", \"studio\"]\nxlsx = true\n";
    let saved = fetch("saved_tracks", "csv = \"saved-{user}.csv\"");
    let lists = fetch("my_playlists", "");
    let world = World::extended().job(&format!("{job}{saved}{lists}"));
    sign_in(&world, "home", fixtures::HOME_USER);
    sign_in(&world, "studio", fixtures::STUDIO_USER);
    world.run(&[]).exits(0);
    for user in ["home", "studio"] {
        let path = world.csv_path(&format!("x-{user}.xlsx"));
        assert_eq!(sheet_names(&path), ["about", "saved_tracks"]);
        let users: std::collections::BTreeSet<String> =
            sheet_rows(&path, "saved_tracks").iter().map(|row| as_csv(&row["user"])).collect();
        assert_eq!(Vec::from_iter(users), [user]);
    }
    assert_eq!(sheet_names(&world.csv_path("x.xlsx")), ["about", "my_playlists"]);
    // The job is gone when the user leaves: nothing of the user is left, and the other workbooks stay.
    world.project.write("jobs/y.toml", fetch("markets", ""));
    std::fs::remove_file(world.project.root().join("jobs/x.toml")).unwrap();
    world.cli(&["auth", "logout", "home", "--purge"]).exits(0).says("deleted");
    assert!(!world.csv_path("x-home.xlsx").exists() && world.csv_path("x-studio.xlsx").exists());
    // No job writes the workbook of both users again.
    assert!(!world.csv_path("x.xlsx").exists());
    world.cli(&["verify"]).exits(0);
}

#[test]
fn endings_of_workbooks_lead_to_their_key() {
    let mut cases = Cases::default();
    let artists = "[[fetch]]\nstream = \"artists\"\nids = [\"4Z8W4fKeB5YxbbsqsVdVSj\"]\n";
    for (name, before, line) in [
        ("a name at the top", "xlsx = \"artists.xlsx\"\n", ""),
        ("in a fetch", "", "xlsx = true"),
        ("csv", "", "csv = \"artists.xlsx\""),
        ("folder", "xlsx = true\n", "csv = \"x.xlsx/artists.csv\""),
    ] {
        cases.add(name, &Project::with_job(&format!("{before}{artists}{line}\n")).check().1);
    }
    let project = Project::with_job(artists);
    project.write("config/cratedigger.toml", "[output]\nformats = [\"csv\", \"xlsx\"]\nxlsx = \"yes\"\n");
    cases.add("settings", &project.check().1);
    cases.assert_text("wrong_keys");
}

/// Texts that a program could take for something else, one a row.
const HOSTILE: &str = "SELECT column1 AS n, column2 AS name FROM (VALUES (1, '=LOVE'), (2, '007'), (3, '1-2'),
    (4, 'a' || char(0) || 'b'), (5, '\u{65e5}\u{672c}\u{8a9e}'), (6, '\u{1f3b5}\u{202e}x'),
    (7, replace(hex(zeroblob(20000)), '00', 'xy')), (8, '_x0041_ _x000D_'), (9, '<b>&amp;]]>'),
    (10, 'a' || char(13) || char(10) || char(9) || 'b'), (11, '+cmd|'' /C calc''!A1'), (12, ' both ends '),
    (13, 'https://open.spotify.com/track/x'), (14, '1e5'), (15, 'TRUE'), (16, ''), (17, char(27) || char(127)),
    (18, replace(hex(zeroblob(16384)), '00', '\u{1f3b5}')), (19, 9007199254740993), (20, -0.1), (21, '\u{fffd}\u{200b}'))
    ORDER BY 1";

#[test]
fn hostile_texts_are_text_in_every_format() {
    // One column has values of one type, the other of several.
    let sql = HOSTILE.replace("column2 AS name", "CAST(column2 AS TEXT) AS name");
    let query = |file: &str, sql: &str| {
        format!("[[query]]\ncsv = \"{file}.csv\"\nparquet = {}\nsql = '''{sql}'''\n", cfg!(feature = "lake"))
    };
    let links = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 65532)
                 SELECT 'https://open.spotify.com/track/' || n AS spotify_url FROM c ORDER BY n";
    let nothing = "SELECT 1 AS id, 'x' AS Id, '' AS \"\" WHERE 0 ORDER BY 1";
    let job = [query("texts", &sql), query("mixed", HOSTILE), query("links", links), query("history", nothing)];
    let world = World::extended().settings(SETTINGS).job(&job.concat());
    world.run(&[]).exits(0);
    for sheet in ["texts", "mixed", "links"] {
        assert_same_rows(&world, sheet, &format!("{sheet}.csv"));
    }
    let path = world.csv_path("x.xlsx");
    assert_eq!(sheet_names(&path), ["about", "texts", "mixed", "links", "history_"]);
    let header: Vec<String> = cells(&path, "history_")[0].iter().map(as_csv).collect();
    assert_eq!(header, ["id", "Id_2", "column 3"]);
    let texts = sheet_rows(&path, "texts");
    // Only an empty text is no text.
    assert_eq!(texts.iter().filter(|row| !matches!(row["name"], Data::String(_))).count(), 1);
    let notes = cells(&path, "about").into_iter().map(|row| as_csv(&row[4])).filter(|note| !note.is_empty());
    let texts = "Cells that are cut off, because a cell can have 32,767 characters (the files have the whole texts): 2. \
                 Cells with U+FFFD in place of NUL, which a workbook cannot have: 1.";
    let links = "Addresses that are plain text, because a sheet can have 65,530 links: 2.";
    assert_eq!(notes.collect::<Vec<_>>(), ["note", texts, texts, links]);
    #[cfg(feature = "lake")]
    for file in ["texts", "mixed"] {
        let typed = crate::support::parquet_text::parquet_rows(&world.csv_path(&format!("{file}.parquet")));
        let cells = world.csv(&format!("{file}.csv"));
        assert_eq!((typed.len(), cells.len()), (21, 21));
        for (row, cells) in typed.iter().zip(&cells) {
            assert_eq!(row["name"].replace('\0', "\u{fffd}"), cells["name"], "{file}");
        }
    }
}
