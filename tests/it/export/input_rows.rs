//! Queries read the rows of input files: `inputs`, or `NAME_inputs` if a job has several files.

use spotify_sandbox::fixtures;

use crate::support::project::Project;
use crate::support::snapshot::assert_output;
use crate::support::world::{World, by_ids};

const JOB: &str = r#"
[[fetch]]
name = "found"
stream = "tracks"
ids_file = "tracks.csv"
csv = false

[[query]]
csv = "mine.csv"
sql = """
SELECT inputs.input_row, inputs.input_id, inputs.ISRC, inputs."my note", inputs.number, found.track_name
FROM inputs LEFT JOIN found ON found.isrc = inputs.input_id
ORDER BY inputs.input_row
"""
"#;

/// An ISRC of the sandbox, as a label writes it, and as Spotify does.
const WRITTEN: &str = "QZ-SBX-26-00001";
const CODE: &str = "QZSBX2600001";

#[test]
fn own_columns_are_joined_to_rows() {
    let world = World::extended().job(JOB);
    let list = |note: &str| {
        format!("\u{feff}my note;ISRC;number\n{note};{WRITTEN};007\nmissing;ZZXXX0000000;1\n\nno code;;\n")
    };
    world.project.write("jobs/tracks.csv", list("first"));
    world.run(&["x"]).exits(3);
    let rows = world.csv("mine.csv");
    let cell = |row: usize, column: &str| rows[row][column].as_str();
    assert_eq!(rows.len(), 3);
    assert_eq!((cell(0, "input_row"), cell(0, "input_id"), cell(0, "ISRC")), ("2", CODE, WRITTEN));
    assert_eq!((cell(0, "my note"), cell(0, "number")), ("first", "007"), "the text stays as it is");
    assert!(!cell(0, "track_name").is_empty() && cell(1, "track_name").is_empty());
    assert_eq!((cell(1, "input_id"), cell(1, "my note")), ("ZZXXX0000000", "missing"));
    assert_eq!((cell(2, "input_row"), cell(2, "input_id"), cell(2, "my note")), ("5", "", "no code"));
    // A file of the same ids with another note: no call, and the file follows.
    let before = world.csv_bytes("mine.csv");
    world.cli(&["export"]).exits(0);
    assert_eq!(world.csv_bytes("mine.csv"), before);
    world.project.write("jobs/tracks.csv", list("second"));
    world.cli(&["export"]).exits(0);
    assert_eq!(world.column("mine.csv", "my note"), ["second", "missing", "no code"]);
    let shown = world.cli(&["sql", "x", "--csv", "SELECT input_id FROM found_inputs ORDER BY input_row"]).exits(0);
    assert_eq!(shown.stdout, format!("\"input_id\"\n\"{CODE}\"\n\"ZZXXX0000000\"\n\"\"\n"));
}

#[test]
fn searches_bring_their_rows_along() {
    let job = "[[fetch]]\nname = \"hits\"\nstream = \"search\"\nqueries_file = \"songs.csv\"\nquery = \"isrc:{code}\"\ncsv = false\n\
               [[query]]\ncsv = \"hits.csv\"\nsql = \"SELECT i.label, i.input_query, h.name FROM inputs i LEFT JOIN hits h \
               ON h.query = i.input_query ORDER BY i.input_row\"\n";
    let world = World::extended().job(job);
    world.project.write("jobs/songs.csv", format!("label,code\nA,{CODE}\nB,ZZXXX0000000\nC,\nD,{CODE}\n"));
    world.run(&["x"]).exits(0);
    assert_eq!(world.column("hits.csv", "label"), ["A", "B", "C", "D"]);
    assert_eq!(
        world.column("hits.csv", "input_query"),
        [format!("isrc:{CODE}"), "isrc:ZZXXX0000000".into(), String::new(), format!("isrc:{CODE}")]
    );
    let names = world.column("hits.csv", "name");
    assert!(!names[0].is_empty() && names[3] == names[0], "a repeated search has its row, too: {names:?}");
}

#[test]
fn page_follows_its_input_file() {
    let job = "[[fetch]]\nstream = \"artists\"\nids_file = \"a.csv\"\ncsv = false\n\
               [[query]]\ncsv = \"q.csv\"\nsql = \"SELECT note FROM inputs ORDER BY 1\"\n[report]\n";
    let world = World::extended().job(job);
    let note = |text: &str| world.project.write("jobs/a.csv", format!("id,note\n{},{text}\n", fixtures::BUSY_ARTIST));
    note("earlier words");
    world.run(&["x"]).exits(0);
    let page = || std::fs::read_to_string(world.csv_path("report.html")).unwrap();
    assert!(page().contains("earlier words"));
    note("later words");
    world.cli(&["export", "x"]).exits(0);
    assert!(page().contains("later words") && !page().contains("earlier words"));
}

#[test]
fn several_files_have_a_table_each() {
    let fetches = "[[fetch]]\nname = \"a\"\nstream = \"artists\"\nids_file = \"artists.csv\"\n\
                   [[fetch]]\nname = \"b\"\nstream = \"artist_albums\"\nids_file = \"artists.csv\"\n\
                   [[fetch]]\nname = \"c\"\nstream = \"playlist_items\"\nids_file = \"lists.csv\"\n";
    let query = |sql: &str| format!("[[query]]\ncsv = \"q.csv\"\nsql = \"{sql}\"\n");
    let world = World::extended();
    let artist = fixtures::BUSY_ARTIST;
    world.project.write("jobs/artists.csv", format!("id,id,note\n{artist},x,y\n"));
    world.project.write("jobs/lists.csv", format!("{}\n", fixtures::HOME_PLAYLIST));
    let sql = "SELECT a.note, a.id_2, b.input_id, c.column_1 FROM a_inputs a, b_inputs b, c_inputs c ORDER BY 1";
    world.project.write("jobs/x.toml", format!("{fetches}{}", query(sql)));
    world.run(&["x"]).exits(0);
    assert_eq!(world.csv("q.csv")[0]["id_2"], "x");
    assert_eq!(world.csv("q.csv")[0]["column_1"], fixtures::HOME_PLAYLIST);
    // `inputs` is not one file here, and a condition has no input rows.
    world.project.write("jobs/x.toml", format!("{fetches}{}", query("SELECT * FROM inputs ORDER BY 1")));
    world.cli(&["check"]).exits(2).says("no such table: inputs");
    let filtered = "[[fetch]]\nname = \"d\"\nstream = \"albums\"\nfrom = \"b\"\nwhere = \"album_id IN (SELECT id FROM a_inputs)\"\n";
    world.project.write("jobs/x.toml", format!("{fetches}{filtered}{}", query(sql)));
    world.cli(&["check"]).exits(2).says("no such table: a_inputs");
}

#[test]
fn own_columns_join_the_files_of_a_fetch() {
    let fetches = "xlsx = true\n[[fetch]]\nname = \"found\"\nstream = \"tracks\"\nids_file = \"tracks.csv\"\njoin_inputs = true\njsonl = true\n\
                   [[fetch]]\nstream = \"playlist_items\"\nids_file = \"lists.csv\"\njoin_inputs = true\n\
                   [[fetch]]\nname = \"hits\"\nstream = \"search\"\nqueries_file = \"songs.csv\"\nquery = \"isrc:{code}\"\njoin_inputs = true\n";
    let world = World::extended().job(fetches);
    let list = |note: &str| format!("track_name;ISRC;note\nmine;{WRITTEN};{note}\nagain;{WRITTEN};second line\n");
    world.project.write("jobs/tracks.csv", list("007"));
    world.project.write("jobs/lists.csv", format!("id,label\n{},kitchen\n", fixtures::HOME_PLAYLIST));
    world.project.write("jobs/songs.csv", format!("label,code\nA,{CODE}\n"));
    world.run(&["x"]).exits(0);
    let found = &world.csv("found.csv")[0];
    assert_eq!((found["note"].as_str(), found["input_track_name"].as_str()), ("007", "mine"), "{found:?}");
    assert!(!found["track_name"].is_empty() && found["track_name"] != "mine");
    let labels = world.column("playlist_items.csv", "label");
    assert!(labels.len() > 100 && labels.iter().all(|label| label == "kitchen"), "{labels:?}");
    assert!(world.column("hits.csv", "label").iter().all(|label| label == "A"));
    let lines = String::from_utf8(world.csv_bytes("found.jsonl")).unwrap();
    assert!(lines.contains("\"note\":\"007\""), "{lines}");
    let package = String::from_utf8(world.csv_bytes("datapackage.json")).unwrap();
    assert!(package.contains("the cell of the input file"), "{package}");
    world.cli(&["verify"]).exits(0);
    // Another note costs no call, and an unchanged file is not written.
    let before = world.csv_bytes("playlist_items.csv");
    world.project.write("jobs/tracks.csv", list("new"));
    world.new_calls();
    world.cli(&["export"]).exits(0);
    assert!(world.new_calls().is_empty());
    assert_eq!(world.column("found.csv", "note"), ["new"]);
    assert_eq!(world.csv_bytes("playlist_items.csv"), before);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn join_without_a_file_is_an_error() {
    let job = format!("{}join_inputs = true\n", by_ids("tracks", &[fixtures::PLAIN_TRACK]));
    let (code, said) = Project::with_job(&job).check();
    assert_eq!(code, 2, "{said}");
    assert_output("join_without_a_file", &said);
}
