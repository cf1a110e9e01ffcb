//! Names and errors that strangers chose control no terminal, whatever prints them.

use std::process::Command;

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, fixtures};

use crate::support::project::Project;
use crate::support::world::{Ran, World, by_ids, fetch, ran};
use crate::sync::users::signed_in;

/// Sets the title of the window, clears it, reorders what follows, and begins a line of its own.
const NAME: &str =
    "\u{1b}]0;x\u{7}\u{1b}[2J\u{9b}31m\u{7f}\u{61c}\u{200e}\u{202e}\u{2066}\u{2028}\u{2029}\u{85}\r\nERROR forged";

/// Whether a terminal may get this character.
fn is_safe(c: char) -> bool {
    let steers = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    matches!(c, '\n' | '\t') || !c.is_control() && !steers
}

#[track_caller]
fn controls_nothing(args: &[&str], ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        let odd: Vec<char> = text.chars().filter(|c| !is_safe(*c)).collect();
        assert!(odd.is_empty(), "{args:?}: {odd:?}\n{text:?}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("ERROR forged")), "{args:?}: {text}");
    }
}

/// A world in which everything that can have a name or a text of its own has this one.
fn hostile(name: &str) -> World {
    let job = [
        "users = [\"home\"]\n".to_owned(),
        fetch("me", ""),
        fetch("my_playlists", ""),
        by_ids("playlist_items", &[fixtures::HOME_PLAYLIST, fixtures::EMPTY_PLAYLIST, fixtures::FOREIGN_PLAYLIST]),
        fetch("saved_shows", ""),
    ];
    let world = World::extended();
    rename(&world, name);
    signed_in(world.job(&job.concat()), &[("home", fixtures::HOME_USER)])
}

fn rename(world: &World, name: &str) {
    let set = |at: &str| FaultAction::set(at, json!(name));
    world.sandbox.clear_faults();
    world.sandbox.inject(Fault::on_path("/v1/me", set("/display_name")));
    let listed = ["/items/*/name", "/items/*/description", "/items/*/owner/display_name"].map(set).to_vec();
    world.sandbox.inject(Fault::on_path("/v1/me/playlists", FaultAction::Several { actions: listed }));
    let refused = FaultAction::Answer { code: 403, json: json!({ "error": { "status": 403, "message": name } }) };
    world.sandbox.inject(Fault::on_path(&format!("/v1/playlists/{}*", fixtures::FOREIGN_PLAYLIST), refused));
    let list = ["/name", "/description", "/owner/display_name", "/tracks/items/*/track/name", "/snapshot_id"].map(set);
    world.sandbox.inject(Fault::on_path("/v1/playlists/*", FaultAction::Several { actions: list.to_vec() }));
    let broken = FaultAction::Answer { code: 500, json: json!({ "error": { "status": 500, "message": name } }) };
    world.sandbox.inject(Fault::on_path("/v1/me/shows", broken));
}

#[test]
fn names_control_no_terminal() {
    let world = hostile(NAME);
    for args in [&["run"][..], &["-vv", "run", "--full"], &["--log-format", "json", "-vv", "run", "--full"]] {
        controls_nothing(args, &world.cli(args));
    }
    // A terminal gets no such name, and a pipe gets the name itself.
    let sql = ["sql", "--csv", "SELECT name FROM main.playlists"];
    let line = format!("'{}' sql --csv '{}'", env!("CARGO_BIN_EXE_cratedigger"), sql[2]);
    let mut terminal = Command::new("script");
    let mut terminal = ran(terminal.args(["-qec", &line, "/dev/null"]).current_dir(world.project.root()));
    terminal.stdout = terminal.stdout.replace("\r\n", "\n");
    assert!(terminal.stdout.chars().all(is_safe), "{:?}", terminal.stdout);
    assert!(terminal.stdout.contains("\\u{1b}]0;x\\u{7}"), "{}", terminal.stdout);
    assert!(world.cli(&sql).exits(0).stdout.contains(NAME));
    // Another name, so that there are changes to show.
    rename(&world, &format!("{NAME} again"));
    let at = ["show", fixtures::HOME_PLAYLIST];
    for args in [
        &["run", "--full"][..],
        &["history"],
        &["skipped"],
        &["diff", "x", "--since", "30d"],
        &at,
        &["auth", "list"],
        &["doctor", "--offline"],
        &["doctor"],
        &["jobs"],
        &["plan"],
        &["check"],
        &["quota"],
        &["export"],
        &["verify"],
        &["reset", "x"],
        &["auth", "logout", "home", "--purge"],
    ] {
        for json in [false, true] {
            let args = if json { [&["--json"], args].concat() } else { args.to_vec() };
            let ran = world.cli(&args);
            controls_nothing(&args, &ran);
            if json && args[1] == "auth" && args[2] == "list" {
                // Escapes change no value.
                assert!(ran.json()[0]["display_name"].as_str().unwrap().starts_with(NAME), "{}", ran.stdout);
            }
        }
    }
}

#[test]
fn file_names_control_no_terminal() {
    let project = Project::new();
    let written: String = NAME.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let fetch = |more: &str| format!("[[fetch]]\nstream = \"tracks\"\n{more}");
    // A wrong line in the job file, one in the file of ids, and a name that no job may have.
    project.write(&format!("jobs/{NAME}.toml"), fetch("ids = [\"no\u{202e} \u{9b}31m id\"]\nodd = 1\n"));
    project.write("jobs/x.toml", fetch(&format!("ids_file = \"{written}.csv\"\n")));
    project.write(&format!("jobs/{NAME}.csv"), "id\nno id\n");
    for args in [&["check"][..], &["run"], &["plan"], &["export"], &["diff", "x"], &["reset", "x"], &["jobs"]] {
        let ran = ran(&mut project.command(args));
        controls_nothing(args, &ran);
        if args[0] == "check" {
            let at = ran.stderr.lines().filter(|line| line.contains("--> jobs/\\u{1b}]0;x\\u{7}"));
            assert!(at.count() > 1, "{}", ran.stderr);
        }
    }
}
