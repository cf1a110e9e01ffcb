//! Import of grants: spotipy caches, JSON lines, and files that are neither.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use cratedigger::cli::auth::{self, AuthError, ImportArgs, ImportReport, LineFuture, UserPrompt};
use secrecy::ExposeSecret;
use spotify_client::state::grants::{GrantStore, SignInFlow, grant_end};
use spotify_sandbox::fixtures;
use tempfile::TempDir;
use url::Url;

use super::grants::{Table, home, me, open_grants, small};

#[derive(Default)]
struct Typist {
    messages: Vec<String>,
    types: VecDeque<&'static str>,
}

impl UserPrompt for Typist {
    fn tell(&mut self, text: &str) {
        self.messages.push(text.to_owned());
    }

    fn show(&mut self, _: &str) {}

    fn read_line(&mut self) -> LineFuture {
        let next = self.types.pop_front().map(str::to_owned);
        Box::pin(async move { io::Result::Ok(next) })
    }

    fn is_interactive(&self) -> bool {
        !self.types.is_empty()
    }

    fn open_browser(&mut self, _: &Url) -> bool {
        false
    }
}

struct Desk {
    folder: TempDir,
    grants: Arc<GrantStore>,
    typist: Typist,
    now: DateTime<Utc>,
}

fn desk() -> Desk {
    let folder = TempDir::new().unwrap();
    let grants = open_grants(&folder.path().join("state"));
    Desk { folder, grants, typist: Typist::default(), now: "2026-11-23T12:00:00Z".parse().unwrap() }
}

impl Desk {
    fn file(&self, name: &str, text: &str) -> ImportArgs {
        let file = self.folder.path().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        args(file)
    }

    async fn import(&mut self, args: &ImportArgs) -> Result<ImportReport, AuthError> {
        auth::import(args, &self.grants, SignInFlow::Code, &mut self.typist, self.now).await
    }
}

fn args(file: PathBuf) -> ImportArgs {
    ImportArgs { file, user: None, flow: None, authorized_on: None, replace: false }
}

const SPOTIPY: &str = r#"{"access_token": "BQsecret", "token_type": "Bearer", "expires_in": 3600,
    "refresh_token": "AQsecret", "scope": "user-library-read user-top-read", "expires_at": 1795000000}"#;

fn line(user: &str, more: &str) -> String {
    format!(r#"{{"user":"{user}","refresh_token":"AQsecret-{user}","client_id":"sandbox-client"{more}}}"#)
}

#[tokio::test]
async fn spotipy_cache_keeps_its_user_name() {
    let mut desk = desk();
    let args = desk.file(".cache-dave.smith", SPOTIPY);
    let imported = desk.import(&args).await.unwrap();
    assert_eq!(imported.stored, ["dave.smith"]);
    let held = desk.grants.get_with_tokens("dave.smith").unwrap().unwrap();
    assert_eq!(held.refresh.expose_secret(), "AQsecret");
    assert!(held.access.is_none());
    assert_eq!(held.grant.scopes.as_ref().unwrap(), &["user-library-read", "user-top-read"]);
    let end = grant_end(&held.grant).unwrap();
    assert!(end.at_most);
    assert_eq!(end.at.to_rfc3339(), "2027-05-23T12:00:00+00:00");
    assert!(desk.typist.messages[0].contains("at most six months from today"), "{:?}", desk.typist.messages);
    // Importing the same file twice is harmless.
    let again = desk.import(&args).await.unwrap();
    assert_eq!((again.stored.len(), again.known), (0, vec!["dave.smith".to_owned()]));
}

#[tokio::test]
async fn import_prompts_for_name_and_consent_day() {
    let mut desk = desk();
    let args = desk.file(".cache", SPOTIPY);
    let error = desk.import(&args).await.unwrap_err();
    assert!(error.hint().unwrap().contains("--user NAME"));
    desk.typist.types = ["31.5.", "2031-01-01", "2026-08-01"].into();
    let imported = desk.import(&ImportArgs { user: Some("home".to_owned()), ..args }).await.unwrap();
    assert_eq!(imported.stored, ["home"]);
    let end = grant_end(&desk.grants.get("home").unwrap().unwrap()).unwrap();
    assert!(!end.at_most);
    assert_eq!(end.at.to_rfc3339(), "2027-02-01T00:00:00+00:00");
}

#[tokio::test]
async fn thousands_of_lines_are_imported() {
    let mut desk = desk();
    let lines: Vec<String> = (0..3_000)
        .map(|n| {
            line(
                &format!("u{n}"),
                r#","flow":"pkce","scopes":["user-top-read"],"authorized_at":"2026-10-01T08:00:00Z","user_id":"x"}"#
                    .trim_end_matches('}'),
            )
        })
        .collect();
    let args = desk.file("all.jsonl", &lines.join("\n"));
    let began = std::time::Instant::now();
    assert_eq!(desk.import(&args).await.unwrap().stored.len(), 3_000);
    eprintln!("3,000 grants in {:?}", began.elapsed());
    let grant = desk.grants.get("u2999").unwrap().unwrap();
    assert_eq!((grant.flow, grant.account.unwrap().user_id.as_str()), (SignInFlow::Pkce, "x"));
    assert_eq!(grant.authorized_at.unwrap().to_rfc3339(), "2026-10-01T08:00:00+00:00");
    let listed = auth::list(&desk.grants, &BTreeMap::new(), false, desk.now).unwrap();
    assert_eq!(listed.lines().count(), 3_001);
}

#[tokio::test]
async fn invalid_lines_are_refused_by_number() {
    let mut desk = desk();
    for (bad, says) in [
        ("", "contains no grant"),
        ("AQsecret", "is neither a spotipy cache nor a JSON line"),
        ("[1,2]", "is neither a spotipy cache"),
        (r#"{"refresh_token":"AQsecret"}"#, "`user` is missing"),
        (
            r#"{"user":"x","refresh_token":"AQsecret","client_id":"other"}"#,
            "the client id differs from that of this app",
        ),
        (r#"{"user":"x","refresh_token":"AQsecret"}"#, "`client_id` is missing"),
        (r#"{"user":"x","client_id":"sandbox-client"}"#, "`refresh_token` is missing"),
        (
            r#"{"user":"x","client_id":"sandbox-client","refresh_token":["AQsecret"]}"#,
            "`refresh_token` is not a string",
        ),
        (r#"{"user":"x","client_id":"sandbox-client","refresh_token":"AQsecret\n"}"#, "control characters"),
        (r#"{"user":"../x","client_id":"sandbox-client","refresh_token":"AQsecret"}"#, "cannot be the name of a user"),
        (
            r#"{"user":"x","client_id":"sandbox-client","refresh_token":"AQsecret","flow":"AQsecret"}"#,
            "`flow` is neither",
        ),
        (
            r#"{"user":"x","client_id":"sandbox-client","refresh_token":"AQsecret","autorized_at":"2026"}"#,
            "unknown key `autorized_at`",
        ),
        (
            r#"{"user":"x","client_id":"sandbox-client","refresh_token":"AQsecret","authorized_at":"AQsecret"}"#,
            "is not a time",
        ),
        (
            r#"{"user":"x","client_id":"sandbox-client","refresh_token":"AQsecret","authorized_at":"2031-01-01"}"#,
            "in the future",
        ),
        (
            r#"{"user":"x","client_id":"sandbox-client","refresh_token":"AQsecret","scopes":"AQsecret"}"#,
            "`scopes` is not a list of scopes",
        ),
        (&line("good", ""), "is listed twice"),
    ] {
        let text = if bad.is_empty() { String::new() } else { format!("{}\n{bad}\n", line("good", "")) };
        let args = desk.file("bad.jsonl", &text);
        let error = desk.import(&args).await.unwrap_err();
        let said = error.to_string();
        assert!(said.contains(says), "{bad}: {said}");
        assert!(bad.is_empty() || said.contains("bad.jsonl:2: "), "{said}");
        let all = format!("{said} {error:?} {:?}", error.hint());
        assert!(!all.contains("AQsecret"), "{all}");
        assert_eq!(error.exit().code(), 2);
        assert!(desk.grants.list().unwrap().is_empty());
    }
    let args = desk.file(".cache-x", r#"{"access_token":"BQsecret","refresh_token":null}"#);
    assert!(desk.import(&args).await.unwrap_err().to_string().ends_with("contains no refresh token"));
}

#[tokio::test]
async fn known_user_is_replaced_on_request_only() {
    let mut desk = desk();
    let first = desk.file("1.jsonl", &line("home", ""));
    desk.import(&first).await.unwrap();
    let second = line("home", "").replace("AQsecret-home", "AQother");
    let second = desk.file("2.jsonl", &format!("{second}\n{}", line("studio", "")));
    let error = desk.import(&second).await.unwrap_err();
    assert!(
        error.to_string().contains("user `home` is signed in already with another grant; nothing was imported"),
        "{error}"
    );
    assert!(desk.grants.get("studio").unwrap().is_none());
    let imported = desk.import(&ImportArgs { replace: true, ..second }).await.unwrap();
    assert_eq!(imported.stored, ["home", "studio"]);
    assert_eq!(desk.grants.get_with_tokens("home").unwrap().unwrap().refresh.expose_secret(), "AQother");
}

#[tokio::test]
async fn readable_import_file_is_warned_about() {
    let mut desk = desk();
    let args = desk.file("1.jsonl", &line("home", ""));
    fs::set_permissions(&args.file, Permissions::from_mode(0o644)).unwrap();
    desk.import(&args).await.unwrap();
    assert!(desk.typist.messages[0].contains("is readable by other users (mode 0644)"), "{:?}", desk.typist.messages);
}

#[tokio::test]
async fn imported_grant_makes_calls() {
    let table = Table::with(small()).await;
    let token = table.sandbox.sign_in(fixtures::HOME_USER, &["user-top-read"], false);
    let file = table.folder.path().join(".cache-home");
    let text = SPOTIPY.replace("AQsecret", &token.refresh_token);
    fs::write(&file, text).unwrap();
    let mut typist = Typist::default();
    auth::import(&args(file), &table.grants(), SignInFlow::Code, &mut typist, Utc::now()).await.unwrap();
    table.api().get(&home(), &me()).await.unwrap();
    // The scopes that Spotify reports count, not those of the cache.
    assert_eq!(table.grants().get("home").unwrap().unwrap().scopes.unwrap(), ["user-top-read"]);
}

#[tokio::test]
async fn list_shows_accounts_days_and_missing_users() {
    let mut desk = desk();
    let more =
        r#","user_id":"id-home","display_name":"Home","authorized_at":"2026-06-01T00:00:00Z","scopes":"user-top-read""#;
    let args = desk.file("1.jsonl", &format!("{}\n{}", line("home", more), line("studio", "")));
    desk.import(&args).await.unwrap();
    let jobs = [("home", "daily"), ("kitchen", "daily")].map(|(user, job)| (user.to_owned(), vec![job.to_owned()]));
    let jobs = BTreeMap::from(jobs);
    let table = auth::list(&desk.grants, &jobs, false, desk.now).unwrap();
    assert_eq!(
        table,
        "USER     ACCOUNT         STATE          DAYS LEFT                             JOBS   SCOPES\n\
         home     Home (id-home)  ok             7 (until 2026-12-01)                  daily  user-top-read\n\
         studio   not known yet   ok             at most 181 (six months from import)  -      not known yet\n\
         kitchen  -               not signed in  -                                     daily\n"
    );
    let json = auth::list(&desk.grants, &jobs, true, desk.now).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["user_id"], "id-home");
    assert_eq!(json[0]["days_left"], 7);
    assert_eq!(json[0]["ends_at"], "2026-12-01T00:00:00Z");
    assert_eq!(json[1]["ends_at_is_at_most"], true);
    assert_eq!(json[2]["state"], "not_signed_in");
    let grants = open_grants(&desk.folder.path().join("other"));
    let listed = auth::list(&grants, &BTreeMap::new(), false, desk.now).unwrap();
    assert!(listed.starts_with("no user is signed in (state folder: "), "{listed}");
}
