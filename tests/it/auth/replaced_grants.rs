//! Which sign-in may replace a grant: an older one, one of another account, one after the clock was set back.

use chrono::{TimeDelta, Utc};
use cratedigger::cli::auth::LoginArgs;
use cratedigger::signin::SignInRequest;
use spotify_sandbox::{ConsentDecision, Fault, FaultAction, fixtures};
use url::Url;

use super::grants::Table;
use super::sign_in::*;

/// Signs the user home in once more, with `--replace`.
async fn replace_home(table: &Table) {
    let start = Start::of(table, true);
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    let args = LoginArgs { paste: Some(back.to_string()), replace: true, ..login("home") };
    start.run(&args, &mut MadeUp::default()).await.unwrap();
}

#[tokio::test]
async fn paste_may_replace_the_account() {
    let table = table(fixtures::HOME_USER).await;
    pasted(&table, "home").await.unwrap();
    let user = fixtures::STUDIO_USER.to_owned();
    table.sandbox.set_consent(ConsentDecision::Grant { user, scopes: None });
    replace_home(&table).await;
    assert_eq!(table.grants().get("home").unwrap().unwrap().account.unwrap().user_id, fixtures::STUDIO_USER);
}

#[tokio::test]
async fn older_sign_in_replaces_nothing_newer() {
    let table = table(fixtures::HOME_USER).await;
    let start = Start::of(&table, true);
    let grants = table.grants();
    let begin = || {
        let redirect_uri = "http://127.0.0.1:43210/callback";
        let wanted = SignInRequest { user: "home", scopes: &[], redirect_uri, replace: false };
        cratedigger::signin::start(&start.api, &start.grants, &wanted, Utc::now()).unwrap()
    };
    // The clock was set back after the older one began.
    let mut older = begin();
    older.pending.created_at += TimeDelta::hours(1);
    let newer = begin();
    grants.save_pending(&newer.pending).unwrap();
    // An answer that could not be redeemed yet is kept, unless there is a newer sign-in.
    grants.restore_pending(&older.pending).unwrap();
    assert!(!grants.forget_pending(&older.pending).unwrap());
    let kept = grants.pending("home", Utc::now()).unwrap().unwrap();
    assert_eq!(kept.created_at.timestamp_millis(), newer.pending.created_at.timestamp_millis());
    let address = consent(newer.address.clone()).await.to_string();
    start.run(&LoginArgs { paste: Some(address), ..login("home") }, &mut MadeUp::default()).await.unwrap();
    // The browser of the older one comes back late.
    let grant = grants.get("home").unwrap();
    let code = code_of(&consent(older.address.clone()).await).into();
    let answer = cratedigger::signin::answer::CallbackAnswer::Code(code);
    let error = cratedigger::signin::finish(&start.api, &grants, &older.pending, answer).await.unwrap_err();
    assert!(error.to_string().contains("the newer grant is kept"), "{error}");
    assert_eq!(grants.get("home").unwrap(), grant);
}

#[tokio::test]
async fn clock_set_back_locks_nobody_out() {
    let table = table(fixtures::HOME_USER).await;
    pasted(&table, "home").await.unwrap();
    let store = rusqlite::Connection::open(table.path().join("grants.db")).unwrap();
    store.execute("UPDATE grants SET given_ms = given_ms + 86400000", []).unwrap();
    let before = table.grants().get("home").unwrap().unwrap();
    pasted(&table, "home").await.unwrap();
    assert!(table.grants().get("home").unwrap().unwrap().given_at < before.given_at);
}

#[tokio::test]
async fn replace_holds_for_one_paste() {
    let table = table(fixtures::HOME_USER).await;
    pasted(&table, "home").await.unwrap();
    table.sandbox.set_consent(ConsentDecision::Grant { user: fixtures::STUDIO_USER.to_owned(), scopes: None });
    let start = Start::of(&table, true);
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    table.sandbox.inject(Fault::on_path("/api/token", FaultAction::status(503)).times(3));
    let args = |replace| LoginArgs { paste: Some(back.to_string()), replace, ..login("home") };
    start.run(&args(true), &mut MadeUp::default()).await.unwrap_err();
    let error = start.run(&args(false), &mut MadeUp::default()).await.unwrap_err();
    assert!(error.hint().unwrap().contains("cratedigger auth login home --replace"), "{error}");
}

#[tokio::test]
async fn unknown_account_replaces_no_known_one() {
    let table = table(fixtures::HOME_USER).await;
    pasted(&table, "home").await.unwrap();
    let before = table.grants().get("home").unwrap().unwrap();
    let user = fixtures::STUDIO_USER.to_owned();
    table.sandbox.set_consent(ConsentDecision::Grant { user, scopes: None });
    let answers = [(403, "Insufficient client scope"), (500, "no")];
    for (code, says) in answers {
        table.sandbox.clear_faults();
        let json = serde_json::json!({ "error": { "status": code, "message": says } });
        table.sandbox.inject(Fault::on_path("/v1/me", FaultAction::Answer { code, json }));
        let error = pasted(&table, "home").await.unwrap_err();
        assert!(error.to_string().contains("did not report the account"), "{code}: {error}");
        assert!(error.hint().unwrap().contains("--replace"), "{code}");
        assert_eq!(table.grants().get("home").unwrap().unwrap(), before, "{code}");
        // A new user has no account that could be mixed up.
        pasted(&table, "new").await.unwrap();
        assert_eq!(table.grants().get("new").unwrap().unwrap().account, None);
        assert!(table.grants().forget("new").unwrap().is_some());
    }
    replace_home(&table).await;
    assert_eq!(table.grants().get("home").unwrap().unwrap().account, None, "the next run reads it");
}
