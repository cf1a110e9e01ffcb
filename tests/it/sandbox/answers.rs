//! The sandbox answers as Spotify's documentation says, in both app classes.
#![expect(clippy::unwrap_used, reason = "helpers of tests may stop a test")]

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use spotify_sandbox::{CallAllowance, QuotaMode, Sandbox, SandboxOptions, fixtures};

/// A sandbox, a client and the app's token.
pub(crate) struct Visit {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
    pub(crate) token: String,
}

pub(crate) async fn visit(options: SandboxOptions) -> Visit {
    let sandbox = spotify_sandbox::start(options).await.unwrap();
    let client = {
        spotify_client::http::transport::use_ring();
        Client::builder()
    }
    .no_proxy()
    .retry(reqwest::retry::never())
    .build()
    .unwrap();
    let mut visit = Visit { sandbox, client, token: String::new() };
    let (status, body) =
        visit.ask_token("sandbox-client", "sandbox-secret", &[("grant_type", "client_credentials")]).await;
    assert_eq!(status, 200, "{body}");
    visit.token = body["access_token"].as_str().unwrap().to_owned();
    visit
}

pub(crate) fn extended() -> SandboxOptions {
    SandboxOptions { mode: QuotaMode::Extended, tracks: 300, ..SandboxOptions::default() }
}

pub(crate) fn development() -> SandboxOptions {
    SandboxOptions { tracks: 300, ..SandboxOptions::default() }
}

pub(crate) async fn json_of(response: reqwest::Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

impl Visit {
    pub(crate) async fn ask_token(&self, id: &str, secret: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}/api/token", self.sandbox.accounts_url());
        let request = self.client.post(url).basic_auth(id, Some(secret)).form(form);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), json_of(response).await)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.send(path).await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let value = serde_json::from_str(&text).unwrap_or_else(|err| panic!("{err}: {text}"));
        (status, value)
    }

    pub(crate) async fn ok(&self, path: &str) -> Value {
        let (status, value) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    pub(crate) async fn send(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.sandbox.api_url()) };
        self.client.get(url).bearer_auth(&self.token).send().await
    }

    /// Every item of a list, read page by page along `next`.
    pub(crate) async fn walk(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page = self.ok(&path).await;
            let here = page["items"].as_array().unwrap().clone();
            next = page["next"].as_str().map(str::to_owned).filter(|_| !here.is_empty());
            items.extend(here);
        }
        items
    }
}

#[tokio::test]
async fn token_needs_the_right_credentials() {
    let visit = visit(development()).await;
    let grant = [("grant_type", "client_credentials")];
    let (status, body) = visit.ask_token("sandbox-client", "sandbox-secret", &grant).await;
    assert_eq!(status, 200);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600);
    assert!(body.get("refresh_token").is_none() && body.get("scope").is_none());
    let (status, body) = visit.ask_token("sandbox-client", "wrong", &grant).await;
    assert_eq!(status, 400);
    assert_eq!(body, json!({"error": "invalid_client", "error_description": "Invalid client secret"}));
    let (status, body) = visit.ask_token("unknown", "sandbox-secret", &grant).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_client")));
    let (status, body) = visit.ask_token("sandbox-client", "sandbox-secret", &[("grant_type", "password")]).await;
    assert_eq!((status, &body["error"]), (400, &json!("unsupported_grant_type")));
}

#[tokio::test]
async fn bad_token_gets_401_in_spotifys_words() {
    let mut visit = visit(SandboxOptions { token_ttl_secs: 60, ..development() }).await;
    let path = format!("/tracks/{}", fixtures::PLAIN_TRACK);
    visit.ok(&path).await;
    visit.sandbox.advance(Duration::from_secs(61));
    let expired = json!({"error": {"status": 401, "message": "The access token expired"}});
    assert_eq!(visit.get(&path).await, (401, expired));
    visit.token = "BQmadeup".to_owned();
    assert_eq!(visit.get(&path).await.1["error"]["message"], "Invalid access token");
    let url = format!("{}{path}", visit.sandbox.api_url());
    let body = json_of(visit.client.get(url).send().await.unwrap()).await;
    assert_eq!(body, json!({"error": {"status": 401, "message": "No token provided"}}));
}

#[tokio::test]
async fn limits_answer_429_until_time_passes() {
    let visit = visit(SandboxOptions { rate_limit: Some(2), calls_per_family_per_day: Some(3), ..development() }).await;
    let path = format!("/tracks/{}", fixtures::PLAIN_TRACK);
    visit.ok(&path).await;
    visit.ok(&path).await;
    let refused = visit.send(&path).await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!((29..=30).contains(&refused.headers()["retry-after"].to_str().unwrap().parse().unwrap()));
    let body = json_of(refused).await;
    assert_eq!(body, json!({"error": {"status": 429, "message": "API rate limit exceeded"}}));
    visit.sandbox.advance(Duration::from_secs(30));
    visit.ok(&path).await;
    let refused = visit.send(&path).await.unwrap();
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 80_000);
    let body = json_of(refused).await;
    assert_eq!(body["error"]["reason"], "QUOTA_EXCEEDED");
    visit.sandbox.set_allowance(CallAllowance::default());
    visit.ok(&path).await;
}

#[tokio::test]
async fn answers_depend_on_the_seed() {
    let (one, two) = (visit(extended()).await, visit(extended()).await);
    let other = visit(SandboxOptions { seed: 2, ..extended() }).await;
    let port = |visit: &Visit, text: String| text.replace(&visit.sandbox.accounts_url(), "");
    let path = format!("/playlists/{}/items?limit=50", fixtures::HOME_PLAYLIST);
    let text = async |visit: &Visit| port(visit, visit.send(&path).await.unwrap().text().await.unwrap());
    assert_eq!(text(&one).await, text(&two).await);
    assert_ne!(text(&one).await, text(&other).await);
}

#[tokio::test]
async fn log_has_every_call_and_no_token() {
    let visit = visit(development()).await;
    visit.ok(&format!("/albums/{}?market=DE", fixtures::LONG_ALBUM)).await;
    let log = visit.sandbox.log();
    assert_eq!(log.len(), 2);
    assert_eq!(log[0].grant_type.as_deref(), Some("client_credentials"));
    assert_eq!((log[1].family.as_str(), log[1].status, log[1].bearer), ("/albums/{id}", 200, true));
    assert_eq!(log[1].on_behalf_of.as_deref(), Some("app"));
    let url = format!("{}/_sandbox/log", visit.sandbox.accounts_url());
    let text = visit.client.get(url).send().await.unwrap().text().await.unwrap();
    assert!(!text.contains(&visit.token) && !text.contains("sandbox-secret"));
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap().as_array().unwrap().len(), 2);
    visit.sandbox.clear_log();
    assert!(visit.sandbox.log().is_empty());
}

#[tokio::test]
async fn controls_work_over_http() {
    let visit = visit(extended()).await;
    let url = |path: &str| format!("{}/_sandbox{path}", visit.sandbox.accounts_url());
    let post = async |path: &str, body: Value| {
        let request = visit.client.post(url(path)).body(body.to_string());
        request.send().await.unwrap().status().as_u16()
    };
    let list = fixtures::HOME_PLAYLIST;
    assert_eq!(post("/edit", json!({"do": "rename", "playlist": list, "name": "Changed"})).await, 204);
    assert_eq!(visit.ok(&format!("/playlists/{list}")).await["name"], "Changed");
    assert_eq!(post("/edit", json!({"do": "rename", "playlist": "x", "name": ""})).await, 404);
    assert_eq!(
        post("/faults", json!({"path": "/v1/*", "times": 1, "action": {"do": "status", "code": 502}})).await,
        204
    );
    assert_eq!(visit.get("/markets").await.0, 502);
    assert_eq!(visit.get("/markets").await.0, 200);
    assert_eq!(post("/faults", json!({"action": {"do": "explode"}})).await, 400);
    let limits = json!({"rate_limit": 3, "refused_calls_count": true, "punishment": 3_600});
    assert_eq!(post("/limits", limits).await, 204);
    visit.ok("/markets").await;
    assert_eq!(visit.get("/markets").await.0, 429);
    let punished = visit.send("/markets").await.unwrap();
    assert_eq!(punished.headers()["retry-after"], "3600");
    let counted = json_of(visit.client.get(url("/limits")).send().await.unwrap()).await;
    assert_eq!((&counted["refused"], &counted["early"]), (&json!(2), &json!(1)));
    assert_eq!(post("/limits", json!({"calls": 3})).await, 400);
    assert_eq!(post("/limits", json!({})).await, 204);
    assert_eq!(post("/advance", json!({"seconds": 3601})).await, 204);
    assert_eq!(visit.get("/markets").await.0, 401);
    let truth = json_of(visit.client.get(url(&format!("/truth/playlists/{list}"))).send().await.unwrap()).await;
    assert_eq!(truth["rows"].as_array().unwrap().len(), 120);
    let ids = json_of(visit.client.get(url("/ids")).send().await.unwrap()).await;
    assert_eq!(ids["tracks"][0], fixtures::PLAIN_TRACK);
    let overview = url("");
    let Visit { sandbox, client, .. } = visit;
    sandbox.shutdown().await;
    assert!(client.get(overview).send().await.is_err(), "the server has stopped");
}

#[tokio::test]
async fn answers_are_compressed_on_request() {
    let visit = visit(SandboxOptions { gzip: true, ..extended() }).await;
    let url = format!("{}/markets", visit.sandbox.api_url());
    let plain = {
        spotify_client::http::transport::use_ring();
        Client::builder()
    }
    .no_proxy()
    .no_gzip()
    .build()
    .unwrap();
    let ask = |client: &Client| client.get(&url).bearer_auth(&visit.token).header("accept-encoding", "gzip").send();
    let packed = ask(&plain).await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let bytes = packed.bytes().await.unwrap();
    let unpacked: Value = serde_json::from_reader(flate2::read::GzDecoder::new(&bytes[..])).unwrap();
    assert_eq!(unpacked, visit.ok("/markets").await);
}
