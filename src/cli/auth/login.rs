//! `auth login`: signs a user in on a desktop, over ssh, or with two commands.

use std::time::Duration;

use super::{AuthError, LoginArgs, UserPrompt};
use crate::signin::listener::{CallbackListener, HtmlPage, LISTEN_TIMEOUT, ReceivedAnswer};
use crate::signin::{
    self, CompletedSignIn, PastedAnswer, RedirectUri, SignInError, SignInRequest, StartedSignIn, answer,
};
use spotify_client::client::SpotifyClient;
use spotify_client::state::grants::{GrantStore, grant_end};

/// What a sign-in needs in addition to its arguments.
#[derive(Debug)]
pub struct LoginFlow<'a> {
    pub api: &'a SpotifyClient,
    pub grants: &'a GrantStore,
    /// The scopes that the user's jobs need.
    pub scopes: &'a [String],
    /// `spotify.redirect_uri`, else `SPOTIPY_REDIRECT_URI`, else [`signin::redirect::DEFAULT_REDIRECT`].
    pub redirect_uri: &'a str,
    /// How long to wait for the browser.
    pub patience: Duration,
}

/// The result of a sign-in.
#[derive(Debug, Clone)]
pub enum LoginOutcome {
    SignedIn(Box<CompletedSignIn>),
    /// The address was printed; `--paste` finishes the sign-in within a day.
    Waits,
}

/// How the redirect address arrived.
enum LoginEvent {
    Browser(ReceivedAnswer),
    Typed(Option<String>),
}

/// Signs a user in.
///
/// # Errors
///
/// See [`SignInError`]; existing grants stay as they were.
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
        let signed_in = match finish_pasted(api, grants, args, pasted).await {
            Err(error @ SignInError::Worthless { .. }) => {
                let uri = redirect.with_port(login_port(&redirect).await);
                let begun = start_sign_in(args, login, &uri)?;
                grants.save_pending(&begun.pending)?;
                person.tell("the code from the browser has expired; open this link again:");
                person.show(begun.address.as_str());
                return Err(error.into());
            }
            other => other?,
        };
        return Ok(report_outcome(signed_in, login, person));
    }
    let listener = match CallbackListener::bind(&redirect).await {
        Err(SignInError::Port { address, source }) if args.no_browser => {
            person.tell(&format!("cannot listen on {address} ({source}); paste the redirect address instead"));
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
        person.tell("opening this address in the browser; if nothing happens, open it yourself:");
        person.show(begun.address.as_str());
    } else {
        if !args.no_browser {
            person.tell("there is no browser here; open this address in a browser on any machine:");
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
        "the browser is redirected to an address that starts with {uri}? (it does not matter if the page fails to load); \
         copy the whole address and paste it here:"
    );
    person.tell(&begins);
    sign_in_by_paste(&begun, listener, login, person).await
}

async fn finish_pasted(
    api: &SpotifyClient,
    grants: &GrantStore,
    args: &LoginArgs,
    text: &str,
) -> Result<CompletedSignIn, SignInError> {
    signin::finish_pasted(api, grants, &PastedAnswer { user: &args.user, text, replace: args.replace }).await
}

fn read_answer(line: std::io::Result<Option<String>>) -> Result<Option<String>, AuthError> {
    line.map_err(|source| AuthError::Io { action: "read the answer".to_owned(), source })
}

fn start_sign_in(args: &LoginArgs, login: &LoginFlow<'_>, redirect_uri: &str) -> Result<StartedSignIn, SignInError> {
    let LoginFlow { api, grants, scopes, .. } = *login;
    let wanted = SignInRequest { user: &args.user, scopes, redirect_uri, replace: args.replace };
    signin::start(api, grants, &wanted, api.now().wall)
}

/// A free port, for a redirect address that no program answers.
async fn login_port(redirect: &RedirectUri) -> u16 {
    let Some(mut address) = redirect.listen_on() else { return 0 };
    address.set_port(0);
    let socket = tokio::net::TcpListener::bind(address).await;
    socket.and_then(|it| it.local_addr()).map_or(49_152, |it| it.port())
}

/// Prints what must be correct before the browser opens, since Spotify does not redirect otherwise.
fn explain_steps(redirect: &RedirectUri, login: &LoginFlow<'_>, person: &mut dyn UserPrompt) {
    let register = redirect.as_registered();
    let any = match redirect.listen_on() {
        Some(address) if address.port() == 0 => " (without a port; any port then works)",
        _ => "",
    };
    person.tell(&format!(
        "redirect URI: {register}{any}; register exactly this address for the app at {}",
        signin::DASHBOARD
    ));
    let scopes =
        if login.scopes.is_empty() { "none, since no job needs any".to_owned() } else { login.scopes.join(" ") };
    person.tell(&format!("scopes: {scopes}"));
}

async fn sign_in_by_browser(
    begun: &StartedSignIn,
    listener: Option<CallbackListener>,
    login: &LoginFlow<'_>,
    person: &mut dyn UserPrompt,
) -> Result<LoginOutcome, AuthError> {
    let Some(listener) = listener else { return Ok(LoginOutcome::Waits) };
    let answered = listener.wait_for_answer(&begun.pending.state, &login.api.accounts_url(""), login.patience).await?;
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

/// Waits for the pasted address or for a browser on this machine, until one of them has an answer.
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
            Some(listener) => {
                listener.wait_for_answer(&begun.pending.state, &api.accounts_url(""), login.patience).await
            }
            None => std::future::pending().await,
        };
        match answered {
            Ok(answered) => answered,
            // The port is closed now, but the address can still be pasted.
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
                grants.forget_pending(&begun.pending)?;
                return finish_in_browser(begun, answered, login, person).await;
            }
            LoginEvent::Typed(Some(text)) if !text.trim().is_empty() => text,
            LoginEvent::Typed(_) => {
                person.tell(&format!(
                    "to finish within a day, run `cratedigger auth login {user} --paste` and paste the address"
                ));
                person.tell(&signin::invalid_redirect(RedirectUri::parse(login.redirect_uri)?.as_registered()));
                return Ok(LoginOutcome::Waits);
            }
        };
        // Only a terminal gets another try.
        if let (Err(error), true) =
            (answer::parse_pasted(&text, &begun.pending, &api.accounts_url("")), person.is_interactive())
        {
            person.tell(&format!("{error}; {}", error.hint().unwrap_or_default()));
            continue;
        }
        let pasted = PastedAnswer { user, text: &text, replace: false };
        let signed_in = signin::finish_pasted(api, grants, &pasted).await?;
        return Ok(report_outcome(signed_in, login, person));
    }
}

/// Reports the sign-in and how long it lasts.
fn report_outcome(signed_in: CompletedSignIn, login: &LoginFlow<'_>, person: &mut dyn UserPrompt) -> LoginOutcome {
    let CompletedSignIn { grant, lacking, also } = &signed_in;
    let account = match &grant.account {
        Some(account) => format!("the account {account}"),
        None => "an account that its scopes do not reveal".to_owned(),
    };
    let now = login.api.now().wall;
    let until = grant_end(grant)
        .map(|end| format!(", until {} ({} days)", end.at.format("%Y-%m-%d"), end.days_left(now)))
        .unwrap_or_default();
    person.tell(&format!("user `{}` is signed in: {account}{until}", grant.user));
    if !lacking.is_empty() {
        person.tell(&format!(
            "warning: a job needs scopes that were not granted: {}; to request them again: cratedigger auth login {}",
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
    pub fn new(
        api: &'a SpotifyClient,
        grants: &'a GrantStore,
        scopes: &'a [String],
        redirect_uri: &'a str,
    ) -> LoginFlow<'a> {
        LoginFlow { api, grants, scopes, redirect_uri, patience: LISTEN_TIMEOUT }
    }
}
