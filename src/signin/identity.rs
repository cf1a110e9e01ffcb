//! Reads the account of a token from `/me`.

use secrecy::SecretString;

use spotify_client::client::{ApiCaller, ApiRequest, ApiResponse, SpotifyClient, UnusableResponse};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::forbidden::ForbiddenReason;
use spotify_client::state::grants::SpotifyAccount;
use spotify_client::wire::{JsonField, JsonText, UserProfile};
use spotify_client::{EntityKind, SpotifyId};

/// Reads the account of `/me`. A profile is usable as long as it has one of the account's ids.
fn read(answer: &ApiResponse) -> Result<SpotifyAccount, UnusableResponse> {
    let no_account = || UnusableResponse::new("`/me` names no account");
    let me: UserProfile<'_> = serde_json::from_slice(&answer.body).map_err(|_| no_account())?;
    let full =
        |text: &JsonField<JsonText<'_>>| text.value().filter(|it| !it.trim().is_empty()).map(|it| it.to_string());
    let from_uri = || SpotifyId::parse(me.uri.value()?, EntityKind::User).ok().map(|id| id.as_str().to_owned());
    let user_id = full(&me.id).or_else(from_uri).or_else(|| full(&me.account_id)).ok_or_else(no_account)?;
    Ok(SpotifyAccount { account_id: full(&me.account_id), user_id, display_name: full(&me.display_name) })
}

fn request() -> ApiRequest {
    ApiRequest::new(EndpointFamily::ME, "/me")
}

/// What `/me` says about a new token.
pub(super) enum TokenAccount {
    /// The account of the token.
    Known(SpotifyAccount),
    /// The scopes of the token do not allow the call, as this error says.
    NotAllowed(ApiError),
    /// The answer contains none of the account's ids.
    Nameless,
}

/// The account of a new token.
pub(super) async fn account_of_token(api: &SpotifyClient, token: &SecretString) -> Result<TokenAccount, ApiError> {
    match api.get_with_token(token, &request()).await {
        Ok(answer) => Ok(read(&answer).map_or(TokenAccount::Nameless, TokenAccount::Known)),
        Err(error @ ApiError::Refused { kind: ForbiddenReason::ScopeMissing, .. }) => {
            Ok(TokenAccount::NotAllowed(error))
        }
        Err(error) => Err(error),
    }
}

/// The account of a user with a grant. For an imported grant, this costs one call the first time.
///
/// # Errors
///
/// As [`SpotifyClient::get`].
pub async fn identify(api: &SpotifyClient, user: &str) -> Result<SpotifyAccount, ApiError> {
    let grants = api.grants();
    if let Some(grants) = grants
        && let Some(account) = grants.get(user)?.and_then(|grant| grant.account)
    {
        return Ok(account);
    }
    identify_again(api, user).await
}

/// The account of a user with a grant as Spotify names it now, for one call. A grant is one account's for good, so
/// another id than before is a later id of the same account.
///
/// # Errors
///
/// As [`SpotifyClient::get`].
pub async fn identify_again(api: &SpotifyClient, user: &str) -> Result<SpotifyAccount, ApiError> {
    let account = api.get_checked(&ApiCaller::User(user.to_owned()), &request(), read).await?;
    let Some(grants) = api.grants() else { return Ok(account) };
    let before = grants.get(user)?.and_then(|grant| grant.account);
    let account = match &before {
        Some(before) => account.or_stable_id_of(before),
        None => account,
    };
    if before.as_ref() != Some(&account) {
        grants.record_account(user, &account)?;
    }
    Ok(account)
}
