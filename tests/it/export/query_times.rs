//! Times in the results of queries.

use calamine::Data;
use spotify_sandbox::fixtures;

use crate::support::workbook::sheet_rows;
use crate::support::world::{World, by_ids};

#[test]
fn times_of_a_query_are_times_in_excel() {
    let queries = "xlsx = true\n".to_owned()
        + &by_ids("playlist_items", &[fixtures::HOME_PLAYLIST])
        + "[[query]]\ncsv = \"changes.csv\"\nsql = \"SELECT seen_at, title, 1 AS added_at FROM named_changes ORDER BY id\"\n"
        + "[[query]]\ncsv = \"runs.csv\"\nsql = \"SELECT started_at, 'about 2026-01-01' AS 'note' FROM runs ORDER BY id\"\n";
    let world = World::extended().settings("[csv]\nprofile = \"excel\"").job(&queries);
    world.run(&[]).exits_one_of(&[0, 3]);
    let remove = serde_json::json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 5, "count": 3});
    world.sandbox.catalog().edit(serde_json::from_value(remove).unwrap()).unwrap();
    world.run(&[]).exits_one_of(&[0, 3]);
    for (file, column) in [("changes.csv", "seen_at"), ("runs.csv", "started_at")] {
        let bytes = world.csv_bytes(file);
        let text = String::from_utf8(bytes).unwrap();
        let times: Vec<&str> = text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        assert!(!times.is_empty(), "{text}");
        for time in times {
            assert!(time.len() == 21 && time.as_bytes()[11] == b' ' && !time.contains('T'), "{file}: {time}");
        }
        let sheet = file.trim_end_matches(".csv");
        let rows = sheet_rows(&world.csv_path("x.xlsx"), sheet);
        assert!(rows.iter().all(|row| matches!(row[column], Data::DateTime(_))), "{sheet}: {rows:?}");
    }
    // A number with the name of a time stays a number.
    assert!(
        String::from_utf8(world.csv_bytes("changes.csv")).unwrap().lines().nth(1).unwrap().trim_end().ends_with(",1")
    );
    world.cli(&["verify"]).exits(0);
}
