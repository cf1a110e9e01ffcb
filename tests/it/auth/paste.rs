//! Sign-in by a pasted address, in one command or two, also with the wrong account.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use cratedigger::cli::auth::{self, LineFuture, LoginArgs, LoginFlow, LoginOutcome, UserPrompt};
use cratedigger::signin::{RedirectUri, SignInError, SignInRequest, identify};
use spotify_client::client::ApiCaller;
use spotify_client::state::grants::{GrantState, SignInFlow};
use spotify_sandbox::{ConsentDecision, Fault, FaultAction, SandboxOptions, fixtures};
use url::Url;

use super::grants::{Table, me, small};
use super::sign_in::*;
use crate::support::snapshot::assert_output;

#[tokio::test]
async fn pasted_address_signs_in() {
    let table = table(fixtures::HOME_USER).await;
    let mut person = paster();
    let start = Start::of(&table, false);
    let outcome = start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    assert!(matches!(outcome, LoginOutcome::SignedIn(_)));
    assert_eq!(person.shown.len(), 1);
    let address = Url::parse(&person.shown[0]).unwrap();
    let query: Vec<String> = address.query_pairs().map(|(key, _)| key.into_owned()).collect();
    let keys =
        ["client_id", "response_type", "redirect_uri", "state", "scope", "code_challenge_method", "code_challenge"];
    assert_eq!(query, keys);
    assert!(!person.shown[0].contains(['+', ' ', '\n']));
    let grant = table.grants().get("home").unwrap().unwrap();
    assert!(person.said().contains("user `home` is signed in: the account Home Listening (sandbox-home), until"));
    assert_eq!(grant.flow, SignInFlow::Pkce);
}

#[tokio::test]
async fn sign_in_works_in_two_commands() {
    for secret in [true, false] {
        let table = table(fixtures::HOME_USER).await;
        let mut person = MadeUp::default();
        let args = LoginArgs { no_browser: true, ..login("home") };
        let outcome = Start::of(&table, secret).run(&args, &mut person).await.unwrap();
        assert!(matches!(outcome, LoginOutcome::Waits));
        assert!(person.said().contains("run `cratedigger auth login home --paste` and paste"), "{}", person.said());
        let back = consent(Url::parse(&person.shown[0]).unwrap()).await.to_string();
        // Once through stdin, so that the list of processes does not show it.
        let typed = LoginArgs { paste: Some("-".to_owned()), ..login("home") };
        let mut typist = MadeUp { types: [back.clone()].into(), ..MadeUp::default() };
        let args = LoginArgs { paste: Some(back), ..login("home") };
        let start = Start::of(&table, secret);
        let outcome = start.run(&typed, &mut typist).await.unwrap();
        assert!(matches!(outcome, LoginOutcome::SignedIn(_)));
        let error = start.run(&args, &mut MadeUp::default()).await.unwrap_err();
        assert!(error.to_string().starts_with("no sign-in of user `home` is waiting"), "{error}");
        // The replayed answer was not sent to Spotify, which would have revoked the grant.
        table.sandbox.revoke_access_tokens();
        start.api.get(&ApiCaller::User("home".to_owned()), &me()).await.unwrap();
    }
}

#[tokio::test]
async fn bare_code_is_refused() {
    let table = table(fixtures::HOME_USER).await;
    let start = Start::of(&table, true);
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    let paste = |text: String| LoginArgs { paste: Some(text), ..login("home") };
    let error = start.run(&paste(code_of(&back)), &mut MadeUp::default()).await.unwrap_err();
    assert!(error.to_string().contains("only the code, without the rest of the address"), "{error}");
    assert_eq!(table.refreshes(), 0, "nothing was sent");
    start.run(&paste(back.to_string()), &mut MadeUp::default()).await.unwrap();
}

#[tokio::test]
async fn pkce_is_used_with_a_secret_too() {
    for ignores_pkce_with_secret in [false, true] {
        let table = Table::with(SandboxOptions { ignores_pkce_with_secret, ..small() }).await;
        let user = fixtures::HOME_USER.to_owned();
        table.sandbox.set_consent(ConsentDecision::Grant { user, scopes: None });
        let mut person = paster();
        let args = LoginArgs { no_browser: true, ..login("home") };
        Start::of(&table, true).run(&args, &mut person).await.unwrap();
        assert!(person.shown[0].contains("&code_challenge_method=S256&code_challenge="), "{}", person.shown[0]);
        assert_eq!(table.grants().get("home").unwrap().unwrap().flow, SignInFlow::Code);
        // With a verifier, and only where the server refuses that, without.
        assert_eq!(table.refreshes(), if ignores_pkce_with_secret { 2 } else { 1 });
        // The grant is refreshed with the secret.
        table.sandbox.revoke_access_tokens();
        table.api().get(&ApiCaller::User("home".to_owned()), &me()).await.unwrap();
    }
}

#[tokio::test]
async fn wrong_state_is_refused() {
    let table = table(fixtures::HOME_USER).await;
    let start = Start::of(&table, true);
    let args = LoginArgs { no_browser: true, ..login("home") };
    let mut person = MadeUp::default();
    start.run(&args, &mut person).await.unwrap();
    let mut stranger = consent(Url::parse(&person.shown[0]).unwrap()).await;
    let query = stranger.query().unwrap().replace("state=", "state=x");
    stranger.set_query(Some(&query));
    let paste = |text: String| LoginArgs { paste: Some(text), ..login("home") };
    let error = start.run(&paste(stranger.to_string()), &mut MadeUp::default()).await.unwrap_err();
    assert!(error.to_string().contains("another sign-in (its state is different)"), "{error}");
    assert_eq!(error.exit().code(), 2);
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    start.run(&paste(back.to_string()), &mut MadeUp::default()).await.unwrap();
}

#[tokio::test]
async fn expired_code_gives_a_new_link() {
    let table = table(fixtures::HOME_USER).await;
    let start = Start::of(&table, true);
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    table.sandbox.advance(Duration::from_secs(11 * 60));
    let paste = |text: &Url| LoginArgs { paste: Some(text.to_string()), ..login("home") };
    let mut person = MadeUp::default();
    let error = start.run(&paste(&back), &mut person).await.unwrap_err();
    assert!(error.to_string().contains("open the link again"), "{error}");
    assert!(table.grants().get("home").unwrap().is_none());
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    start.run(&paste(&back), &mut MadeUp::default()).await.unwrap();
}

#[tokio::test]
async fn paste_works_again_after_network_trouble() {
    let table = table(fixtures::HOME_USER).await;
    let start = Start::of(&table, true);
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    table.sandbox.inject(Fault::on_path("/api/token", FaultAction::status(503)).times(3));
    let args = LoginArgs { paste: Some(back.to_string()), ..login("home") };
    let error = start.run(&args, &mut MadeUp::default()).await.unwrap_err();
    assert_eq!(error.exit().code(), 1, "{error}");
    start.run(&args, &mut MadeUp::default()).await.unwrap();
}

#[tokio::test]
async fn grant_without_account_is_asked_later() {
    let table = table(fixtures::HOME_USER).await;
    let start = Start::of(&table, true);
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    let args = LoginArgs { paste: Some(back.to_string()), ..login("home") };
    // The code is used up once the token has arrived, so pasting it again is useless.
    table.sandbox.inject(Fault::on_path("/v1/me", FaultAction::MalformedJson));
    start.run(&args, &mut MadeUp::default()).await.unwrap();
    assert_eq!(table.grants().get("home").unwrap().unwrap().account, None);
    table.sandbox.clear_faults();
    assert_eq!(identify(&start.api, "home").await.unwrap().user_id, fixtures::HOME_USER);
    // An existing grant is not replaced without a check of the account.
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    table.sandbox.inject(Fault::on_path("/v1/me", FaultAction::MalformedJson));
    let args = LoginArgs { paste: Some(back.to_string()), ..login("home") };
    let error = start.run(&args, &mut MadeUp::default()).await.unwrap_err();
    assert!(error.to_string().contains("did not report the account of the new one"), "{error}");
    assert!(error.hint().unwrap().contains("start again: cratedigger auth login home"));
    assert_eq!(table.grants().get("home").unwrap().unwrap().account.unwrap().user_id, fixtures::HOME_USER);
}

#[tokio::test]
async fn sign_in_expires_after_a_day() {
    let table = table(fixtures::HOME_USER).await;
    let start = Start::of(&table, true);
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let grants = table.grants();
    let kept = grants.pending("home", Utc::now() + TimeDelta::hours(23)).unwrap().unwrap();
    assert_eq!(kept.scopes, scopes());
    assert!(grants.pending("home", Utc::now() + TimeDelta::hours(25)).unwrap().is_none());
    assert!(grants.pending("home", Utc::now()).unwrap().is_none());
}

#[tokio::test]
async fn another_account_needs_replace() {
    let table = table(fixtures::HOME_USER).await;
    pasted(&table, "home").await.unwrap();
    let before = table.grants().get("home").unwrap();
    // Signing in with the same account again works.
    pasted(&table, "home").await.unwrap();
    table.sandbox.set_consent(ConsentDecision::Grant { user: fixtures::STUDIO_USER.to_owned(), scopes: None });
    let error = pasted(&table, "home").await.unwrap_err();
    let said = error.to_string();
    assert_output("another_account_needs_replace", &said);
    assert!(error.hint().unwrap().contains("cratedigger auth login home --replace"));
    assert_eq!(table.grants().get("home").unwrap().unwrap().account, before.unwrap().account);
    let args = LoginArgs { no_browser: true, replace: true, ..login("home") };
    Start::of(&table, true).run(&args, &mut paster()).await.unwrap();
    assert_eq!(table.grants().get("home").unwrap().unwrap().account.unwrap().user_id, fixtures::STUDIO_USER);
}

#[tokio::test]
async fn missing_scopes_are_stored_and_reported() {
    let table = Table::with(small()).await;
    let some = Some(vec!["user-top-read".to_owned()]);
    table.sandbox.set_consent(ConsentDecision::Grant { user: fixtures::HOME_USER.to_owned(), scopes: some });
    let mut person = paster();
    let args = LoginArgs { no_browser: true, ..login("home") };
    Start::of(&table, true).run(&args, &mut person).await.unwrap();
    assert!(person.said().contains("a job needs scopes that were not granted: user-library-read"), "{}", person.said());
    let grants = table.grants();
    assert_eq!(grants.missing_scopes("home", &["user-library-read", "user-top-read"]).unwrap(), ["user-library-read"]);
}

#[tokio::test]
async fn second_sign_in_repairs_the_user() {
    let table = table(fixtures::HOME_USER).await;
    pasted(&table, "home").await.unwrap();
    table.sandbox.revoke_grants(fixtures::HOME_USER);
    table.sandbox.revoke_access_tokens();
    let start = Start::of(&table, true);
    let home = ApiCaller::User("home".to_owned());
    start.api.get(&home, &me()).await.unwrap_err();
    assert_eq!(table.grants().get("home").unwrap().unwrap().state, GrantState::NeedsSignIn);
    pasted(&table, "home").await.unwrap();
    // A process that was running all the time can send calls again, too.
    start.api.get(&home, &me()).await.unwrap();
}

#[tokio::test]
async fn ban_is_reported_before_the_code_is_used() {
    let table = table(fixtures::HOME_USER).await;
    let start = Start::of(&table, true);
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    let ban = FaultAction::rate_limited(spotify_sandbox::RetryAfterHeader::Seconds(86_400));
    table.sandbox.inject(Fault::on_path("/api/token", ban).times(1));
    let args = LoginArgs { paste: Some(back.to_string()), ..login("home") };
    for _ in 0..2 {
        let error = start.run(&args, &mut MadeUp::default()).await.unwrap_err();
        assert_eq!(error.exit().code(), 75, "{error}");
    }
    assert_eq!(table.refreshes(), 1);
}

#[tokio::test]
async fn imported_grant_learns_its_account() {
    let table = Table::with(SandboxOptions { ..small() }).await;
    table.sign_in(false);
    let api = table.api();
    assert_eq!(identify(&api, "home").await.unwrap().user_id, fixtures::HOME_USER);
    assert_eq!(identify(&api, "home").await.unwrap().user_id, fixtures::HOME_USER);
    assert_eq!(table.sandbox.log().iter().filter(|seen| seen.path == "/v1/me").count(), 1);
}

#[tokio::test]
async fn invalid_redirect_uri_is_refused_first() {
    let table = table(fixtures::HOME_USER).await;
    let mut start = Start::of(&table, true);
    start.redirect_uri = "http://localhost:8888/callback".to_owned();
    let mut person = MadeUp::default();
    let error = start.run(&login("home"), &mut person).await.unwrap_err();
    assert_eq!(error.exit().code(), 2);
    assert!(error.to_string().contains("uses localhost"), "{error}");
    assert!(person.messages.is_empty() && person.shown.is_empty());
    assert!(matches!(RedirectUri::parse("http://example.com/"), Err(SignInError::Redirect { .. })));
}

#[tokio::test]
async fn https_redirect_is_always_pasted() {
    let table = table(fixtures::HOME_USER).await;
    let mut start = Start::of(&table, true);
    start.redirect_uri = "https://example.com/callback".to_owned();
    let mut person = paster();
    person.browser = Some(Box::new(|_| tokio::spawn(async { (0, String::new()) })));
    let outcome = start.run(&login("home"), &mut person).await.unwrap();
    assert!(matches!(outcome, LoginOutcome::SignedIn(_)));
}

#[tokio::test]
async fn invalid_user_names_are_refused() {
    let table = table(fixtures::HOME_USER).await;
    let start = Start::of(&table, true);
    for name in ["", "*", "../x", "a b", ".x", "-x", "ü", &"x".repeat(65)] {
        let wanted =
            SignInRequest { user: name, scopes: &[], redirect_uri: "http://127.0.0.1/callback", replace: false };
        assert!(cratedigger::signin::start(&start.api, &start.grants, &wanted, Utc::now()).is_err(), "{name}");
    }
}

#[tokio::test]
async fn browser_may_answer_a_waiting_paste() {
    let table = table(fixtures::HOME_USER).await;
    let start = Start::of(&table, true);
    let args = LoginArgs { no_browser: true, ..login("home") };
    let mut person = Onlooker { browser: browser(|_| async {}), page: None };
    let login = LoginFlow {
        patience: start.patience,
        ..LoginFlow::new(&start.api, &start.grants, &start.scopes, &start.redirect_uri)
    };
    let outcome = auth::login(&args, &login, &mut person).await.unwrap();
    assert!(matches!(outcome, LoginOutcome::SignedIn(_)));
    assert_eq!(person.page.unwrap().await.unwrap().0, 200);
    assert!(table.grants().pending("home", Utc::now()).unwrap().is_none());
}

/// A user who opens the address by hand and types nothing.
struct Onlooker {
    browser: BrowserOf,
    page: Option<Visit>,
}

impl UserPrompt for Onlooker {
    fn tell(&mut self, _: &str) {}

    fn show(&mut self, text: &str) {
        self.page = Some((self.browser)(Url::parse(text).unwrap()));
    }

    fn read_line(&mut self) -> LineFuture {
        Box::pin(std::future::pending())
    }

    fn is_interactive(&self) -> bool {
        true
    }

    fn open_browser(&mut self, _: &Url) -> bool {
        false
    }
}
