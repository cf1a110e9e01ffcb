//! Stored grants: file permissions, keys that decrypt them, and refused files.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use chrono::{Months, TimeDelta, Utc};
use cratedigger::cli::auth::{self, LogoutArgs};
use rusqlite::Connection;
use secrecy::{ExposeSecret, SecretString};
use spotify_client::client::{ApiCaller, SpotifyClient};
use spotify_client::error::ApiError;
use spotify_client::http::observer::NoopObserver;
use spotify_client::state::grants::{
    GrantError, GrantStore, NewGrant, SignInFlow, SpotifyAccount, StoredAccessToken, grant_end,
};
use spotify_client::state::{KeyOrigin, StateDb, StateError};
use tempfile::TempDir;

use super::grants::{Table, config_for, home, me, open_grants, small, state_dir};
use super::processes::Helper;
use crate::support::has_bytes;
use crate::support::http_server::{Answering, reply};
use crate::support::snapshot::assert_output;

const CANARY: &str = "AQDcanarycanary0123456789refresh";
const ACCESS: &str = "BQCcanarycanary0123456789access";

fn new(user: &str) -> NewGrant {
    let now = Utc::now();
    NewGrant {
        user: user.to_owned(),
        refresh: SecretString::from(format!("{CANARY}-{user}")),
        access: Some(StoredAccessToken {
            token: SecretString::from(format!("{ACCESS}-{user}")),
            issued_at: now,
            expires_at: now + TimeDelta::hours(1),
        }),
        scopes: Some(vec!["user-library-read".to_owned()]),
        flow: SignInFlow::Pkce,
        account: Some(SpotifyAccount { account_id: None, user_id: format!("id-{user}"), display_name: None }),
        authorized_at: Some(now),
        imported_at: None,
        environment: None,
    }
}

/// A folder with two grants.
fn filled() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    open_grants(&path).put(&[new("home"), new("studio")], Utc::now()).unwrap();
    (folder, path)
}

fn open_with(path: &Path, env: &[(&str, &Path)]) -> Result<GrantStore, GrantError> {
    GrantStore::open(state_dir(path), "sandbox-client", |name| {
        env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
    })
}

/// All rows, sealed as they are.
fn dump(path: &Path) -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let conn = Connection::open(path.join("grants.db")).unwrap();
    let mut rows = conn.prepare("SELECT user, refresh_token_enc, access_token_enc FROM grants ORDER BY user").unwrap();
    let rows = rows.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn sql(path: &Path, script: &str) {
    Connection::open(path.join("grants.db")).unwrap().execute_batch(script).unwrap();
}

fn key_file(folder: &TempDir, name: &str, mode: u32) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

#[tokio::test]
async fn files_are_private_under_any_umask() {
    let table = Table::rotating().await;
    let table = tokio::task::spawn_blocking(move || {
        let mut helper = Helper::start(&table, None, "000");
        helper.go();
        assert!(helper.said().unwrap().contains("has to sign in"));
        let names: Vec<String> = fs::read_dir(table.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
                assert_eq!(mode, 0o600, "{:?}", entry.path());
                entry.file_name().into_string().unwrap()
            })
            .collect();
        for name in ["grants.db", "grants.db-wal", "grants.db-shm", "key", "id", "state.db"] {
            assert!(names.iter().any(|it| it == name), "{name} of {names:?}");
        }
        table
    })
    .await
    .unwrap();
    let mode = fs::metadata(table.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    table.sign_in(true);
    table.api().get(&home(), &me()).await.unwrap();
    let lock = fs::read_dir(table.path()).unwrap().map(|it| it.unwrap().path());
    let lock = lock.filter(|it| it.extension().is_some_and(|it| it == "lock")).collect::<Vec<_>>();
    assert_eq!(lock.len(), 1);
    assert_eq!(fs::metadata(&lock[0]).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn no_file_holds_a_token_in_clear() {
    let (_folder, path) = filled();
    let grants = open_grants(&path);
    assert_eq!(grants.get_with_tokens("home").unwrap().unwrap().refresh.expose_secret(), format!("{CANARY}-home"));
    for entry in fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().path();
        let bytes = fs::read(&file).unwrap();
        assert!(!has_bytes(&bytes, "canarycanar"), "{file:?}");
    }
}

#[test]
fn wrong_key_changes_nothing() {
    let (folder, path) = filled();
    let before = dump(&path);
    let other = key_file(&folder, "other", 0o600);
    let error = open_with(&path, &[("CRATEDIGGER_KEY_FILE", &other)]).unwrap_err();
    assert!(matches!(&error, GrantError::WrongKey { origin: KeyOrigin::Named(_), .. }), "{error:?}");
    assert!(error.requires_user_action());
    assert!(error.to_string().contains("were sealed with another key than"), "{error}");

    let open = key_file(&folder, "open", 0o640);
    let error = open_with(&path, &[("CRATEDIGGER_KEY_FILE", &open)]).unwrap_err();
    assert!(matches!(&error, GrantError::Key(StateError::TooOpen { mode: 0o640, .. })), "{error:?}");
    assert!(error.hint().unwrap().starts_with("chmod 600"));

    let short = folder.path().join("short");
    fs::write(&short, "password").unwrap();
    fs::set_permissions(&short, Permissions::from_mode(0o600)).unwrap();
    let error = open_with(&path, &[("CRATEDIGGER_KEY_FILE", &short)]).unwrap_err();
    assert!(error.to_string().ends_with("(from CRATEDIGGER_KEY_FILE) is shorter than 32 bytes"), "{error}");

    let nowhere = folder.path().join("nowhere");
    assert!(open_with(&path, &[("CRATEDIGGER_KEY_FILE", &nowhere)]).is_err());

    fs::rename(path.join("key"), folder.path().join("away")).unwrap();
    let error = open_with(&path, &[]).unwrap_err();
    assert!(matches!(error, GrantError::KeyMissing { .. }), "{error:?}");
    assert!(!path.join("key").exists());
    fs::rename(folder.path().join("away"), path.join("key")).unwrap();

    fs::set_permissions(path.join("key"), Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(open_with(&path, &[]).unwrap_err(), GrantError::Key(StateError::TooOpen { .. })));
    fs::set_permissions(path.join("key"), Permissions::from_mode(0o600)).unwrap();

    fs::set_permissions(&path, Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(open_with(&path, &[]).unwrap_err(), GrantError::State(StateError::TooOpen { .. })));
    fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();

    assert_eq!(dump(&path), before);
    assert!(open_with(&path, &[]).unwrap().get_with_tokens("home").unwrap().is_some());
}

#[test]
fn credential_beats_named_file_beats_folder() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    let credentials = folder.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    let named = key_file(&folder, "named", 0o600);
    let both: &[(&str, &Path)] = &[("CREDENTIALS_DIRECTORY", &credentials), ("CRATEDIGGER_KEY_FILE", &named)];
    // A credentials folder without our key does not count.
    let grants = open_with(&path, both).unwrap();
    assert_eq!(grants.key_origin(), &KeyOrigin::Named(named.clone()));
    assert!(!path.join("key").exists());
    drop(grants);
    // systemd may make the file readable by an ACL, which shows in the mode as group permission.
    let credential = credentials.join("cratedigger_key");
    fs::copy(&named, &credential).unwrap();
    fs::set_permissions(&credential, Permissions::from_mode(0o440)).unwrap();
    let grants = open_with(&path, both).unwrap();
    assert_eq!(grants.key_origin(), &KeyOrigin::Credential(credential.clone()));
    drop(grants);
    fs::set_permissions(&credential, Permissions::from_mode(0o444)).unwrap();
    assert!(matches!(open_with(&path, both).unwrap_err(), GrantError::Key(StateError::TooOpen { .. })));
}

#[test]
fn token_copied_to_another_row_stays_sealed() {
    let (_folder, path) = filled();
    sql(
        &path,
        "UPDATE grants SET refresh_token_enc = (SELECT refresh_token_enc FROM grants WHERE user = 'studio')
         WHERE user = 'home'",
    );
    let grants = open_grants(&path);
    let error = grants.get_with_tokens("home").unwrap_err();
    assert!(error.to_string().starts_with("the refresh token of user `home` in "), "{error}");
    assert!(error.to_string().ends_with("is damaged or was copied from another row"), "{error}");
    assert_eq!(error.hint().unwrap(), "cratedigger auth login home");
    assert!(grants.get_with_tokens("studio").unwrap().is_some());
    assert_eq!(grants.list().unwrap().len(), 2);
    sql(&path, "UPDATE grants SET refresh_token_enc = access_token_enc WHERE user = 'studio'");
    assert!(grants.get_with_tokens("studio").is_err());
}

#[test]
fn unusable_database_is_refused_and_kept() {
    let (_folder, path) = filled();
    sql(&path, "PRAGMA user_version = 99");
    let error = open_with(&path, &[]).unwrap_err();
    assert!(error.to_string().contains("was written by a newer cratedigger (schema 99"), "{error}");
    sql(&path, "PRAGMA user_version = 1; PRAGMA application_id = 7");
    assert!(matches!(open_with(&path, &[]).unwrap_err(), GrantError::State(StateError::Foreign { .. })));
    sql(&path, "PRAGMA application_id = 0x43446772; PRAGMA wal_checkpoint(TRUNCATE)");
    let file = path.join("grants.db");
    let mut bytes = fs::read(&file).unwrap();
    bytes[100..140].fill(0xAB);
    fs::write(&file, &bytes).unwrap();
    let error = open_with(&path, &[]).unwrap_err();
    assert!(error.to_string().contains("grants.db"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn grants_belong_to_one_app() {
    let (_folder, path) = filled();
    let other = GrantStore::open(state_dir(&path), "another-client", |_| None).unwrap();
    assert!(other.get("home").unwrap().is_none());
    assert_eq!(other.count_of_other_apps().unwrap(), 2);
    other.put(&[new("home")], Utc::now()).unwrap();
    assert_eq!(open_grants(&path).get_with_tokens("home").unwrap().unwrap().grant.client_id, "sandbox-client");
}

#[tokio::test]
async fn unsaved_token_is_recovered() {
    let table = Table::rotating().await;
    table.sign_in(true);
    // As on a full disk: the intent can be written, but the result cannot.
    sql(
        &table.path(),
        "CREATE TRIGGER full BEFORE UPDATE OF refresh_token_enc ON grants BEGIN SELECT RAISE(ABORT, 'full'); END",
    );
    let error = table.api().get(&home(), &me()).await.unwrap_err();
    let ApiError::Grants(inner) = &error else { panic!("{error:?}") };
    assert!(matches!(&**inner, GrantError::NotSaved { kept: Some(_), .. }), "{inner:?}");
    assert!(!inner.requires_user_action());
    assert!(error.to_string().contains(".lock and taken over at the next start"), "{error}");
    sql(&table.path(), "DROP TRIGGER full");
    table.api().get(&home(), &me()).await.unwrap();
    assert!(
        table.heard().iter().any(|it| it.contains("could not be saved earlier was recovered")),
        "{:?}",
        table.heard()
    );
    // One lost grant, and one with a recovered token.
    assert_eq!(table.refreshes(), 2);
    table.api().get(&home(), &me()).await.unwrap();
    assert_eq!(table.refreshes(), 2);
}

#[tokio::test]
async fn unwritten_intent_sends_no_refresh() {
    let table = Table::rotating().await;
    let first = table.sign_in(true);
    sql(&table.path(), "CREATE TRIGGER full BEFORE UPDATE OF state ON grants BEGIN SELECT RAISE(ABORT, 'full'); END");
    let error = table.api().get(&home(), &me()).await.unwrap_err();
    assert_output("unwritten_intent_sends_no_refresh", &error.to_string());
    assert_eq!((table.refreshes(), table.refresh_token()), (0, first.refresh_token));
    sql(&table.path(), "DROP TRIGGER full");
    table.api().get(&home(), &me()).await.unwrap();
}

#[test]
fn warnings_are_given_once_per_sign_in() {
    let (_folder, path) = filled();
    let grants = open_grants(&path);
    let consent = grants.get("home").unwrap().unwrap().authorized_at.unwrap();
    let ends = consent.checked_add_months(Months::new(6)).unwrap();
    let at = |days: i64| ends - TimeDelta::days(days);
    assert_eq!(grants.take_due_warning("home", at(31)).unwrap(), None);
    assert_eq!(grants.take_due_warning("home", at(30)).unwrap(), Some(30));
    assert_eq!(open_grants(&path).take_due_warning("home", at(29)).unwrap(), None);
    assert_eq!(grants.take_due_warning("home", at(6)).unwrap(), Some(7));
    assert_eq!(grants.take_due_warning("home", at(0)).unwrap(), Some(1));
    assert_eq!(grants.take_due_warning("unknown", at(0)).unwrap(), None);
    grants.put(&[NewGrant { authorized_at: Some(ends), ..new("home") }], ends).unwrap();
    assert_eq!(grants.take_due_warning("home", ends).unwrap(), None);
    let days = grant_end(&grants.get("home").unwrap().unwrap()).unwrap().days_left(ends);
    assert!((181..=184).contains(&days), "{days}");
}

#[test]
fn removed_user_leaves_no_token() {
    let (_folder, path) = filled();
    let sealed = dump(&path)[0].1.clone();
    let grants = open_grants(&path);
    let forgotten = auth::logout(&LogoutArgs { user: "home".to_owned(), purge: false }, &grants).unwrap();
    assert_eq!(forgotten.account.unwrap().user_id, "id-home");
    for name in ["grants.db", "grants.db-wal"] {
        let bytes = fs::read(path.join(name)).unwrap();
        assert!(!has_bytes(&bytes, &sealed[1..25]), "{name}");
    }
    let error = auth::logout(&LogoutArgs { user: "home".to_owned(), purge: false }, &grants).unwrap_err();
    assert!(error.to_string().ends_with(": studio"), "{error}");
    assert_eq!(error.exit().code(), 2);
}

/// Collects log output.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn echoed_token_stays_out_of_logs_and_errors() {
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    let _logging = tracing::subscriber::set_default(subscriber.finish());
    for (status, headers) in [
        (400, ""),
        (401, ""),
        (403, ""),
        (429, "retry-after: 86400\r\n"),
        (500, ""),
        (200, ""),
        (302, "location: http://127.0.0.1:9/\r\n"),
    ] {
        // The server echoes the request body as error and as description.
        let server = Answering::with(move |asked| {
            let body = asked.text.split_once("\r\n\r\n").unwrap().1;
            let body =
                format!(r#"{{"error":"invalid_{status}","error_description":"{body} {CANARY}-home {ACCESS}-home"}}"#);
            reply(status, headers, body)
        })
        .await;
        let (_folder, path) = filled();
        sql(&path, "UPDATE grants SET expires_ms = 0");
        let url = server.url();
        let config = config_for(url.as_str(), url.join("/").unwrap().as_str(), true);
        let state = Arc::new(StateDb::open(state_dir(&path)).unwrap());
        let api =
            SpotifyClient::new(config, state, Arc::new(NoopObserver)).unwrap().with_grants(open_grants(&path), None);
        let error = api.get(&home(), &me()).await.unwrap_err();
        // The server never saw the access token, so it can only echo the refresh token.
        let all = format!("{error} {error:?} {:?} {api:?} {:?}", error.hint(), api.grants());
        assert!(!all.contains(CANARY), "{status}: {all}");
    }
    let log = String::from_utf8_lossy(&kept.0.lock().unwrap()).into_owned();
    assert!(log.contains("refresh"), "nothing was logged");
    assert!(!log.contains(CANARY), "{log}");
}

#[tokio::test]
async fn unknown_user_error_names_folder_and_users() {
    let table = Table::with(small()).await;
    table.sign_in(false);
    let error = table.api().get(&ApiCaller::User("stduio".to_owned()), &me()).await.unwrap_err();
    let said = error.to_string();
    assert_output("unknown_user_error_names_folder_and_users", &said);
    assert_eq!(error.hint().unwrap(), "cratedigger auth login stduio");
    assert!(table.sandbox.log().is_empty());
}
