//! Consents of users: authorization codes, refresh tokens and their families.
//!
//! A family is all refresh tokens of one consent. It ends six calendar months after the consent, even if it was
//! refreshed, when the user withdraws the consent, and when a replaced refresh token is used again, because then
//! one of the two holders has stolen it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{AccountsService, FormFields, TokenOwner};
use crate::clock::months_after;
use crate::json;
use crate::response::{ServerResponse, token_error};
use crate::routes::ServerRequest;

const CONSENT_MONTHS: u32 = 6;
const CODE_TTL_MS: i64 = 10 * 60_000;

/// Which clients get a new refresh token when they refresh.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRotation {
    /// None, as since the middle of 2026.
    #[default]
    Never,
    /// Public clients (PKCE), as before that.
    Pkce,
    /// All clients.
    Always,
}

/// The tokens of a sign-in without a browser.
#[derive(Clone, Serialize)]
pub struct SignInTokens {
    /// Valid for `expires_in` seconds.
    pub access_token: String,
    /// Valid for six months, unless rotated or revoked.
    pub refresh_token: String,
    /// Granted scopes, separated by spaces.
    pub scope: String,
    /// Lifetime of the access token in seconds.
    pub expires_in: u64,
}

impl fmt::Debug for SignInTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn").field("scope", &self.scope).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct TokenFamily {
    owner: TokenOwner,
    pkce: bool,
    consent_at_ms: i64,
    revoked: bool,
}

#[derive(Debug)]
struct IssuedRefreshToken {
    family: usize,
    replaced: bool,
}

/// A consent at `/authorize` until the client redeems its code.
#[derive(Debug)]
pub(super) struct AuthorizationCode {
    pub(super) owner: TokenOwner,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) issued_at_ms: i64,
    /// The family of the code after it was redeemed.
    family: Option<usize>,
}

#[derive(Debug)]
pub(super) struct IssuedGrants {
    rotation: TokenRotation,
    codes: FxHashMap<String, AuthorizationCode>,
    families: Vec<TokenFamily>,
    refresh_tokens: FxHashMap<String, IssuedRefreshToken>,
}

impl IssuedGrants {
    pub(super) fn new(rotation: TokenRotation) -> Self {
        Self { rotation, codes: FxHashMap::default(), families: Vec::new(), refresh_tokens: FxHashMap::default() }
    }
}

impl AccountsService {
    /// Issues a code for a consent.
    pub(super) fn issue_code(
        &mut self,
        owner: TokenOwner,
        redirect_uri: String,
        challenge: Option<String>,
        now_ms: i64,
    ) -> String {
        let code = self.new_token("AQ", 200, now_ms);
        let entry = AuthorizationCode { owner, redirect_uri, challenge, issued_at_ms: now_ms, family: None };
        self.grants.codes.insert(code.clone(), entry);
        code
    }

    pub(crate) fn sign_in(&mut self, user: &str, scopes: Vec<String>, pkce: bool, now_ms: i64) -> SignInTokens {
        let client = self.client_ids[0].clone();
        let owner = TokenOwner { client, user: Some(user.to_owned()), scopes };
        let scope = owner.scopes.join(" ");
        let family = self.add_family(owner.clone(), pkce, now_ms);
        SignInTokens {
            refresh_token: self.issue_refresh_token(family, now_ms),
            access_token: self.issue_access_token(owner, now_ms),
            scope,
            expires_in: self.ttl_secs,
        }
    }

    pub(crate) fn revoke_grants(&mut self, user: &str) {
        let of_user = |family: &&mut TokenFamily| family.owner.user.as_deref() == Some(user);
        self.grants.families.iter_mut().filter(of_user).for_each(|family| family.revoked = true);
        let of_user = |owner: &TokenOwner| owner.user.as_deref() == Some(user);
        self.access_tokens.retain(|_, token| !of_user(&token.owner));
    }

    fn add_family(&mut self, owner: TokenOwner, pkce: bool, now_ms: i64) -> usize {
        let family = TokenFamily { owner, pkce, consent_at_ms: now_ms, revoked: false };
        self.grants.families.push(family);
        self.grants.families.len() - 1
    }

    fn issue_refresh_token(&mut self, family: usize, now_ms: i64) -> String {
        let token = self.new_token("AQ", 130, now_ms);
        self.grants.refresh_tokens.insert(token.clone(), IssuedRefreshToken { family, replaced: false });
        token
    }

    /// `grant_type=authorization_code`, with a secret or with a verifier.
    pub(super) fn authorization_code(
        &mut self,
        request: &ServerRequest,
        form: &FormFields,
        now_ms: i64,
    ) -> Result<ServerResponse, ServerResponse> {
        let code = form.get("code").unwrap_or_default();
        let Some(entry) = self.grants.codes.get(code) else {
            return Err(invalid_grant("Invalid authorization code"));
        };
        let is_public = request.authorization.is_none() && form.get("client_secret").is_none();
        let client = match &entry.challenge {
            None => self.check_client(request, form)?,
            // A server that refused the verifier of a client with a secret takes the secret alone.
            Some(_) if !is_public && self.ignores_pkce_with_secret && form.get("code_verifier").is_none() => {
                self.check_client(request, form)?
            }
            Some(_) if !is_public && self.ignores_pkce_with_secret => {
                return Err(token_error(400, "invalid_request", "code_verifier is not supported with a client secret"));
            }
            Some(challenge) => {
                let client = self.check_public_client(request, form)?;
                let verifier = form.get("code_verifier").unwrap_or_default();
                if !(43..=128).contains(&verifier.len()) {
                    return Err(token_error(400, "invalid_request", "code_verifier must be 43 to 128 characters"));
                }
                if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != *challenge {
                    return Err(invalid_grant("code_verifier was incorrect"));
                }
                client
            }
        };
        if client != entry.owner.client {
            return Err(invalid_grant("Invalid authorization code"));
        }
        if form.get("redirect_uri") != Some(entry.redirect_uri.as_str()) {
            return Err(invalid_grant("Invalid redirect URI"));
        }
        if let Some(family) = entry.family {
            self.grants.families[family].revoked = true;
            return Err(invalid_grant("Invalid authorization code"));
        }
        if now_ms - entry.issued_at_ms > CODE_TTL_MS {
            return Err(invalid_grant("Authorization code expired"));
        }
        let (owner, pkce) = (entry.owner.clone(), is_public);
        let family = self.add_family(owner, pkce, now_ms);
        if let Some(code) = self.grants.codes.get_mut(code) {
            code.family = Some(family);
        }
        let refresh = self.issue_refresh_token(family, now_ms);
        Ok(self.token_response(family, Some(&refresh), now_ms))
    }

    /// `grant_type=refresh_token`, with a secret or with a client id.
    pub(super) fn refresh_token(
        &mut self,
        request: &ServerRequest,
        form: &FormFields,
        now_ms: i64,
    ) -> Result<ServerResponse, ServerResponse> {
        let token = form.get("refresh_token").unwrap_or_default();
        if token.is_empty() {
            return Err(token_error(400, "invalid_request", "refresh_token must be supplied"));
        }
        let Some(IssuedRefreshToken { family, replaced }) = self.grants.refresh_tokens.get(token) else {
            return Err(invalid_grant("Invalid refresh token"));
        };
        let (index, replaced) = (*family, *replaced);
        let pkce = self.grants.families[index].pkce;
        let client = if pkce { self.check_public_client(request, form)? } else { self.check_client(request, form)? };
        if client != self.grants.families[index].owner.client {
            return Err(invalid_grant("Invalid refresh token"));
        }
        let family = &mut self.grants.families[index];
        family.revoked |= replaced;
        if family.revoked {
            return Err(invalid_grant("Refresh token revoked"));
        }
        if now_ms >= months_after(family.consent_at_ms, CONSENT_MONTHS) {
            return Err(invalid_grant("Refresh token expired"));
        }
        let rotates = match self.grants.rotation {
            TokenRotation::Never => false,
            TokenRotation::Pkce => pkce,
            TokenRotation::Always => true,
        };
        let new = rotates.then(|| {
            if let Some(old) = self.grants.refresh_tokens.get_mut(token) {
                old.replaced = true;
            }
            self.issue_refresh_token(index, now_ms)
        });
        Ok(self.token_response(index, new.as_deref(), now_ms))
    }

    fn token_response(&mut self, family: usize, refresh: Option<&str>, now_ms: i64) -> ServerResponse {
        let owner = self.grants.families[family].owner.clone();
        let scope = owner.scopes.join(" ");
        let access = self.issue_access_token(owner, now_ms);
        let mut body = String::new();
        json::object(&mut body, |o| {
            o.text("access_token", &access);
            o.text("token_type", "Bearer");
            o.display("expires_in", self.ttl_secs);
            if let Some(refresh) = refresh {
                o.text("refresh_token", refresh);
            }
            o.text("scope", &scope);
        });
        ServerResponse::json(body)
    }

    /// Checks a public client, which sends its id in the form or uses its secret.
    fn check_public_client(&self, request: &ServerRequest, form: &FormFields) -> Result<String, ServerResponse> {
        if request.authorization.is_some() {
            return self.check_client(request, form);
        }
        match form.get("client_id") {
            Some(id) if self.client_ids.iter().any(|client_id| client_id == id) => Ok(id.to_owned()),
            Some(_) => Err(token_error(400, "invalid_client", "Invalid client")),
            None => Err(token_error(400, "invalid_request", "client_id must be supplied")),
        }
    }
}

fn invalid_grant(description: &str) -> ServerResponse {
    token_error(400, "invalid_grant", description)
}
