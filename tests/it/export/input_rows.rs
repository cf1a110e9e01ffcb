//! Queries read the rows of input files: `inputs`, or `NAME_inputs` if a job has several files.

use spotify_sandbox::fixtures;

use crate::support::world::World;

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
