//! `auth login`: on a desktop, over ssh, in two commands.

use std::time::Duration;

use super::{AuthError, LoginArgs, UserPrompt};
use crate::signin::listener::{CallbackListener, HtmlPage, LISTEN_TIMEOUT, ReceivedAnswer};
use crate::signin::{self, CompletedSignIn, RedirectUri, SignInError, SignInRequest, StartedSignIn, answer};
use spotify_client::client::SpotifyClient;
use spotify_client::state::grants::{GrantStore, grant_end};

/// What a sign-in needs to know beside its arguments.
#[derive(Debug)]
pub struct LoginFlow<'a> {
    /// The API, with its grants.
    pub api: &'a SpotifyClient,
    /// Its grants.
    pub grants: &'a GrantStore,
    /// What the user's jobs need.
    pub scopes: &'a [String],
    /// `spotify.redirect_uri`, else `SPOTIPY_REDIRECT_URI`, else [`signin::redirect::DEFAULT`].
    pub redirect_uri: &'a str,
    /// How long the browser is waited for; [`LISTENS`] but in tests.
    pub patience: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum LoginOutcome {
    /// The user is signed in.
    SignedIn(Box<CompletedSignIn>),
    /// The address was given; `--paste` finishes within a day.
    Waits,
}

/// How an answer arrived.
enum LoginEvent {
    Browser(ReceivedAnswer),
    Typed(Option<String>),
}

/// Signs a user in.
///
/// # Errors
///
/// See [`SignInError`]; grants that are there stay as they were.
pub async fn run(
    args: &LoginArgs,
    login: &LoginFlow<'_>,
    person: &mut dyn UserPrompt,
) -> Result<LoginOutcome, AuthError> {
    let LoginFlow { api, grants, .. } = login;
    let redirect = RedirectUri::parse(login.redirect_uri)?;
    if let Some(pasted) = &args.paste {
        let typed = match pasted.as_str() {
            "-" => read_answer(person.read_line().await)?.unwrap_or_default(),
            text => text.to_owned(),
        };
        let pasted = &typed;
        let signed_in = match signin::finish_pasted(api, grants, &args.user, pasted).await {
            Err(error @ SignInError::Worthless { .. }) => {
                let uri = redirect.with_port(login_port(&redirect).await);
                let begun = start_sign_in(args, login, &uri)?;
                grants.save_pending(&begun.pending)?;
                person.tell("the code from the browser has run out; open the link again:");
                person.show(begun.address.as_str());
                return Err(error.into());
            }
            other => other?,
        };
        return Ok(report_outcome(signed_in, login, person));
    }
    let listener = match CallbackListener::bind(&redirect).await {
        Err(SignInError::Port { address, source }) if args.no_browser => {
            person.tell(&format!("cannot listen on {address} ({source}); the answer has to be pasted"));
            None
        }
        other => other?,
    };
    let uri = match &listener {
        Some(listener) => listener.redirect_uri(),
        None => redirect.with_port(login_port(&redirect).await),
    };
    let begun = start_sign_in(args, login, &uri)?;
    explain_steps(&redirect, login, person);
    let opened = !args.no_browser && person.open_browser(&begun.address);
    if opened {
        person.tell("the browser has been asked to open this address; if it does not, open it yourself:");
        person.show(begun.address.as_str());
    } else {
        if !args.no_browser {
            person.tell("there is no browser here; open this address in one, wherever it is:");
        } else {
            person.tell("open this address in a browser, on any machine:");
        }
        person.show(begun.address.as_str());
    }
    if opened && listener.is_some() {
        return sign_in_by_browser(&begun, listener, login, person).await;
    }
    grants.save_pending(&begun.pending)?;
    let begins = format!(
        "the browser ends up at an address that begins with {uri}? (the page may fail to load, which does no harm); \
         copy that whole address and paste it here:"
    );
    person.tell(&begins);
    sign_in_by_paste(&begun, listener, login, person).await
}

fn read_answer(line: std::io::Result<Option<String>>) -> Result<Option<String>, AuthError> {
    line.map_err(|source| AuthError::Io { action: "read the answer".to_owned(), source })
}

fn start_sign_in(args: &LoginArgs, login: &LoginFlow<'_>, redirect_uri: &str) -> Result<StartedSignIn, SignInError> {
    let LoginFlow { api, scopes, .. } = *login;
    let wanted = SignInRequest { user: &args.user, scopes, redirect_uri, replace: args.replace };
    signin::start(api, &wanted, api.now().wall)
}

/// Any port will do where nobody listens, as long as nobody else does either.
async fn login_port(redirect: &RedirectUri) -> u16 {
    let Some(mut address) = redirect.listen_on() else { return 0 };
    address.set_port(0);
    let socket = tokio::net::TcpListener::bind(address).await;
    socket.and_then(|it| it.local_addr()).map_or(49_152, |it| it.port())
}

/// What has to be right before the browser opens: Spotify never calls back if it is not.
fn explain_steps(redirect: &RedirectUri, login: &LoginFlow<'_>, person: &mut dyn UserPrompt) {
    let register = redirect.as_registered();
    let any = match redirect.listen_on() {
        Some(address) if address.port() == 0 => " (without a port; any port then works)",
        _ => "",
    };
    person.tell(&format!(
        "redirect URI: {register}{any}; it has to be registered so, letter by letter, for the app at {}",
        signin::DASHBOARD
    ));
    let scopes = if login.scopes.is_empty() { "none: no job needs any".to_owned() } else { login.scopes.join(" ") };
    person.tell(&format!("scopes: {scopes}"));
}

async fn sign_in_by_browser(
    begun: &StartedSignIn,
    listener: Option<CallbackListener>,
    login: &LoginFlow<'_>,
    person: &mut dyn UserPrompt,
) -> Result<LoginOutcome, AuthError> {
    let Some(listener) = listener else { return Ok(LoginOutcome::Waits) };
    let answered = listener.wait_for_answer(&begun.pending.state, login.patience).await?;
    finish_in_browser(begun, answered, login, person).await
}

async fn finish_in_browser(
    begun: &StartedSignIn,
    answered: ReceivedAnswer,
    login: &LoginFlow<'_>,
    person: &mut dyn UserPrompt,
) -> Result<LoginOutcome, AuthError> {
    let finished = signin::finish(login.api, login.grants, &begun.pending, answered.answer.clone()).await;
    let page = match &finished {
        Ok(signed_in) => {
            let account = signed_in.grant.account.as_ref().map(ToString::to_string);
            HtmlPage::signed_in(&begun.pending.user, &account.unwrap_or_else(|| "that you chose".to_owned()))
        }
        Err(error) => HtmlPage::failed(&error.to_string()),
    };
    answered.show(page).await;
    Ok(report_outcome(finished?, login, person))
}

/// Takes the answer from whoever is first: the person, or a browser on this machine.
async fn sign_in_by_paste(
    begun: &StartedSignIn,
    listener: Option<CallbackListener>,
    login: &LoginFlow<'_>,
    person: &mut dyn UserPrompt,
) -> Result<LoginOutcome, AuthError> {
    let LoginFlow { api, grants, .. } = login;
    let user = &begun.pending.user;
    let mut browser = Box::pin(async {
        let answered = match listener {
            Some(listener) => listener.wait_for_answer(&begun.pending.state, login.patience).await,
            None => std::future::pending().await,
        };
        match answered {
            Ok(answered) => answered,
            // The port is closed by then; a paste is still welcome.
            Err(_) => std::future::pending().await,
        }
    });
    loop {
        let line = person.read_line();
        let came = tokio::select! {
            answered = &mut browser => LoginEvent::Browser(answered),
            line = line => LoginEvent::Typed(read_answer(line)?),
        };
        let text = match came {
            LoginEvent::Browser(answered) => {
                grants.forget_pending(user)?;
                return finish_in_browser(begun, answered, login, person).await;
            }
            LoginEvent::Typed(Some(text)) if !text.trim().is_empty() => text,
            LoginEvent::Typed(_) => {
                person.tell(&format!(
                    "the sign-in waits for a day; finish it with: cratedigger auth login {user} --paste 'ADDRESS'"
                ));
                person.tell(&signin::invalid_redirect(RedirectUri::parse(login.redirect_uri)?.as_registered()));
                return Ok(LoginOutcome::Waits);
            }
        };
        // Typing again is for persons; a pipe says what it says.
        if let (Err(error), true) = (answer::parse_pasted(&text, &begun.pending), person.is_interactive()) {
            person.tell(&format!("{error}; {}", error.hint().unwrap_or_default()));
            continue;
        }
        let signed_in = signin::finish_pasted(api, grants, user, &text).await?;
        return Ok(report_outcome(signed_in, login, person));
    }
}

/// Says what came of it, and until when.
fn report_outcome(signed_in: CompletedSignIn, login: &LoginFlow<'_>, person: &mut dyn UserPrompt) -> LoginOutcome {
    let CompletedSignIn { grant, lacking, also } = &signed_in;
    let whose = match &grant.account {
        Some(account) => format!("the account {account}"),
        None => "an account that its scopes do not name".to_owned(),
    };
    let now = login.api.now().wall;
    let until = grant_end(grant)
        .map(|end| format!(", until {} ({} days)", end.at.format("%Y-%m-%d"), end.days_left(now)))
        .unwrap_or_default();
    person.tell(&format!("user `{}` is signed in: {whose}{until}", grant.user));
    if !lacking.is_empty() {
        person.tell(&format!(
            "warning: not granted, and some job needs it: {}; to be asked again: cratedigger auth login {}",
            lacking.join(" "),
            grant.user
        ));
    }
    if let Some(also) = also {
        person.tell(&format!("note: user `{also}` is the same account"));
    }
    LoginOutcome::SignedIn(Box::new(signed_in))
}

impl<'a> LoginFlow<'a> {
    /// A sign-in as in earnest.
    pub fn new(
        api: &'a SpotifyClient,
        grants: &'a GrantStore,
        scopes: &'a [String],
        redirect_uri: &'a str,
    ) -> LoginFlow<'a> {
        LoginFlow { api, grants, scopes, redirect_uri, patience: LISTEN_TIMEOUT }
    }
}
