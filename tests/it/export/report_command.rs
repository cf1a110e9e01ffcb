//! `report`: writes pages from the store and opens one.

use spotify_sandbox::fixtures;

use crate::support::world::{World, by_ids, ran};

fn world() -> World {
    let world = World::extended().job(&(by_ids("artists", &[fixtures::SEMICOLON_ARTIST]) + "[report]\n"));
    world.project.write("jobs/plain.toml", by_ids("artists", &[fixtures::SEMICOLON_ARTIST]));
    world.project.write("jobs/never.toml", by_ids("artists", &[fixtures::SEMICOLON_ARTIST]) + "[report]\n");
    world.run(&["x"]).exits(0);
    world.run(&["plain"]).exits(0);
    world
}

#[test]
fn pages_come_from_the_store() {
    let world = world();
    let page = world.csv_bytes("report.html");
    std::fs::remove_file(world.csv_path("report.html")).unwrap();
    std::fs::remove_file(world.csv_path("artists.csv")).unwrap();
    world.sandbox.clear_log();
    let said = world.cli(&["report", "--json"]).exits(0);
    let pages = &said.json()["pages"];
    assert_eq!(
        (pages.as_array().unwrap().len(), &pages[0]["job"], &pages[0]["file"]["outcome"]),
        (1, &"x".into(), &"written".into())
    );
    assert!(said.stderr.contains("never: never ran"), "{}", said.stderr);
    assert_eq!(world.csv_bytes("report.html"), page);
    // It writes pages only, without a call.
    assert!(!world.csv_path("artists.csv").exists() && world.calls().is_empty());
    world.cli(&["export"]).exits(0);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn named_job_needs_no_table() {
    let world = world();
    let path = world.project.root().join("output/csv/plain/report.html");
    assert!(!path.exists());
    world.cli(&["report", "plain"]).exits(0).says("plain/report.html");
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.contains("only <code>cratedigger report</code> writes the page again"), "{page}");
    world.cli(&["verify"]).exits(0);
    world.run(&["plain"]).exits(0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page);
    world.cli(&["verify"]).exits(0);
    world.cli(&["report", "nothing"]).exits(2).says("nothing");
}

#[test]
fn browser_gets_the_page() {
    let world = world();
    world.project.write("browser.sh", "#!/bin/sh\necho \"$1\" > opened.tmp && mv opened.tmp opened\n");
    let opened = world.project.root().join("opened");
    for (args, page) in
        [(&["report", "--open"][..], "output/csv/index.html"), (&["report", "x", "--open"], "output/csv/x/report.html")]
    {
        let mut command = world.command(args);
        ran(command.env("BROWSER", "sh browser.sh").current_dir(world.project.root())).exits(0);
        let began = std::time::Instant::now();
        while !opened.exists() {
            assert!(began.elapsed().as_secs() < 20, "no browser");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let address = std::fs::read_to_string(&opened).unwrap();
        assert!(address.starts_with("file:///") && address.trim().ends_with(page), "{address}");
        std::fs::remove_file(&opened).unwrap();
    }
    let mut command = world.command(&["report", "--open"]);
    ran(command.env("BROWSER", "no-such-browser"))
        .exits(1)
        .says("no browser could be started")
        .says("index.html yourself");
}
