//! The sandbox's answers have the keys and types of documented example answers.

#![expect(clippy::unwrap_used, reason = "helpers of tests may stop a test")]

use serde_json::Value;
use spotify_sandbox::{QuotaMode, SandboxOptions, fixtures};

use super::answers::{Visit, visit};

const SCOPES: &[&str] = &[
    "playlist-read-private",
    "user-follow-read",
    "user-read-recently-played",
    "user-read-playback-position",
    "user-read-private",
    "user-read-email",
];

fn example(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/sandbox/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Paths at which two values differ in keys or types.
fn differences(path: &str, example: &Value, answer: &Value) -> Vec<String> {
    match (example, answer) {
        (Value::Null, _) | (_, Value::Null) => Vec::new(),
        (Value::Object(wanted), Value::Object(got)) => {
            let missing = wanted.keys().filter(|key| !got.contains_key(*key));
            let extra = got.keys().filter(|key| !wanted.contains_key(*key));
            let mut found: Vec<String> = missing.map(|key| format!("{path}.{key} is missing")).collect();
            found.extend(extra.map(|key| format!("{path}.{key} is not documented")));
            for (key, value) in wanted {
                if let Some(other) = got.get(key) {
                    found.extend(differences(&format!("{path}.{key}"), value, other));
                }
            }
            found
        }
        (Value::Array(wanted), Value::Array(got)) => match (wanted.first(), got.first()) {
            (Some(wanted), Some(got)) => differences(&format!("{path}[]"), wanted, got),
            _ => Vec::new(),
        },
        (Value::String(_), Value::String(_)) | (Value::Bool(_), Value::Bool(_)) => Vec::new(),
        (Value::Number(_), Value::Number(got)) if got.is_u64() => Vec::new(),
        _ => vec![format!("{path} is {answer}, not like {example}")],
    }
}

async fn user(mode: QuotaMode) -> Visit {
    let mut visit = visit(SandboxOptions { mode, tracks: 200, ..SandboxOptions::default() }).await;
    visit.token = visit.sandbox.sign_in(fixtures::HOME_USER, SCOPES, true).access_token;
    visit
}

#[tokio::test]
async fn answers_have_the_keys_of_their_examples() {
    let shows = format!("/shows?ids={}", fixtures::SHOW);
    for (mode, cases) in [
        (
            QuotaMode::Extended,
            vec![
                ("track.extended", format!("/tracks/{}", fixtures::PLAIN_TRACK), ""),
                ("album.extended", format!("/albums/{}", fixtures::LONG_ALBUM), ""),
                ("artist.extended", format!("/artists/{}", fixtures::BUSY_ARTIST), ""),
                ("playlist.extended", format!("/playlists/{}", fixtures::HOME_PLAYLIST), ""),
                ("show.extended", shows, "/shows/0"),
                ("episode.extended", format!("/episodes/{}", fixtures::EPISODE), ""),
                ("me.extended", "/me".to_owned(), ""),
            ],
        ),
        (
            QuotaMode::Development,
            vec![
                ("track.development", format!("/tracks/{}", fixtures::PLAIN_TRACK), ""),
                ("artist.development", format!("/artists/{}", fixtures::BUSY_ARTIST), ""),
                ("playlist.development", format!("/playlists/{}", fixtures::HOME_PLAYLIST), ""),
                (
                    "track.development",
                    format!("/playlists/{}/items?fields=items(item(!episode,!track))", fixtures::HOME_PLAYLIST),
                    "/items/0/item",
                ),
                ("chapter.development", format!("/chapters/{}", fixtures::CHAPTER), ""),
                ("me.development", "/me".to_owned(), ""),
                ("recently_played", "/me/player/recently-played".to_owned(), ""),
                ("following", "/me/following?type=artist".to_owned(), ""),
            ],
        ),
    ] {
        let visit = user(mode).await;
        for (name, path, pointer) in cases {
            let answer = visit.ok(&path).await;
            let part = answer.pointer(pointer).unwrap();
            assert_eq!(differences("", &example(name), part), [""; 0], "{name}: {path}");
        }
        let (_, error) = visit.get("/tracks/0000000000000000000000").await;
        assert_eq!(error, example("error"));
    }
}

#[tokio::test]
async fn app_token_has_the_keys_of_its_example() {
    let visit = visit(SandboxOptions::default()).await;
    let form = [("grant_type", "client_credentials")];
    let (_, token) = visit.ask_token("sandbox-client", "sandbox-secret", &form).await;
    assert_eq!(differences("", &example("token"), &token), [""; 0]);
}

#[test]
fn different_keys_or_types_are_found() {
    let differ = |a: Value, b: Value| differences("", &a, &b).len();
    assert_eq!(differ(serde_json::json!({"a": 1}), serde_json::json!({"a": 2})), 0);
    assert_eq!(differ(serde_json::json!({"a": 1}), serde_json::json!({"b": 2})), 2);
    assert_eq!(differ(serde_json::json!({"a": [{"b": 1}]}), serde_json::json!({"a": [{"b": "1"}]})), 1);
    assert_eq!(differ(serde_json::json!(1), serde_json::json!(1.5)), 1);
}
