//! What users have consented to: codes, refresh tokens, and the family each token belongs to.
//!
//! A family is one consent. It ends six calendar months after the consent, however often it was
//! refreshed; when the user takes it back; and when a token that a newer one has replaced is used
//! again, since one of the two holders must be a thief.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Accounts, Caller, Form};
use crate::answer::{Answer, refuse_token};
use crate::clock::months_after;
use crate::json;
use crate::routes::Call;

const CONSENT_MONTHS: u32 = 6;
const CODE_TTL_MS: i64 = 10 * 60_000;

/// Whose refreshes bring a new refresh token and end the old one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// Nobody's, as since the middle of 2026.
    #[default]
    Never,
    /// Those of public clients (PKCE), as before that.
    Pkce,
    /// Everybody's.
    Always,
}

/// The tokens of a user who was signed in without a browser.
#[derive(Clone, Serialize)]
pub struct SignedIn {
    /// Good for `expires_in` seconds.
    pub access_token: String,
    /// Good for six months, unless rotated or revoked.
    pub refresh_token: String,
    /// Granted scopes, with spaces between them.
    pub scope: String,
    /// Seconds.
    pub expires_in: u64,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn").field("scope", &self.scope).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Family {
    caller: Caller,
    pkce: bool,
    consent_at_ms: i64,
    revoked: bool,
}

#[derive(Debug)]
struct RefreshToken {
    family: usize,
    replaced: bool,
}

/// What somebody consented to at `/authorize`, until it is fetched.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) caller: Caller,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) issued_at_ms: i64,
    /// The family made of it, once it was fetched.
    family: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Grants {
    rotation: Rotation,
    codes: FxHashMap<String, Code>,
    families: Vec<Family>,
    refresh: FxHashMap<String, RefreshToken>,
}

impl Grants {
    pub(super) fn new(rotation: Rotation) -> Self {
        Self { rotation, codes: FxHashMap::default(), families: Vec::new(), refresh: FxHashMap::default() }
    }
}

impl Accounts {
    /// A code for what was consented to.
    pub(super) fn code(
        &mut self,
        caller: Caller,
        redirect_uri: String,
        challenge: Option<String>,
        now_ms: i64,
    ) -> String {
        let code = self.fresh("AQ", 200, now_ms);
        let kept = Code { caller, redirect_uri, challenge, issued_at_ms: now_ms, family: None };
        self.grants.codes.insert(code.clone(), kept);
        code
    }

    pub(crate) fn sign_in(&mut self, user: &str, scopes: Vec<String>, pkce: bool, now_ms: i64) -> SignedIn {
        let client = self.client_ids[0].clone();
        let caller = Caller { client, user: Some(user.to_owned()), scopes };
        let scope = caller.scopes.join(" ");
        let family = self.family(caller.clone(), pkce, now_ms);
        SignedIn {
            refresh_token: self.refresh_token_of(family, now_ms),
            access_token: self.access_token(caller, now_ms),
            scope,
            expires_in: self.ttl_secs,
        }
    }

    pub(crate) fn revoke_grants_of(&mut self, user: &str) {
        let of_user = |family: &&mut Family| family.caller.user.as_deref() == Some(user);
        self.grants.families.iter_mut().filter(of_user).for_each(|family| family.revoked = true);
        let of_user = |caller: &Caller| caller.user.as_deref() == Some(user);
        self.access.retain(|_, token| !of_user(&token.caller));
    }

    fn family(&mut self, caller: Caller, pkce: bool, now_ms: i64) -> usize {
        let family = Family { caller, pkce, consent_at_ms: now_ms, revoked: false };
        self.grants.families.push(family);
        self.grants.families.len() - 1
    }

    fn refresh_token_of(&mut self, family: usize, now_ms: i64) -> String {
        let token = self.fresh("AQ", 130, now_ms);
        self.grants.refresh.insert(token.clone(), RefreshToken { family, replaced: false });
        token
    }

    /// `grant_type=authorization_code`, with a secret or with a verifier.
    pub(super) fn authorization_code(&mut self, call: &Call, form: &Form, now_ms: i64) -> Result<Answer, Answer> {
        let code = form.get("code").unwrap_or_default();
        let Some(known) = self.grants.codes.get(code) else {
            return Err(invalid_grant("Invalid authorization code"));
        };
        let client = match &known.challenge {
            None => self.check_client(call, form)?,
            Some(challenge) => {
                let client = self.check_public_client(call, form)?;
                let verifier = form.get("code_verifier").unwrap_or_default();
                if !(43..=128).contains(&verifier.len()) {
                    return Err(refuse_token(400, "invalid_request", "code_verifier must be 43 to 128 characters"));
                }
                if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != *challenge {
                    return Err(invalid_grant("code_verifier was incorrect"));
                }
                client
            }
        };
        if client != known.caller.client {
            return Err(invalid_grant("Invalid authorization code"));
        }
        if form.get("redirect_uri") != Some(known.redirect_uri.as_str()) {
            return Err(invalid_grant("Invalid redirect URI"));
        }
        if let Some(family) = known.family {
            self.grants.families[family].revoked = true;
            return Err(invalid_grant("Invalid authorization code"));
        }
        if now_ms - known.issued_at_ms > CODE_TTL_MS {
            return Err(invalid_grant("Authorization code expired"));
        }
        let (caller, pkce) = (known.caller.clone(), known.challenge.is_some());
        let family = self.family(caller, pkce, now_ms);
        if let Some(code) = self.grants.codes.get_mut(code) {
            code.family = Some(family);
        }
        let refresh = self.refresh_token_of(family, now_ms);
        Ok(self.tokens(family, Some(&refresh), now_ms))
    }

    /// `grant_type=refresh_token`, with a secret or with a client id.
    pub(super) fn refresh_token(&mut self, call: &Call, form: &Form, now_ms: i64) -> Result<Answer, Answer> {
        let token = form.get("refresh_token").unwrap_or_default();
        if token.is_empty() {
            return Err(refuse_token(400, "invalid_request", "refresh_token must be supplied"));
        }
        let Some(RefreshToken { family, replaced }) = self.grants.refresh.get(token) else {
            return Err(invalid_grant("Invalid refresh token"));
        };
        let (place, replaced) = (*family, *replaced);
        let pkce = self.grants.families[place].pkce;
        let client = if pkce { self.check_public_client(call, form)? } else { self.check_client(call, form)? };
        if client != self.grants.families[place].caller.client {
            return Err(invalid_grant("Invalid refresh token"));
        }
        let family = &mut self.grants.families[place];
        family.revoked |= replaced;
        if family.revoked {
            return Err(invalid_grant("Refresh token revoked"));
        }
        if now_ms >= months_after(family.consent_at_ms, CONSENT_MONTHS) {
            return Err(invalid_grant("Refresh token expired"));
        }
        let rotates = match self.grants.rotation {
            Rotation::Never => false,
            Rotation::Pkce => pkce,
            Rotation::Always => true,
        };
        let new = rotates.then(|| {
            if let Some(old) = self.grants.refresh.get_mut(token) {
                old.replaced = true;
            }
            self.refresh_token_of(place, now_ms)
        });
        Ok(self.tokens(place, new.as_deref(), now_ms))
    }

    fn tokens(&mut self, family: usize, refresh: Option<&str>, now_ms: i64) -> Answer {
        let caller = self.grants.families[family].caller.clone();
        let scope = caller.scopes.join(" ");
        let access = self.access_token(caller, now_ms);
        let mut body = String::new();
        json::object(&mut body, |o| {
            o.text("access_token", &access);
            o.text("token_type", "Bearer");
            o.plain("expires_in", self.ttl_secs);
            if let Some(refresh) = refresh {
                o.text("refresh_token", refresh);
            }
            o.text("scope", &scope);
        });
        Answer::json(body)
    }

    /// A public client names itself in the form; one with a secret may prove itself too.
    fn check_public_client(&self, call: &Call, form: &Form) -> Result<String, Answer> {
        if call.authorization.is_some() {
            return self.check_client(call, form);
        }
        match form.get("client_id") {
            Some(id) if self.client_ids.iter().any(|known| known == id) => Ok(id.to_owned()),
            Some(_) => Err(refuse_token(400, "invalid_client", "Invalid client")),
            None => Err(refuse_token(400, "invalid_request", "client_id must be supplied")),
        }
    }
}

fn invalid_grant(description: &str) -> Answer {
    refuse_token(400, "invalid_grant", description)
}
