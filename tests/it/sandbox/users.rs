//! Sign-in, grants and libraries of the sandbox's users.
#![expect(clippy::unwrap_used, reason = "helpers of tests may stop a test")]

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use spotify_sandbox::{ConsentDecision, QuotaMode, SandboxOptions, TokenRotation, fixtures};

use super::answers::{Visit, development, extended, visit};

const ALL_SCOPES: &[&str] = &[
    "playlist-read-private",
    "playlist-read-collaborative",
    "user-library-read",
    "user-follow-read",
    "user-top-read",
    "user-read-recently-played",
    "user-read-playback-position",
    "user-read-private",
    "user-read-email",
];
const CALLBACK: &str = "http://127.0.0.1:43210/callback";
const VERIFIER: &str = "a-verifier-of-forty-three-characters-or-more";

async fn as_user(options: SandboxOptions, user: &str, scopes: &[&str]) -> Visit {
    let mut visit = visit(options).await;
    visit.token = visit.sandbox.sign_in(user, scopes, false).access_token;
    visit
}

/// The redirect of `/authorize`: its status and query.
async fn authorize(visit: &Visit, more: &[(&str, &str)]) -> (u16, HashMap<String, String>) {
    let client = {
        spotify_client::http::transport::use_ring();
        reqwest::Client::builder()
    }
    .no_proxy()
    .redirect(reqwest::redirect::Policy::none())
    .build()
    .unwrap();
    let mut url = Url::parse(&format!("{}/authorize", visit.sandbox.accounts_url())).unwrap();
    let mut pairs: HashMap<&str, &str> = [
        ("client_id", "sandbox-client"),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "user-library-read user-top-read"),
        ("state", "s t&te"),
    ]
    .into();
    pairs.extend(more.iter().copied());
    url.query_pairs_mut().extend_pairs(pairs);
    let response = client.get(url).send().await.unwrap();
    let status = response.status().as_u16();
    let query = match response.headers().get("location") {
        None => HashMap::new(),
        Some(location) => {
            let location = Url::parse(location.to_str().unwrap()).unwrap();
            assert!(location.as_str().starts_with(CALLBACK));
            location.query_pairs().into_owned().collect()
        }
    };
    (status, query)
}

async fn yes(visit: &Visit) {
    visit.sandbox.set_consent(ConsentDecision::Grant { user: fixtures::HOME_USER.to_owned(), scopes: None });
}

/// A call for a token by a client without a secret.
async fn public_token(visit: &Visit, form: &[(&str, &str)]) -> (u16, Value) {
    let url = format!("{}/api/token", visit.sandbox.accounts_url());
    let response = visit.client.post(url).form(form).send().await.unwrap();
    (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

async fn refresh(visit: &Visit, token: &str) -> (u16, Value) {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    visit.ask_token("sandbox-client", "sandbox-secret", &form).await
}

#[tokio::test]
async fn consent_gives_a_code_that_works_once() {
    let mut visit = visit(development()).await;
    yes(&visit).await;
    let (status, query) = authorize(&visit, &[]).await;
    assert_eq!((status, query["state"].as_str()), (302, "s t&te"));
    let form = [("grant_type", "authorization_code"), ("code", &query["code"]), ("redirect_uri", CALLBACK)];
    let wrong = [form[0], form[1], ("redirect_uri", "http://127.0.0.1:1/callback")];
    let (status, body) = visit.ask_token("sandbox-client", "sandbox-secret", &wrong).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
    let (status, body) = visit.ask_token("sandbox-client", "sandbox-secret", &form).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["scope"], "user-library-read user-top-read");
    assert!(body["refresh_token"].is_string());
    visit.token = body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(visit.ok("/me").await["id"], fixtures::HOME_USER);
    assert_eq!(visit.ok("/me/tracks").await["total"], 268);
    let (status, again) = visit.ask_token("sandbox-client", "sandbox-secret", &form).await;
    assert_eq!((status, &again["error"]), (400, &json!("invalid_grant")));
    let (_, body) = refresh(&visit, body["refresh_token"].as_str().unwrap()).await;
    assert_eq!(body["error_description"], "Refresh token revoked", "a code used twice ends its grant");
}

#[tokio::test]
async fn public_client_needs_its_verifier() {
    let visit = visit(SandboxOptions { rotation: TokenRotation::Pkce, ..development() }).await;
    yes(&visit).await;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let pkce = [("code_challenge_method", "S256"), ("code_challenge", challenge.as_str())];
    let (_, query) = authorize(&visit, &pkce).await;
    let form = |verifier| {
        [
            ("grant_type", "authorization_code"),
            ("code", query["code"].as_str()),
            ("redirect_uri", CALLBACK),
            ("client_id", "sandbox-client"),
            ("code_verifier", verifier),
        ]
    };
    let hex = "0123456789abcdef0123456789abcdef0123456789abcdef";
    assert_eq!(public_token(&visit, &form(hex)).await.1["error_description"], "code_verifier was incorrect");
    let (status, body) = public_token(&visit, &form(VERIFIER)).await;
    assert_eq!(status, 200, "{body}");
    let old = body["refresh_token"].as_str().unwrap().to_owned();
    let again = |token: &str| {
        [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "sandbox-client")]
            .map(|(k, v)| (k, v.to_owned()))
    };
    let ask = async |token: &str| {
        let form = again(token);
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (*k, v.as_str())).collect();
        public_token(&visit, &form).await
    };
    let (_, body) = ask(&old).await;
    let new = body["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(old, new);
    assert_eq!(ask(&new).await.0, 200);
    assert_eq!(ask(&old).await.1["error_description"], "Refresh token revoked");
    assert_eq!(ask(&new).await.1["error_description"], "Refresh token revoked", "the whole family is revoked");
}

#[tokio::test]
async fn refresh_without_rotation_ends_in_six_months() {
    let visit = visit(development()).await;
    let grant = visit.sandbox.sign_in(fixtures::STUDIO_USER, ALL_SCOPES, false);
    let (status, body) = refresh(&visit, &grant.refresh_token).await;
    assert_eq!(status, 200);
    assert!(body.get("refresh_token").is_none());
    visit.sandbox.advance(Duration::from_secs(180 * 86_400));
    assert_eq!(refresh(&visit, &grant.refresh_token).await.0, 200);
    visit.sandbox.advance(Duration::from_secs(5 * 86_400));
    let (status, body) = refresh(&visit, &grant.refresh_token).await;
    assert_eq!((status, body), (400, json!({"error": "invalid_grant", "error_description": "Refresh token expired"})));
    let (_, body) = refresh(&visit, "AQmadeup").await;
    assert_eq!(body["error_description"], "Invalid refresh token");
    let grant = visit.sandbox.sign_in(fixtures::STUDIO_USER, ALL_SCOPES, false);
    visit.sandbox.revoke_grants(fixtures::STUDIO_USER);
    assert_eq!(refresh(&visit, &grant.refresh_token).await.1["error_description"], "Refresh token revoked");
    assert!(!format!("{grant:?}").contains(&grant.refresh_token));
}

#[tokio::test]
async fn user_can_deny_or_grant_less() {
    let visit = visit(development()).await;
    assert_eq!(authorize(&visit, &[]).await.0, 200, "a page with a choice of users");
    assert!(authorize(&visit, &[("sandbox_user", fixtures::STUDIO_USER)]).await.1.contains_key("code"));
    visit.sandbox.set_consent(ConsentDecision::Deny);
    let (status, query) = authorize(&visit, &[]).await;
    assert_eq!((status, query["error"].as_str(), query["state"].as_str()), (302, "access_denied", "s t&te"));
    let scopes = Some(vec!["user-top-read".to_owned()]);
    visit.sandbox.set_consent(ConsentDecision::Grant { user: fixtures::HOME_USER.to_owned(), scopes });
    let (_, query) = authorize(&visit, &[]).await;
    let form = [("grant_type", "authorization_code"), ("code", &query["code"]), ("redirect_uri", CALLBACK)];
    let (_, body) = visit.ask_token("sandbox-client", "sandbox-secret", &form).await;
    assert_eq!(body["scope"], "user-top-read");
    for uri in ["http://localhost:1/callback", "http://example.com/callback", "nonsense"] {
        assert_eq!(authorize(&visit, &[("redirect_uri", uri)]).await.0, 400, "{uri}");
    }
    assert_eq!(authorize(&visit, &[("client_id", "unknown")]).await.0, 400);
}

#[tokio::test]
async fn development_mode_reads_own_and_shared_lists() {
    let home = as_user(development(), fixtures::HOME_USER, ALL_SCOPES).await;
    let whole = home.ok(&format!("/playlists/{}", fixtures::HOME_PLAYLIST)).await;
    assert_eq!(whole["items"]["items"].as_array().unwrap().len(), 100);
    assert!(whole["items"]["items"][0]["item"]["name"].is_string());
    assert!(whole.get("tracks").is_none());
    assert_eq!(home.walk(&format!("/playlists/{}/items?limit=50", fixtures::SHARED_PLAYLIST)).await.len(), 75);
    assert_eq!(home.get(&format!("/playlists/{}/items", fixtures::FOREIGN_PLAYLIST)).await.0, 403);
    assert_eq!(home.get(&format!("/playlists/{}", fixtures::STUDIO_PLAYLIST)).await.0, 404);
    let lists = home.walk("/me/playlists?limit=5").await;
    assert!(lists[2].is_null());
    let ids: Vec<&str> = lists.iter().filter_map(|list| list["id"].as_str()).collect();
    assert!(ids.contains(&fixtures::EDGE_CASE_PLAYLIST) && ids.contains(&fixtures::SHARED_PLAYLIST));
    assert!(ids.contains(&fixtures::FOREIGN_PLAYLIST) && !ids.contains(&fixtures::STUDIO_PLAYLIST));
    assert!(lists.iter().all(|list| list.is_null() || list["items"]["href"].is_string()));
    let blind = as_user(development(), fixtures::HOME_USER, &["playlist-read-private"]).await;
    let fewer = blind.walk("/me/playlists?limit=50").await;
    assert!(!fewer.iter().any(|list| list["id"] == fixtures::SHARED_PLAYLIST));
}

#[tokio::test]
async fn libraries_need_their_scopes() {
    let home = as_user(extended(), fixtures::HOME_USER, ALL_SCOPES).await;
    for (path, key, count) in [
        ("/me/tracks?limit=50", "track", 268),
        ("/me/albums?limit=50", "album", 63),
        ("/me/shows", "show", 5),
        ("/me/episodes?limit=50", "episode", 23),
        ("/me/audiobooks", "audiobook", 3),
    ] {
        let saved = home.walk(path).await;
        assert_eq!(saved.len(), count, "{path}");
        let truth = home.sandbox.catalog().expected_ids("users", fixtures::HOME_USER).unwrap();
        for (one, row) in saved.iter().zip(truth[format!("saved_{key}s")].as_array().unwrap()) {
            assert_eq!((&one[key]["id"], &one["added_at"]), (&row["id"], &row["added_at"]));
        }
        assert!(saved.iter().all(|one| one["added_at"].is_string() && one[key]["id"].is_string()));
    }
    for path in ["/me/top/artists", "/me/top/tracks?time_range=short_term&limit=50"] {
        assert!(home.ok(path).await["total"].as_u64().unwrap() > 20);
    }
    let first = home.ok("/me/following?type=artist&limit=50").await;
    let artists = &first["artists"];
    let count = artists["items"].as_array().unwrap().len();
    assert!(artists["total"].as_u64().unwrap() as usize >= count);
    if let Some(next) = artists["next"].as_str() {
        let second = home.ok(next).await;
        assert!(second["artists"]["next"].is_null() && second["artists"]["cursors"]["after"].is_null());
    }
    let plays = home.ok("/me/player/recently-played?limit=30").await;
    assert_eq!(plays["items"].as_array().unwrap().len(), 30);
    let older = home.ok(plays["next"].as_str().unwrap()).await;
    assert!(older["next"].is_null() && older["items"].as_array().unwrap().len() <= 20);
    let none = home.ok("/me/player/recently-played?before=1000").await;
    assert!(none["items"] == json!([]) && none["cursors"].is_null());
    assert_eq!(home.get("/me/player/recently-played?before=1&after=1").await.0, 400);
    let track = home.ok("/me/tracks?limit=1").await["items"][0]["track"]["id"].as_str().unwrap().to_owned();
    let uris = format!("spotify:track:{track},spotify:playlist:{}", fixtures::STUDIO_PLAYLIST);
    assert_eq!(home.ok(&format!("/me/library/contains?uris={uris}")).await, json!([true, false]));
    assert_eq!(home.ok(&format!("/me/tracks/contains?ids={track}")).await, json!([true]));
}

#[tokio::test]
async fn user_refusals_are_distinguished() {
    let bare = as_user(development(), fixtures::HOME_USER, &[]).await;
    for path in
        ["/me/tracks", "/me/playlists", "/me/following?type=artist", "/me/top/tracks", "/me/player/recently-played"]
    {
        let (status, body) = bare.get(path).await;
        assert_eq!((status, &body["error"]["message"]), (403, &json!("Insufficient client scope")), "{path}");
    }
    assert!(bare.ok("/me").await.get("email").is_none());
    let app = visit(development()).await;
    let (status, body) = app.get("/me").await;
    assert_eq!((status, &body["error"]["message"]), (401, &json!("Valid user authentication required")));
    let stranger = as_user(development(), fixtures::CURATOR_USER, ALL_SCOPES).await;
    let (status, body) = stranger.get("/me").await;
    assert_eq!((status, &body["error"]["message"]), (403, &json!("User not registered in the Developer Dashboard")));
    let own =
        as_user(SandboxOptions { mode: QuotaMode::Extended, ..development() }, fixtures::STUDIO_USER, ALL_SCOPES).await;
    assert_eq!(own.ok("/me").await["product"], "premium");
}
