//! A complete run that a timer starts repeats no warning.

use spotify_sandbox::fixtures;

use super::notified_once::age;
use crate::support::world::{World, by_ids};

const GOOD: &str =
    "[[chart]]\ntitle = \"Positions\"\nsql = \"SELECT position AS x, position AS y FROM playlist_items ORDER BY 1\"\n";
const BAD: &str = "[[chart]]\ntitle = \"Names\"\nkind = \"step\"\nsql = \"SELECT track_name AS x, position AS y FROM playlist_items ORDER BY 1\"\n";

fn job(charts: &str) -> String {
    format!("schedule = \"* * * * *\"\n{}[report]\n{charts}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]))
}

fn tick(world: &World) -> String {
    if world.database().exists() {
        age(world, 2);
    }
    world.cli(&["-q", "run", "--due"]).exits(0).stderr
}

#[test]
fn lasting_warning_of_a_chart_is_told_once() {
    let world = World::extended().job(&job(GOOD));
    assert_eq!(tick(&world), "");
    world.project.write("jobs/x.toml", job(&format!("{GOOD}{BAD}")));
    let told = tick(&world);
    assert!(told.starts_with("warning: x: chart `Names` was not drawn: ") && told.lines().count() == 1, "{told}");
    assert_eq!(tick(&world), "", "the page is unchanged");
    std::fs::remove_file(world.csv_path("report.html")).unwrap();
    assert_eq!(tick(&world), "", "the page is drawn again, with the same warning");
    // Someone who runs the job sees the warning whenever the page is drawn.
    std::fs::remove_file(world.csv_path("report.html")).unwrap();
    let seen = world.cli(&["-q", "run", "x"]).exits(0).stderr;
    assert_eq!(seen, told);
    // A chart that was repaired and breaks again is news.
    world.project.write("jobs/x.toml", job(GOOD));
    assert_eq!(tick(&world), "");
    world.project.write("jobs/x.toml", job(&format!("{GOOD}{BAD}")));
    assert_eq!(tick(&world), told);
}

#[test]
fn missing_logo_is_told_once() {
    let world = World::extended().job(&job(GOOD)).settings("[report]\nlogo = \"config/none.svg\"\n");
    let told = tick(&world);
    assert!(told.starts_with("warning: ") && told.contains("none.svg") && told.lines().count() == 1, "{told}");
    assert_eq!(tick(&world), "");
    assert!(world.cli(&["-q", "run", "x"]).exits(0).stderr.contains("none.svg"));
}
