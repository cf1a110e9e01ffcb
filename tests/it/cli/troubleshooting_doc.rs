//! docs/troubleshooting.md against the program: the test produces each cause and compares the message with the
//! quotation on the page.

use spotify_client::error::ApiError;
use spotify_sandbox::{ErrorBodyFormat, Fault, FaultAction, RetryAfterHeader, fixtures};

use crate::support::world::{World, by_ids, ran};

/// Headings of the page with the lines that each section quotes.
fn entries() -> Vec<(String, Vec<String>)> {
    let page = include_str!("../../../docs/troubleshooting.md");
    let entry = |part: &str| {
        let (heading, rest) = part.split_once('\n').unwrap();
        let quoted = rest.split("```").nth(1).unwrap_or_else(|| panic!("{heading} quotes nothing"));
        (heading.to_owned(), quoted.trim().lines().map(str::to_owned).collect())
    };
    page.split("\n## ").skip(1).map(entry).collect()
}

fn quoted(heading: &str) -> Vec<String> {
    let found = entries().into_iter().find(|(known, _)| known == heading);
    found.unwrap_or_else(|| panic!("no entry {heading}")).1
}

/// Whether a text contains a line, in which `…` may be any text.
fn holds(text: &str, line: &str) -> bool {
    text.lines().any(|given| {
        let mut rest = given;
        line.split('…').all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    })
}

#[track_caller]
fn is_said(heading: &str, code: i32, text: &str, exit: i32) {
    assert_eq!(code, exit, "{heading}:\n{text}");
    for line in quoted(heading) {
        assert!(holds(text, &line), "{heading}: {line:?} is not in\n{text}");
    }
}

fn tracks() -> World {
    World::extended().job(&by_ids("tracks", &[fixtures::PLAIN_TRACK]))
}

fn forbidden(message: &str) -> FaultAction {
    FaultAction::Status {
        code: 403,
        body: ErrorBodyFormat::Json,
        retry_after: RetryAfterHeader::None,
        message: Some(message.to_owned()),
        reason: None,
    }
}

#[track_caller]
fn with_fault(heading: &str, action: FaultAction, exit: i32) {
    let world = tracks();
    world.sandbox.inject(Fault::on_path("/v1/tracks/*", action));
    let ran = world.run(&[]);
    is_said(heading, ran.code, &ran.stderr, exit);
}

#[test]
fn entry_refused_token_and_credentials() {
    with_fault("401: the token is not accepted", FaultAction::status(401), 77);
    let world = tracks();
    let mut command = world.command(&["run"]);
    let ran = ran(command.env("SPOTIFY_CLIENT_SECRET", "wrong"));
    is_said("invalid_client: the id or the secret is wrong", ran.code, &ran.stderr, 77);
}

#[test]
fn entry_each_kind_of_403() {
    let world = World::development().job(&by_ids("artist_top_tracks", &[fixtures::BUSY_ARTIST]));
    let ran = world.run(&[]);
    is_said("403: this class of app does not have the endpoint", ran.code, &ran.stderr, 3);
    let world = World::development().job(&by_ids("playlist_items", &[fixtures::FOREIGN_PLAYLIST]));
    let ran = world.run(&[]);
    is_said("403: not your playlist", ran.code, &ran.stderr, 3);
    let user = "User not registered in the Developer Dashboard";
    with_fault("403: the user is not on the allow-list", forbidden(user), 77);
    let premium = "Active premium subscription required for the owner of the app";
    with_fault("403: the owner's Premium has lapsed", forbidden(premium), 77);
    with_fault("403 without a reason", forbidden("Forbidden"), 3);
    with_fault("A scope is missing", forbidden("Insufficient client scope"), 77);
}

#[test]
fn entry_unknown_id() {
    let world = World::development().job(&by_ids("shows", &[fixtures::SHOW]));
    let ran = world.run(&[]);
    is_said("404: nothing of that id", ran.code, &ran.stderr, 3);
}

#[test]
fn entry_each_kind_of_429() {
    with_fault("429: a long cool-down", FaultAction::rate_limited(RetryAfterHeader::Seconds(86_400)), 75);
    with_fault("429 on every call of one endpoint", FaultAction::rate_limited(RetryAfterHeader::Seconds(1)), 75);
    with_fault("The quota is spent", FaultAction::quota_exceeded(50_000), 75);
}

#[test]
fn entry_foreign_page_and_outage() {
    // A page of a proxy instead of every answer.
    for heading in ["HTML instead of JSON", "Spotify cannot be reached"] {
        with_fault(heading, FaultAction::Html200, 1);
    }
    // One failing id has a problem of its own. Several in a row show that the problem is Spotify.
    let ids = [fixtures::PLAIN_TRACK, fixtures::RELINKED_TRACK, fixtures::UNAVAILABLE_TRACK];
    let world = World::extended().job(&by_ids("tracks", &ids));
    world.sandbox.inject(Fault::on_path("/v1/tracks*", FaultAction::status(500)));
    let ran = world.run(&[]);
    is_said("Spotify answers only with errors", ran.code, &ran.stderr, 1);
    // Where another endpoint answers, the problem is that of the endpoint.
    let catalog: serde_json::Value = world.sandbox.catalog().ids();
    let artists: Vec<&str> =
        catalog["artists"].as_array().unwrap().iter().take(6).filter_map(|id| id.as_str()).collect();
    let job = [by_ids("tracks", &[fixtures::PLAIN_TRACK]), by_ids("artists", &artists)].concat();
    let world = World::development().job(&job);
    world.sandbox.inject(Fault::on_path("/v1/artists/*", FaultAction::status(500)));
    let ran = world.run(&[]);
    is_said("One request after the other fails", ran.code, &ran.stderr, 3);
}

#[test]
fn entry_clock_before_the_release() {
    // The sandbox has no certificate to refuse, so this uses the message of such an error.
    let now = chrono::DateTime::UNIX_EPOCH;
    let message = "the server's certificate is not accepted: certificate not valid yet".to_owned();
    let error = ApiError::ClockWrong { now, message };
    let text = format!("{error}\nhint: {}", error.hint().unwrap());
    is_said("The clock is wrong", 1, &text, 1);
}

#[test]
fn entry_missing_store() {
    let world = tracks();
    world.run(&[]).exits(0);
    std::fs::remove_dir_all(world.project.root().join("output")).unwrap();
    let ran = world.run(&[]);
    is_said("The store is gone", ran.code, &ran.stderr, 74);
}

#[test]
fn every_entry_is_produced() {
    let tests = include_str!("troubleshooting_doc.rs");
    for (heading, _) in entries() {
        let produced = tests.contains(&format!("\"{heading}\""));
        assert!(produced || heading == "The redirect URI is refused", "{heading}");
    }
}
