//! Signing in by a pasted address, in one command or two; and whose account it turns out to be.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use cratedigger::cli::auth::{self, Line, Login, LoginArgs, Outcome, Person};
use cratedigger::signin::{Redirect, SignInError, Wanted, begin, identify};
use spotify_client::client::Bearer;
use spotify_client::state::grants::{Flow, GrantState};
use spotify_sandbox::{Action, Consent, Fault, Options, known};
use url::Url;

use super::grants::{Table, me, small};
use super::sign_in::*;

#[tokio::test]
async fn a_pasted_address_signs_in_and_the_address_to_open_stands_alone() {
    let table = table(known::HOME).await;
    let mut person = paster();
    let start = Start::of(&table, false);
    let outcome = start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    assert!(matches!(outcome, Outcome::SignedIn(_)));
    assert_eq!(person.shown.len(), 1);
    let address = Url::parse(&person.shown[0]).unwrap();
    let query: Vec<String> = address.query_pairs().map(|(key, _)| key.into_owned()).collect();
    let keys =
        ["client_id", "response_type", "redirect_uri", "state", "scope", "code_challenge_method", "code_challenge"];
    assert_eq!(query, keys);
    assert!(!person.shown[0].contains(['+', ' ', '\n']));
    let grant = table.grants().get("home").unwrap().unwrap();
    assert!(person.said().contains("user `home` is signed in: the account Home Listening (sandbox-home), until"));
    assert_eq!(grant.flow, Flow::Pkce);
}

#[tokio::test]
async fn two_commands_do_what_one_does_and_an_answer_counts_once() {
    for secret in [true, false] {
        let table = table(known::HOME).await;
        let mut person = MadeUp::default();
        let args = LoginArgs { no_browser: true, ..login("home") };
        let outcome = Start::of(&table, secret).run(&args, &mut person).await.unwrap();
        assert!(matches!(outcome, Outcome::Waits));
        assert!(person.said().contains("cratedigger auth login home --paste 'ADDRESS'"), "{}", person.said());
        let back = consent(Url::parse(&person.shown[0]).unwrap()).await.to_string();
        // Once on stdin, where no list of processes shows it.
        let typed = LoginArgs { paste: Some("-".to_owned()), ..login("home") };
        let mut typist = MadeUp { types: [back.clone()].into(), ..MadeUp::default() };
        let args = LoginArgs { paste: Some(back), ..login("home") };
        let start = Start::of(&table, secret);
        let outcome = start.run(&typed, &mut typist).await.unwrap();
        assert!(matches!(outcome, Outcome::SignedIn(_)));
        let error = start.run(&args, &mut MadeUp::default()).await.unwrap_err();
        assert!(error.to_string().starts_with("no sign-in of user `home` is waiting"), "{error}");
        // The replayed answer did not reach Spotify, which would have ended the grant.
        table.sandbox.revoke_access_tokens();
        start.api.get(&Bearer::User("home".to_owned()), &me()).await.unwrap();
    }
}

#[tokio::test]
async fn the_bare_code_is_enough_and_a_person_may_try_again() {
    let table = table(known::HOME).await;
    let mut person = paster();
    person.types.push_back("what do you want".to_owned());
    person.copies = Some(code_of);
    person.there = true;
    let args = LoginArgs { no_browser: true, ..login("home") };
    let outcome = Start::of(&table, true).run(&args, &mut person).await.unwrap();
    assert!(matches!(outcome, Outcome::SignedIn(_)));
    assert!(person.said().contains("this is neither an address with a code nor a code"), "{}", person.said());
}

#[tokio::test]
async fn a_state_of_another_sign_in_is_refused_and_the_right_one_still_works() {
    let table = table(known::HOME).await;
    let start = Start::of(&table, true);
    let args = LoginArgs { no_browser: true, ..login("home") };
    let mut person = MadeUp::default();
    start.run(&args, &mut person).await.unwrap();
    let mut stranger = consent(Url::parse(&person.shown[0]).unwrap()).await;
    let query = stranger.query().unwrap().replace("state=", "state=x");
    stranger.set_query(Some(&query));
    let paste = |text: String| LoginArgs { paste: Some(text), ..login("home") };
    let error = start.run(&paste(stranger.to_string()), &mut MadeUp::default()).await.unwrap_err();
    assert!(error.to_string().contains("another sign-in (its state differs)"), "{error}");
    assert_eq!(error.exit(), 2);
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    start.run(&paste(back.to_string()), &mut MadeUp::default()).await.unwrap();
}

#[tokio::test]
async fn a_code_that_ran_out_brings_a_new_link_that_works() {
    let table = table(known::HOME).await;
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
async fn after_network_trouble_the_same_address_may_be_pasted_again() {
    let table = table(known::HOME).await;
    let start = Start::of(&table, true);
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    table.sandbox.inject(Fault::on("/api/token", Action::status(503)).times(3));
    let args = LoginArgs { paste: Some(back.to_string()), ..login("home") };
    let error = start.run(&args, &mut MadeUp::default()).await.unwrap_err();
    assert_eq!(error.exit(), 1, "{error}");
    start.run(&args, &mut MadeUp::default()).await.unwrap();
}

#[tokio::test]
async fn a_grant_whose_account_nobody_names_is_kept_and_asked_about_later() {
    let table = table(known::HOME).await;
    let start = Start::of(&table, true);
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    let args = LoginArgs { paste: Some(back.to_string()), ..login("home") };
    // The code is spent once the token has come: another paste of it would be worth nothing.
    table.sandbox.inject(Fault::on("/v1/me", Action::MalformedJson));
    start.run(&args, &mut MadeUp::default()).await.unwrap();
    assert_eq!(table.grants().get("home").unwrap().unwrap().account, None);
    table.sandbox.clear_faults();
    assert_eq!(identify(&start.api, "home").await.unwrap().user_id, known::HOME);
    // Where another grant stands, nothing takes its place unseen.
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    table.sandbox.inject(Fault::on("/v1/me", Action::MalformedJson));
    let args = LoginArgs { paste: Some(back.to_string()), ..login("home") };
    let error = start.run(&args, &mut MadeUp::default()).await.unwrap_err();
    assert!(error.to_string().contains("did not say whose account the new one is"), "{error}");
    assert!(error.hint().unwrap().contains("begin again: cratedigger auth login home"));
    assert_eq!(table.grants().get("home").unwrap().unwrap().account.unwrap().user_id, known::HOME);
}

#[tokio::test]
async fn a_sign_in_waits_for_a_day_and_no_longer() {
    let table = table(known::HOME).await;
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
async fn another_account_for_a_known_user_needs_replace() {
    let table = table(known::HOME).await;
    pasted(&table, "home").await.unwrap();
    let before = table.grants().get("home").unwrap();
    // The same account again is fine.
    pasted(&table, "home").await.unwrap();
    table.sandbox.consent(Consent::Grant { user: known::STUDIO.to_owned(), scopes: None });
    let error = pasted(&table, "home").await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("Home Listening (sandbox-home), and the browser was signed in as Studio"), "{said}");
    assert!(error.hint().unwrap().contains("cratedigger auth login home --replace"));
    assert_eq!(table.grants().get("home").unwrap().unwrap().account, before.unwrap().account);
    let args = LoginArgs { no_browser: true, replace: true, ..login("home") };
    Start::of(&table, true).run(&args, &mut paster()).await.unwrap();
    assert_eq!(table.grants().get("home").unwrap().unwrap().account.unwrap().user_id, known::STUDIO);
}

#[tokio::test]
async fn scopes_that_were_not_granted_are_stored_so_and_said() {
    let table = Table::with(small()).await;
    let some = Some(vec!["user-top-read".to_owned()]);
    table.sandbox.consent(Consent::Grant { user: known::HOME.to_owned(), scopes: some });
    let mut person = paster();
    let args = LoginArgs { no_browser: true, ..login("home") };
    Start::of(&table, true).run(&args, &mut person).await.unwrap();
    assert!(person.said().contains("not granted, and some job needs it: user-library-read"), "{}", person.said());
    let grants = table.grants();
    assert_eq!(grants.lacking("home", &["user-library-read", "user-top-read"]).unwrap(), ["user-library-read"]);
}

#[tokio::test]
async fn a_user_who_has_to_sign_in_again_is_well_afterwards() {
    let table = table(known::HOME).await;
    pasted(&table, "home").await.unwrap();
    table.sandbox.revoke_grants_of(known::HOME);
    table.sandbox.revoke_access_tokens();
    let start = Start::of(&table, true);
    let home = Bearer::User("home".to_owned());
    start.api.get(&home, &me()).await.unwrap_err();
    assert_eq!(table.grants().get("home").unwrap().unwrap().state, GrantState::NeedsSignIn);
    pasted(&table, "home").await.unwrap();
    // A process that was running all the time goes on, too.
    start.api.get(&home, &me()).await.unwrap();
}

#[tokio::test]
async fn a_ban_is_told_before_the_code_is_spent() {
    let table = table(known::HOME).await;
    let start = Start::of(&table, true);
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    let ban = Action::rate_limited(spotify_sandbox::RetryAfter::Seconds(86_400));
    table.sandbox.inject(Fault::on("/api/token", ban).times(1));
    let args = LoginArgs { paste: Some(back.to_string()), ..login("home") };
    for _ in 0..2 {
        let error = start.run(&args, &mut MadeUp::default()).await.unwrap_err();
        assert_eq!(error.exit(), 75, "{error}");
    }
    assert_eq!(table.refreshes(), 1);
}

#[tokio::test]
async fn an_imported_grant_learns_whose_it_is_by_one_call() {
    let table = Table::with(Options { ..small() }).await;
    table.sign_in(false);
    let api = table.api();
    assert_eq!(identify(&api, "home").await.unwrap().user_id, known::HOME);
    assert_eq!(identify(&api, "home").await.unwrap().user_id, known::HOME);
    assert_eq!(table.sandbox.log().iter().filter(|seen| seen.path == "/v1/me").count(), 1);
}

#[tokio::test]
async fn a_redirect_uri_that_spotify_refuses_is_refused_before_anything_happens() {
    let table = table(known::HOME).await;
    let mut start = Start::of(&table, true);
    start.redirect_uri = "http://localhost:8888/callback".to_owned();
    let mut person = MadeUp::default();
    let error = start.run(&login("home"), &mut person).await.unwrap_err();
    assert_eq!(error.exit(), 2);
    assert!(error.to_string().contains("names localhost"), "{error}");
    assert!(person.told.is_empty() && person.shown.is_empty());
    assert!(matches!(Redirect::parse("http://example.com/"), Err(SignInError::Redirect { .. })));
}

#[tokio::test]
async fn an_https_redirect_is_pasted_even_where_there_is_a_browser() {
    let table = table(known::HOME).await;
    let mut start = Start::of(&table, true);
    start.redirect_uri = "https://example.com/callback".to_owned();
    let mut person = paster();
    person.browser = Some(Box::new(|_| tokio::spawn(async { (0, String::new()) })));
    let outcome = start.run(&login("home"), &mut person).await.unwrap();
    assert!(matches!(outcome, Outcome::SignedIn(_)));
}

#[tokio::test]
async fn names_that_could_not_stand_in_a_file_name_are_refused() {
    let table = table(known::HOME).await;
    let start = Start::of(&table, true);
    for name in ["", "*", "../x", "a b", ".x", "-x", "ü", &"x".repeat(65)] {
        let wanted = Wanted { user: name, scopes: &[], redirect_uri: "http://127.0.0.1/callback", replace: false };
        assert!(begin(&start.api, &wanted, Utc::now()).is_err(), "{name}");
    }
}

#[tokio::test]
async fn while_a_paste_is_awaited_a_browser_on_this_machine_may_answer() {
    let table = table(known::HOME).await;
    let start = Start::of(&table, true);
    let args = LoginArgs { no_browser: true, ..login("home") };
    let mut person = Onlooker { browser: browser(|_| async {}), page: None };
    let login =
        Login { patience: start.patience, ..Login::new(&start.api, &start.grants, &start.scopes, &start.redirect_uri) };
    let outcome = auth::login(&args, &login, &mut person).await.unwrap();
    assert!(matches!(outcome, Outcome::SignedIn(_)));
    assert_eq!(person.page.unwrap().await.unwrap().0, 200);
    assert!(table.grants().pending("home", Utc::now()).unwrap().is_none());
}

/// Somebody who opens the address by hand and types nothing.
struct Onlooker {
    browser: BrowserOf,
    page: Option<Visit>,
}

impl Person for Onlooker {
    fn tell(&mut self, _: &str) {}

    fn show(&mut self, text: &str) {
        self.page = Some((self.browser)(Url::parse(text).unwrap()));
    }

    fn line(&mut self) -> Line {
        Box::pin(std::future::pending())
    }

    fn is_there(&self) -> bool {
        true
    }

    fn open(&mut self, _: &Url) -> bool {
        false
    }
}
