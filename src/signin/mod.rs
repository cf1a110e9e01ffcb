//! Signs a user in: the address for the browser, the answer, the grant.
//!
//! [`start`] creates an address with a new `state` and a verifier (PKCE), with or without a client secret. The
//! answer arrives at a [`listener`] on this machine, or a person pastes it ([`answer`]). [`finish`]
//! turns it into a stored grant: it redeems the code, reads the account from `/me`, and refuses
//! a different account than before. A `state` is valid for one answer. Until that answer, all existing
//! grants stay as they are.

pub mod answer;
pub mod browser;
mod error;
mod identity;
pub mod listener;
mod page;
pub mod redirect;
mod secret;

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use url::Url;

pub use error::{DASHBOARD, SignInError, invalid_redirect};
pub use identity::{identify, identify_again};
pub use redirect::RedirectUri;

use answer::CallbackAnswer;
use identity::TokenAccount;
use spotify_client::client::SpotifyClient;
use spotify_client::error::ApiError;
use spotify_client::state::grants::{
    Grant, GrantError, GrantStore, NewGrant, PendingSignIn, SpotifyAccount, StoredAccessToken, check_user_name,
};

/// A request for a user's consent.
#[derive(Debug, Clone)]
pub struct SignInRequest<'a> {
    /// The local name.
    pub user: &'a str,
    /// The scopes that the user's jobs need.
    pub scopes: &'a [String],
    /// The address that the browser returns to, with the actual port.
    pub redirect_uri: &'a str,
    /// Whether a different account than before is accepted.
    pub replace: bool,
}

/// A sign-in that waits for its answer.
#[derive(Debug, Clone)]
pub struct StartedSignIn {
    /// The address to open in a browser.
    pub address: Url,
    /// The values that the answer is compared with.
    pub pending: PendingSignIn,
}

/// The result of a sign-in.
#[derive(Debug, Clone)]
pub struct CompletedSignIn {
    /// The stored grant.
    pub grant: Grant,
    /// Scopes that were requested but not granted.
    pub lacking: Vec<String>,
    /// Another local name of the same account, if there is one.
    pub also: Option<String>,
}

/// Creates the address for the browser. Nothing is stored or sent; the user's present grant is read. If another process
/// finishes the sign-in, store it with [`GrantStore::save_pending`].
///
/// # Errors
///
/// If the user name is not valid, the grants cannot be read, or there are no random bytes.
pub fn start(
    api: &SpotifyClient,
    grants: &GrantStore,
    wanted: &SignInRequest<'_>,
    now: DateTime<Utc>,
) -> Result<StartedSignIn, SignInError> {
    check_user_name(wanted.user)?;
    let pending = PendingSignIn {
        user: wanted.user.to_owned(),
        redirect_uri: wanted.redirect_uri.to_owned(),
        flow: api.flow(),
        scopes: wanted.scopes.to_vec(),
        replace: wanted.replace,
        state: secret::random()?,
        // With a client secret too: a code that someone else obtained is then worthless here.
        verifier: Some(secret::random()?),
        created_at: now,
        known_grant_at: grants.get(wanted.user)?.map(|grant| grant.given_at),
    };
    Ok(StartedSignIn { address: authorize_url(api, &pending), pending })
}

fn authorize_url(api: &SpotifyClient, pending: &PendingSignIn) -> Url {
    let mut url = api.accounts_url("authorize");
    let scope = pending.scopes.join(" ");
    url.query_pairs_mut()
        .append_pair("client_id", api.client_id())
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", &pending.redirect_uri)
        .append_pair("state", pending.state.expose_secret());
    if !scope.is_empty() {
        url.query_pairs_mut().append_pair("scope", &scope);
    }
    if let Some(verifier) = &pending.verifier {
        url.query_pairs_mut()
            .append_pair("code_challenge_method", "S256")
            .append_pair("code_challenge", &secret::challenge(verifier));
    }
    // A plus for a space is valid in a query, but some terminals and chats change it.
    let query = url.query().map(|query| query.replace('+', "%20"));
    url.set_query(query.as_deref());
    url
}

/// Turns an answer with a verified `state` into a stored grant.
///
/// # Errors
///
/// If the user refused, the code is not valid (any more), the account is a different one, or Spotify
/// or the disk fails. Existing grants stay as they were.
pub async fn finish(
    api: &SpotifyClient,
    grants: &GrantStore,
    pending: &PendingSignIn,
    answer: CallbackAnswer,
) -> Result<CompletedSignIn, SignInError> {
    let code = match answer {
        CallbackAnswer::Denied(words) => return Err(SignInError::Denied { words }),
        CallbackAnswer::Code(code) => code,
    };
    refuse_superseded(grants, pending)?;
    let redeemed = api.redeem_code(pending.flow, &code, &pending.redirect_uri, pending.verifier.as_ref()).await?;
    let granted = redeemed.map_err(|words| SignInError::Worthless { words })?;
    let user = pending.user.clone();
    if let Some(why) = granted.flaw {
        return Err(SignInError::OddToken { user, why });
    }
    let Some(refresh) = granted.refresh_token else { return Err(SignInError::NoRefreshToken { user }) };
    let (account, unread) = match identity::account_of_token(api, &granted.access_token).await {
        Ok(TokenAccount::Known(account)) => (Some(account), None),
        Ok(TokenAccount::Nameless) => return Err(SignInError::NoAccount { user }),
        Ok(TokenAccount::NotAllowed(error)) => (None, Some(error)),
        Err(error)
            if error.is_failure()
                || matches!(
                    error,
                    ApiError::Unreachable { .. } | ApiError::OnlyErrors { .. } | ApiError::Deferred { .. }
                ) =>
        {
            (None, Some(error))
        }
        Err(error) => return Err(error.into()),
    };
    let lasts = chrono::TimeDelta::from_std(granted.lasts).unwrap_or(chrono::TimeDelta::hours(1));
    let now = api.now().wall;
    let scopes = granted.scopes.unwrap_or_else(|| pending.scopes.clone());
    let new = NewGrant {
        user: pending.user.clone(),
        refresh,
        access: Some(StoredAccessToken { token: granted.access_token, issued_at: now, expires_at: now + lasts }),
        scopes: Some(scopes.clone()),
        flow: pending.flow,
        account: None,
        authorized_at: Some(granted.at),
        imported_at: None,
        environment: None,
    };
    let user = &pending.user;
    let _lock = grants.lock(user)?;
    refuse_superseded(grants, pending)?;
    let before = grants.get(user)?.and_then(|grant| grant.account);
    if let (Some(before), Some(account), false) = (&before, &account, pending.replace)
        && !before.is_same(account)
    {
        let (before, now) = (Box::new(before.clone()), Box::new(account.clone()));
        return Err(SignInError::OtherAccount { user: user.clone(), before, now });
    }
    // The code is used up, so the grant is kept, and the first run reads its account. It never replaces a grant of a known
    // account, since it may be that of another one.
    if let Some(error) = unread {
        if before.is_some() && !pending.replace {
            return Err(SignInError::Unnamed { user: user.clone(), error });
        }
        tracing::warn!(%error, %user, "failed to read the account of the new grant; the next run tries again");
    }
    let account = match (account, &before) {
        (Some(account), Some(before)) => Some(account.or_stable_id_of(before)),
        (account, _) => account,
    };
    grants.put(&[NewGrant { account: account.clone(), ..new }], now)?;
    let lacking = pending.scopes.iter().filter(|scope| !scopes.contains(scope)).cloned().collect();
    let also =
        account.as_ref().and_then(|account| other_user_of_account(grants, user, account).transpose()).transpose()?;
    let grant = grants.get(user)?.ok_or_else(|| ApiError::SignIn {
        user: user.clone(),
        why: "the user was signed out at the same time".to_owned(),
    })?;
    Ok(CompletedSignIn { grant, lacking, also })
}

/// Refuses a sign-in if its user got another grant after it was started.
fn refuse_superseded(grants: &GrantStore, pending: &PendingSignIn) -> Result<(), SignInError> {
    match grants.get(&pending.user)? {
        Some(grant) if Some(grant.given_at) != pending.known_grant_at => {
            Err(SignInError::Superseded { user: pending.user.clone() })
        }
        _ => Ok(()),
    }
}

/// Another local name of an account, if there is one.
fn other_user_of_account(
    grants: &GrantStore,
    user: &str,
    account: &SpotifyAccount,
) -> Result<Option<String>, GrantError> {
    let same = |grant: &Grant| grant.user != user && grant.account.as_ref().is_some_and(|it| it.is_same(account));
    Ok(grants.list()?.into_iter().find(same).map(|grant| grant.user))
}

/// The text that a person pasted to finish a sign-in.
#[derive(Debug, Clone, Copy)]
pub struct PastedAnswer<'a> {
    /// The local name.
    pub user: &'a str,
    /// The address where the browser ended up.
    pub text: &'a str,
    /// Whether a different account than before is accepted, besides what the start of the sign-in said.
    pub replace: bool,
}

/// Finishes a sign-in of another process with pasted text. Its `state` is used up by any
/// answer from Spotify. After a network error, the same text may be pasted again.
///
/// # Errors
///
/// As [`finish`]; also if no sign-in waits for this user, or if the text is not its answer.
pub async fn finish_pasted(
    api: &SpotifyClient,
    grants: &GrantStore,
    pasted: &PastedAnswer<'_>,
) -> Result<CompletedSignIn, SignInError> {
    let user = pasted.user;
    check_user_name(user)?;
    let nothing = || SignInError::NothingWaits { user: user.to_owned() };
    let pending = grants.pending(user, api.now().wall)?.ok_or_else(nothing)?;
    let answer = answer::parse_pasted(pasted.text, &pending, &api.accounts_url(""))?;
    if !grants.forget_pending(&pending)? {
        return Err(nothing());
    }
    let attempt = PendingSignIn { replace: pending.replace || pasted.replace, ..pending.clone() };
    let finished = finish(api, grants, &attempt, answer).await;
    if let Err(SignInError::Api(error)) = &finished
        && matches!(
            error,
            ApiError::Unreachable { .. }
                | ApiError::OnlyErrors { .. }
                | ApiError::Deferred { .. }
                | ApiError::ServerError { .. }
                | ApiError::NoAnswer { .. }
        )
    {
        grants.restore_pending(&pending)?;
    }
    finished
}
