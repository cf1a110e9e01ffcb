//! Signing in, against the sandbox: a scripted browser, a pasted address, two commands.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::Utc;
use cratedigger::cli::auth::{self, LineFuture, LoginArgs, LoginFlow, LoginOutcome, UserPrompt};
use cratedigger::signin::SignInRequest;
use secrecy::ExposeSecret;
use spotify_client::client::{ApiCaller, SpotifyClient};
use spotify_client::state::grants::{GrantStore, SignInFlow};
use spotify_sandbox::{ConsentDecision, Fault, FaultAction, fixtures};
use tokio::task::JoinHandle;
use url::Url;

use super::grants::{Table, granted, me, small};
use crate::support::snapshot::assert_output;

/// A browser at work. It ends with a status and a page.
pub type Visit = JoinHandle<(u16, String)>;
pub type BrowserOf = Box<dyn FnMut(Url) -> Visit + Send>;

/// A user with prepared input, whose browser is a function.
#[derive(Default)]
pub struct MadeUp {
    pub messages: Vec<String>,
    pub shown: Vec<String>,
    pub types: VecDeque<String>,
    /// Opens the link that is shown, and types this part of the address that it leads to.
    pub copies: Option<fn(&Url) -> String>,
    pub browser: Option<BrowserOf>,
    pub saw: Vec<Visit>,
    pub there: bool,
}

impl UserPrompt for MadeUp {
    fn tell(&mut self, text: &str) {
        self.messages.push(text.to_owned());
    }

    fn show(&mut self, text: &str) {
        self.shown.push(text.to_owned());
    }

    fn read_line(&mut self) -> LineFuture {
        let next = self.types.pop_front();
        if let (None, Some(copies)) = (&next, self.copies) {
            let address = Url::parse(self.shown.last().unwrap()).unwrap();
            return Box::pin(async move { Ok(Some(copies(&consent(address).await))) });
        }
        Box::pin(async move { io::Result::Ok(next) })
    }

    fn is_interactive(&self) -> bool {
        self.there
    }

    fn open_browser(&mut self, address: &Url) -> bool {
        let Some(browser) = &mut self.browser else { return false };
        self.saw.push(browser(address.clone()));
        true
    }
}

impl MadeUp {
    pub fn said(&self) -> String {
        self.messages.join("\n")
    }
}

pub fn client() -> reqwest::Client {
    {
        spotify_client::http::transport::use_ring();
        reqwest::Client::builder()
    }
    .no_proxy()
    .redirect(reqwest::redirect::Policy::none())
    .build()
    .unwrap()
}

/// Follows the link to Spotify and returns the address that it redirects to.
pub async fn consent(address: Url) -> Url {
    let response = client().get(address).send().await.unwrap();
    assert_eq!(response.status(), 302);
    Url::parse(response.headers()["location"].to_str().unwrap()).unwrap()
}

pub async fn page(address: &str) -> (u16, String) {
    let response = client().get(address).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// A browser that follows the redirect after `first` was done with it.
pub fn browser<F>(first: impl Fn(Url) -> F + Send + Sync + 'static) -> BrowserOf
where
    F: Future<Output = ()> + Send,
{
    let first = Arc::new(first);
    Box::new(move |address| {
        let first = Arc::clone(&first);
        tokio::spawn(async move {
            let back = consent(address).await;
            first(back.clone()).await;
            page(back.as_str()).await
        })
    })
}

pub fn login(user: &str) -> LoginArgs {
    LoginArgs { user: user.to_owned(), no_browser: false, paste: None, replace: false }
}

pub fn scopes() -> Vec<String> {
    ["user-library-read", "user-top-read"].map(str::to_owned).to_vec()
}

pub struct Start {
    pub api: SpotifyClient,
    pub grants: Arc<GrantStore>,
    pub scopes: Vec<String>,
    pub redirect_uri: String,
    pub patience: Duration,
}

impl Start {
    pub fn of(table: &Table, secret: bool) -> Start {
        let api = table.api_with(secret, None);
        let grants = Arc::clone(api.grants().unwrap());
        let redirect_uri = "http://127.0.0.1/callback".to_owned();
        Start { api, grants, scopes: scopes(), redirect_uri, patience: Duration::from_secs(20) }
    }

    pub async fn run(&self, args: &LoginArgs, person: &mut MadeUp) -> Result<LoginOutcome, auth::AuthError> {
        let login = LoginFlow {
            patience: self.patience,
            ..LoginFlow::new(&self.api, &self.grants, &self.scopes, &self.redirect_uri)
        };
        auth::login(args, &login, person).await
    }
}

pub async fn table(user: &str) -> Table {
    let table = Table::with(small()).await;
    table.sandbox.set_consent(ConsentDecision::Grant { user: user.to_owned(), scopes: None });
    table
}

pub async fn pasted(table: &Table, user: &str) -> Result<LoginOutcome, auth::AuthError> {
    let mut person = paster();
    Start::of(table, true).run(&LoginArgs { no_browser: true, ..login(user) }, &mut person).await
}

/// A user who opens the link and pastes the address that it leads to.
pub fn paster() -> MadeUp {
    MadeUp { copies: Some(Url::to_string), ..MadeUp::default() }
}

pub fn code_of(address: &Url) -> String {
    address.query_pairs().find(|(key, _)| key == "code").unwrap().1.into_owned()
}

#[tokio::test]
async fn browser_signs_in_with_or_without_a_secret() {
    for secret in [true, false] {
        let table = table(fixtures::HOME_USER).await;
        let start = Start::of(&table, secret);
        let mut person = MadeUp { browser: Some(browser(|_| async {})), ..MadeUp::default() };
        let outcome = start.run(&login("home"), &mut person).await.unwrap();
        let LoginOutcome::SignedIn(signed_in) = outcome else { panic!("{outcome:?}") };
        let grant = &signed_in.grant;
        assert_eq!(grant.flow, if secret { SignInFlow::Code } else { SignInFlow::Pkce });
        assert_eq!(grant.account.as_ref().unwrap().user_id, fixtures::HOME_USER);
        assert!(grant.account.as_ref().unwrap().account_id.is_some());
        assert_eq!(grant.scopes.as_ref().unwrap(), &scopes());
        assert!(signed_in.lacking.is_empty());
        assert!(
            person.messages[0].starts_with("redirect URI: http://127.0.0.1/callback (without a port"),
            "{:?}",
            person.messages
        );
        let (status, page) = person.saw.remove(0).await.unwrap();
        assert_eq!(status, 200);
        assert_output("browser_signs_in_with_or_without_a_secret", &page);
        // The grant works, at once and after its access token has expired.
        start.api.get(&ApiCaller::User("home".to_owned()), &me()).await.unwrap();
        table.sandbox.revoke_access_tokens();
        start.api.get(&ApiCaller::User("home".to_owned()), &me()).await.unwrap();
    }
}

#[tokio::test]
async fn other_requests_change_nothing() {
    let table = table(fixtures::HOME_USER).await;
    let start = Start::of(&table, true);
    let seen: Arc<Mutex<Vec<(u16, String)>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let browser = browser(move |back: Url| {
        let kept = Arc::clone(&kept);
        async move {
            let base = format!("http://{}", back.authority());
            let evil = "%3Cscript%3Ealert(1)%3C/script%3E";
            let code = code_of(&back);
            let state = back.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
            for address in [
                format!("{base}/favicon.ico"),
                format!("{base}/callback/x?code={code}&state={state}"),
                format!("{base}/callback?code={code}&state={evil}"),
                format!("{base}/callback?code={code}"),
                format!("{base}/callback?error={evil}"),
                format!("{base}/callback?code={code}&code={evil}&state={state}"),
                format!("{base}/callback"),
            ] {
                let answer = page(&address).await;
                kept.lock().unwrap().push(answer);
            }
            let posted = client().post(back.clone()).send().await.unwrap().status().as_u16();
            let elsewhere = client().get(back.clone()).header("host", "evil.example").send().await.unwrap();
            let elsewhere = (elsewhere.status().as_u16(), elsewhere.text().await.unwrap());
            kept.lock().unwrap().extend([(posted, String::new()), elsewhere]);
        }
    });
    let mut person = MadeUp { browser: Some(browser), ..MadeUp::default() };
    let outcome = start.run(&login("home"), &mut person).await.unwrap();
    assert!(matches!(outcome, LoginOutcome::SignedIn(_)));
    let seen = seen.lock().unwrap();
    let statuses: Vec<u16> = seen.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [404, 404, 400, 400, 400, 400, 400, 405, 400]);
    assert!(seen.iter().all(|(_, page)| !page.to_lowercase().contains("script") && !page.contains("alert")));
}

#[tokio::test]
async fn second_answer_is_too_late() {
    let table = table(fixtures::HOME_USER).await;
    // The exchange takes a while, so that the second answer arrives before the first is processed.
    table.sandbox.inject(Fault::on_path("/api/token", FaultAction::Latency { ms: 150 }).times(1));
    let start = Start::of(&table, true);
    let second: Arc<Mutex<Option<Visit>>> = Arc::default();
    let (kept, address) = (Arc::clone(&second), Arc::new(Mutex::new(None)));
    let noted = Arc::clone(&address);
    let browser = browser(move |back: Url| {
        *noted.lock().unwrap() = Some(back.clone());
        let late = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            page(back.as_str()).await
        });
        *kept.lock().unwrap() = Some(late);
        async {}
    });
    let mut person = MadeUp { browser: Some(browser), ..MadeUp::default() };
    start.run(&login("home"), &mut person).await.unwrap();
    let late = second.lock().unwrap().take().unwrap();
    let (status, page) = late.await.unwrap();
    assert_eq!(status, 409, "{page}");
    let address = address.lock().unwrap().take().unwrap();
    assert!(client().get(address).send().await.unwrap_err().is_connect());
    let codes = table.sandbox.log().iter().filter(|it| it.grant_type.as_deref() == Some("authorization_code")).count();
    assert_eq!(codes, 1);
}

#[tokio::test]
async fn denial_keeps_the_grants() {
    let table = table(fixtures::HOME_USER).await;
    pasted(&table, "home").await.unwrap();
    let before = table.grants().get("home").unwrap();
    table.sandbox.set_consent(ConsentDecision::Deny);
    let error = pasted(&table, "home").await.unwrap_err();
    assert_eq!(error.to_string(), "Spotify did not grant access: access_denied");
    assert_eq!(error.exit().code(), 77);
    assert_eq!(table.grants().get("home").unwrap(), before);
    // The answer cannot be used twice.
    assert!(table.grants().pending("home", Utc::now()).unwrap().is_none());
}

#[tokio::test]
async fn missing_answer_is_explained() {
    let table = table(fixtures::HOME_USER).await;
    let mut start = Start::of(&table, true);
    start.patience = Duration::from_millis(100);
    let mut person =
        MadeUp { browser: Some(Box::new(|_| tokio::spawn(async { (0, String::new()) }))), ..MadeUp::default() };
    let error = start.run(&login("home"), &mut person).await.unwrap_err();
    let hint = error.hint().unwrap();
    assert_output("missing_answer_is_explained", &hint);
    assert_eq!(error.exit().code(), 77);
}

#[tokio::test]
async fn used_port_is_named() {
    let table = table(fixtures::HOME_USER).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut start = Start::of(&table, true);
    start.redirect_uri = format!("http://{}/callback", taken.local_addr().unwrap());
    let error = start.run(&login("home"), &mut MadeUp::default()).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("failed to listen on {}", taken.local_addr().unwrap())), "{error}");
    let mut person = paster();
    let outcome = start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    assert!(matches!(outcome, LoginOutcome::SignedIn(_)));
}

#[tokio::test]
async fn sign_in_debug_holds_no_secret() {
    let table = table(fixtures::HOME_USER).await;
    let start = Start::of(&table, false);
    let wanted = SignInRequest { user: "home", scopes: &[], redirect_uri: "http://127.0.0.1/callback", replace: false };
    let begun = cratedigger::signin::start(&start.api, &start.grants, &wanted, Utc::now()).unwrap();
    let shown = format!("{:?}", begun.pending);
    let secrets = [begun.pending.state.expose_secret(), begun.pending.verifier.as_ref().unwrap().expose_secret()];
    assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
    let signed_in = table.sandbox.sign_in(fixtures::HOME_USER, &[], false);
    let shown = format!("{:?}", granted(&signed_in, SignInFlow::Code, Utc::now(), true));
    assert!(!shown.contains(&signed_in.refresh_token) && !shown.contains(&signed_in.access_token), "{shown}");
}
