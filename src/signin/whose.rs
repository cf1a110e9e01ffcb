//! Whose account a token is, by `/me`.

use secrecy::SecretString;
use serde::Deserialize;

use spotify_client::client::{Answer, Api, Bearer, Request, Unusable};
use spotify_client::error::ApiError;
use spotify_client::family::Family;
use spotify_client::refusal::Refusal;
use spotify_client::state::grants::Account;

#[derive(Deserialize)]
struct Me {
    id: String,
    account_id: Option<String>,
    display_name: Option<String>,
}

fn read(answer: &Answer) -> Result<Account, Unusable> {
    let me: Me = serde_json::from_slice(&answer.body).map_err(|_| Unusable::new("`/me` names no account"))?;
    let full = |text: Option<String>| text.filter(|it| !it.is_empty());
    Ok(Account { account_id: full(me.account_id), user_id: me.id, display_name: full(me.display_name) })
}

fn request() -> Request {
    Request::new(Family::ME, "/me")
}

/// The account of a token that just came; `None` if its scopes do not tell.
pub(super) async fn of_token(api: &Api, token: &SecretString) -> Result<Option<Account>, ApiError> {
    match api.get_with(token, &request()).await {
        Ok(answer) => read(&answer).map(Some).map_err(|unusable| ApiError::Unusable {
            family: Family::ME,
            what: unusable.what,
            attempts: 1,
        }),
        Err(ApiError::Refused { kind: Refusal::ScopeMissing, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The account of a user with a grant. Costs a call the first time for a grant that was imported.
///
/// # Errors
///
/// As [`Api::get`].
pub async fn identify(api: &Api, user: &str) -> Result<Account, ApiError> {
    let grants = api.grants();
    if let Some(grants) = grants
        && let Some(account) = grants.get(user)?.and_then(|grant| grant.account)
    {
        return Ok(account);
    }
    let bearer = Bearer::User(user.to_owned());
    let account = api.get_checked(&bearer, &request(), read).await?;
    if let Some(grants) = grants {
        grants.name_account(user, &account)?;
    }
    Ok(account)
}
