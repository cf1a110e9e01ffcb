//! Mistakes and attacks at the browser: each gives a clear error and leaves the grants unchanged.

use std::net::{TcpListener, TcpStream};

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, fixtures};

use crate::support::sign_in::{self, AtBrowser};
use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::World;
use crate::sync::users::signed_in;

const JOB: &str = "users = [\"home\", \"studio\"]\n[[fetch]]\nstream = \"saved_tracks\"\n";

/// Studio is signed in. Home tries to sign in.
fn world() -> World {
    signed_in(World::development().job(JOB), &[("studio", fixtures::STUDIO_USER)])
}

/// Stored grants: local name, account, and time of consent.
fn stored(world: &World) -> serde_json::Value {
    let list = world.cli(&["auth", "list", "--json"]).exits(0).json();
    let of =
        |grant: &serde_json::Value| json!([grant["user"], grant["state"], grant["account_id"], grant["imported_at"]]);
    list.as_array().unwrap().iter().map(of).collect()
}

/// Runs an action that must change nothing.
fn unchanged(what: impl FnOnce(&World)) {
    let world = world();
    let before = stored(&world);
    what(&world);
    assert_eq!(stored(&world), before);
    sign_in::sign_in(&world, "home", fixtures::HOME_USER);
    world.run(&["x"]).exits(0);
}

#[test]
fn denied_consent_exits_77() {
    unchanged(|world| {
        let browser = AtBrowser::begin(world, "home", &[]);
        let page = sign_in::get(&sign_in::consent(&browser.address, "cancel"));
        assert_output("denied_consent_exits_77", &page.text);
        browser.end().exits(77).shows("denied_consent_exits_77_2");
        let back = sign_in::consent(&sign_in::link(world, "home", &[]), "cancel");
        sign_in::paste(world, "home", &back).exits(77).shows("denied_consent_exits_77_3");
    });
}

#[test]
fn wrong_or_replayed_state_is_refused() {
    unchanged(|world| {
        let link = sign_in::link(world, "home", &[]);
        let back = sign_in::consent(&link, fixtures::HOME_USER);
        let (address, _) = back.split_once("state=").unwrap();
        sign_in::paste(world, "home", &format!("{address}state=another"))
            .exits(2)
            .shows("wrong_or_replayed_state_is_refused");
        sign_in::paste(world, "home", address.trim_end_matches('&'))
            .exits(2)
            .shows("wrong_or_replayed_state_is_refused_2");
        // The right answer ends the sign-in, which is undone here. Pasting it again is too late.
        sign_in::paste(world, "home", &back).exits(0);
        world.cli(&["auth", "logout", "home"]).exits(0);
        sign_in::paste(world, "home", &back).exits(77).shows("wrong_or_replayed_state_is_refused_3");
    });
}

#[test]
fn refused_new_token_blames_no_client_id() {
    unchanged(|world| {
        let back = sign_in::consent(&sign_in::link(world, "home", &[]), fixtures::HOME_USER);
        world.sandbox.inject(Fault::on_path("/v1/me", FaultAction::status(401)));
        world.new_calls();
        let ran = sign_in::paste(world, "home", &back).exits(1).shows("refused_new_token_blames_no_client_id");
        assert!(!ran.stderr.contains("SPOTIFY_CLIENT"), "{}", ran.stderr);
        assert_eq!(world.new_calls(), ["/me"], "no other token is available");
        world.sandbox.clear_faults();
    });
}

#[test]
fn second_callback_finds_a_closed_port() {
    let world = world();
    let browser = AtBrowser::begin(&world, "home", &[]);
    let back = sign_in::consent(&browser.address, fixtures::HOME_USER);
    assert!(sign_in::get(&back).text.contains("Signed in"));
    browser.end().exits(0);
    let address = url::Url::parse(&back).unwrap().socket_addrs(|| None).unwrap()[0];
    assert!(address.ip().is_loopback() && TcpStream::connect(address).is_err());
    assert_eq!(stored(&world).as_array().unwrap().len(), 2);
    world.run(&["x"]).exits(0);
}

#[test]
fn html_in_a_callback_is_not_repeated() {
    unchanged(|world| {
        let browser = AtBrowser::begin(world, "home", &[]);
        let link = url::Url::parse(&browser.address).unwrap();
        let of = |key: &str| link.query_pairs().find(|(name, _)| name == key).unwrap().1.into_owned();
        let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
        let address = |state: &str| {
            let pairs = [("error", evil), ("state", state), (evil, evil)];
            url::Url::parse_with_params(&of("redirect_uri"), pairs).unwrap().to_string()
        };
        for (state, status) in [(evil, 400), (&*of("state"), 200)] {
            let page = sign_in::get(&address(state));
            assert_eq!(page.status, status, "{}", page.text);
            for part in ["<script", "onerror", "alert", "<img"] {
                assert!(!page.text.contains(part), "{}", page.text);
            }
        }
        let ran = browser.end().exits(77).shows("html_in_a_callback_is_not_repeated");
        assert!(!ran.stderr.contains("script"), "{}", ran.stderr);
    });
}

#[test]
fn used_port_is_named_and_paste_works() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let world = world();
    let uri = format!("http://127.0.0.1:{port}/callback");
    let set = |command: &mut std::process::Command| {
        command.env("SPOTIPY_REDIRECT_URI", &uri).env("BROWSER", "true").env("PATH", "/usr/bin:/bin");
    };
    let mut command = world.command(&["auth", "login", "home"]);
    set(&mut command);
    let ran = sign_in::typed(&mut command, "").exits(1);
    assert!(ran.stderr.contains(&format!("failed to listen on 127.0.0.1:{port}")), "{}", ran.stderr);
    assert_output("used_port_is_named_and_paste_works", &ran.stderr);
    let mut command = world.command(&["auth", "login", "home", "--no-browser"]);
    set(&mut command);
    let link = sign_in::typed(&mut command, "").exits(0).shows("used_port_is_named_and_paste_works_2").stdout;
    let back = sign_in::consent(&link, fixtures::HOME_USER);
    assert!(back.starts_with(&uri), "{back}");
    sign_in::paste(&world, "home", &back).exits(0);
}

#[test]
fn localhost_and_http_redirects_are_refused() {
    unchanged(|world| {
        for (uri, rule) in [
            ("http://localhost:8888/callback", "uses localhost"),
            ("http://cratedigger.example/callback", "uses plain http to another host"),
        ] {
            let mut command = world.command(&["auth", "login", "home", "--no-browser"]);
            let ran = sign_in::typed(command.env("SPOTIPY_REDIRECT_URI", uri), "").exits(2);
            assert!(ran.stdout.is_empty() && ran.stderr.contains(rule), "{}", ran.stderr);
            assert_output("localhost_and_http_redirects_are_refused", &ran.stderr);
        }
    });
}

#[test]
fn other_account_is_refused_without_replace() {
    let world = world();
    let before = stored(&world);
    world.run(&["x"]).exits(77); // looks up the account of studio
    let back = sign_in::consent(&sign_in::link(&world, "studio", &[]), fixtures::HOME_USER);
    let ran = sign_in::paste(&world, "studio", &back).exits(77);
    assert_output("other_account_is_refused_without_replace", &ran.stderr);
    assert_eq!((&stored(&world)[1][0], &stored(&world)[1][3]), (&before[1][0], &before[1][3]));
    let back = sign_in::consent(&sign_in::link(&world, "studio", &["--replace"]), fixtures::HOME_USER);
    sign_in::paste(&world, "studio", &back).exits(0).shows("other_account_is_refused_without_replace_2");
}

#[test]
fn unknown_user_in_a_job_lists_known_users() {
    let world = world();
    world.project.write("jobs/y.toml", "user = \"unknown\"\n[[fetch]]\nstream = \"saved_tracks\"\n");
    let checked = world.cli(&["check", "y"]).exits(0);
    assert_output("unknown_user_in_a_job_lists_known_users", &checked.stdout);
    world.run(&["y"]).exits(77).shows("unknown_user_in_a_job_lists_known_users_2");
    let listed = world.cli(&["auth", "list"]).exits(0).stdout;
    assert!(listed.lines().any(|line| line.starts_with("unknown") && line.contains("not signed in")), "{listed}");
}

#[test]
fn wrong_import_stores_and_repeats_nothing() {
    const TOKEN: &str = "AQDcanarycanarycanarycanarycanarycanary";
    unchanged(|world| {
        let line = |more: &str| {
            format!("{{\"user\":\"home\",\"refresh_token\":\"{TOKEN}\",\"client_id\":\"sandbox-client\"{more}}}\n")
        };
        for text in [
            String::new(),
            "[]".to_owned(),
            format!("refresh_token = {TOKEN}\n"),
            format!("{{\"{TOKEN}\": 1}}\n"),
            line(&format!(",\"flow\":\"{TOKEN}\"")),
            line(&format!(",\"authorized_at\":\"{TOKEN}\"")),
            line(",\"authorized_at\":\"2999-01-01\""),
            line(&format!(",\"scopes\":\"{TOKEN}\"")),
            line("").replace("sandbox-client", "another-client"),
            line("").replace("\"home\"", &format!("\"{TOKEN}/\"")),
            format!("{}{}", line(""), line("")),
            format!("{}nonsense {TOKEN}\n", line("")),
        ] {
            world.project.write("grants.jsonl", &text);
            let ran = world.cli(&["auth", "import", "grants.jsonl"]);
            assert_eq!(ran.code, 2, "{text}: {}", ran.stderr);
            assert!(!ran.stderr.contains("canary"), "{}", ran.stderr);
        }
    });
}
