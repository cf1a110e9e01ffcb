//! Spotify's answer to a sign-in, from the listener or pasted by a person.
//!
//! An answer must contain the `state` that was sent. Otherwise anyone could make this program accept a
//! foreign code. A bare code has no `state` and is refused. Where the answer names its issuer (RFC 9207), it must be
//! Spotify's accounts service.
//! No error message repeats the pasted text.

use secrecy::SecretString;
use url::{Url, form_urlencoded};

use super::SignInError;
use super::secret::equals;
use spotify_client::state::grants::PendingSignIn;

/// Maximum length of an answer. Codes have a few hundred characters.
const MAX_LENGTH: usize = 8_192;

/// Spotify's answer to a sign-in.
#[derive(Debug, Clone)]
pub enum CallbackAnswer {
    /// Consent, with a code that is valid for a few minutes.
    Code(SecretString),
    /// `access_denied` or another refusal, safe to print.
    Denied(String),
}

/// Why a query is not the answer to this sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerMismatch {
    /// It has neither `code` nor `error`, or one of them twice.
    Unreadable,
    /// It has no `state`, or a different one.
    OtherState,
    /// Another service than Spotify's issued it.
    OtherIssuer,
}

/// Parses the query of the redirect.
pub(super) fn from_query(query: &str, state: &SecretString, issuer: &Url) -> Result<CallbackAnswer, AnswerMismatch> {
    if query.len() > MAX_LENGTH {
        return Err(AnswerMismatch::Unreadable);
    }
    let (mut code, mut error, mut came, mut iss) = (None, None, None, None);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let slot = match &*key {
            "code" => &mut code,
            "error" => &mut error,
            "state" => &mut came,
            "iss" => &mut iss,
            _ => continue,
        };
        if slot.replace(value.into_owned()).is_some() {
            return Err(AnswerMismatch::Unreadable);
        }
    }
    if !came.is_some_and(|came| equals(&came, state)) {
        return Err(AnswerMismatch::OtherState);
    }
    if iss.is_some_and(|iss| !Url::parse(&iss).is_ok_and(|iss| without_slash(&iss) == without_slash(issuer))) {
        return Err(AnswerMismatch::OtherIssuer);
    }
    match (code, error) {
        (Some(code), None) if !code.is_empty() => Ok(CallbackAnswer::Code(SecretString::from(code))),
        (None, Some(error)) => {
            let known = error.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
            Ok(CallbackAnswer::Denied(if known && error.len() <= 64 { error } else { "an unknown error".to_owned() }))
        }
        _ => Err(AnswerMismatch::Unreadable),
    }
}

/// An issuer is one name, so only its last slash does not matter.
fn without_slash(issuer: &Url) -> &str {
    issuer.as_str().strip_suffix('/').unwrap_or(issuer.as_str())
}

/// Parses pasted text: the whole address where the browser ended up. `issuer` is the accounts service.
///
/// # Errors
///
/// [`SignInError::Pasted`] for any other text, and for the answer to another sign-in.
pub fn parse_pasted(text: &str, pending: &PendingSignIn, issuer: &Url) -> Result<CallbackAnswer, SignInError> {
    let refuse = |why| {
        let expected =
            format!("paste the whole address where the browser ended up; it starts with {}?", pending.redirect_uri);
        Err(SignInError::Pasted { why, expected })
    };
    let text = text.trim().trim_matches(['"', '\'', '<', '>', '`']).trim();
    if text.is_empty() {
        return refuse("nothing was pasted");
    }
    if text.len() > MAX_LENGTH {
        return refuse("the pasted text is too long for an address or a code");
    }
    if let Some((address, rest)) = text.split_once('?') {
        let query = rest.split('#').next().unwrap_or(rest);
        if query.contains("redirect_uri=") {
            return refuse("this is the address to open, not the address where the browser ended up");
        }
        if !is_redirect(address, &pending.redirect_uri) {
            return refuse("this address is not the redirect URI of the sign-in");
        }
        return match from_query(query, &pending.state, issuer) {
            Ok(answer) => Ok(answer),
            Err(AnswerMismatch::OtherState) => refuse(
                "this is the answer to another sign-in (its state is different): open the newest link, and paste the address that it leads to",
            ),
            Err(AnswerMismatch::OtherIssuer) => refuse("this answer does not come from Spotify's accounts service"),
            Err(AnswerMismatch::Unreadable) => refuse("this address contains no code"),
        };
    }
    let code = text.strip_prefix("code=").unwrap_or(text);
    if code.len() >= 16 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)) {
        // Without its `state`, nothing shows that the code belongs to this sign-in and not to somebody else's account.
        return refuse("this is only the code, without the rest of the address");
    }
    refuse("this is not an address with a code")
}

/// Whether an address without its query is the redirect URI. Browsers hide `http://`, and an empty
/// path gets its slash.
fn is_redirect(address: &str, redirect_uri: &str) -> bool {
    let parse = |text: &str| {
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        Url::parse(&text).ok()
    };
    match (parse(address), parse(redirect_uri)) {
        (Some(one), Some(other)) => {
            one.host() == other.host()
                && one.port_or_known_default() == other.port_or_known_default()
                && one.path() == other.path()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use secrecy::ExposeSecret;

    use super::*;
    use spotify_client::state::grants::SignInFlow;

    fn pending() -> PendingSignIn {
        PendingSignIn {
            user: "home".to_owned(),
            redirect_uri: "http://127.0.0.1:43210/callback".to_owned(),
            flow: SignInFlow::Code,
            scopes: Vec::new(),
            replace: false,
            state: SecretString::from("the-state"),
            verifier: None,
            created_at: Utc::now(),
            known_grant_at: None,
        }
    }

    impl CallbackAnswer {
        fn code(&self) -> Option<&str> {
            match self {
                CallbackAnswer::Code(code) => Some(code.expose_secret()),
                CallbackAnswer::Denied(_) => None,
            }
        }
    }

    fn issuer() -> Url {
        Url::parse("https://accounts.spotify.com/").unwrap()
    }

    const CODE: &str = "AQDsecretsecretsecret";

    #[test]
    fn address_is_read_in_every_copied_form() {
        for text in [
            "http://127.0.0.1:43210/callback?code=AQDsecretsecretsecret&state=the-state",
            "  \"http://127.0.0.1:43210/callback?state=the-state&code=AQDsecretsecretsecret\"\n",
            "127.0.0.1:43210/callback?code=AQDsecretsecretsecret&state=the-state#_=_",
            "<http://127.0.0.1:43210/callback?code=AQDsecretsecretsecret&state=the%2Dstate&x=y>",
            "http://127.0.0.1:43210/callback?code=AQDsecretsecretsecret&state=the-state&iss=https%3A%2F%2Faccounts.spotify.com",
        ] {
            assert_eq!(parse_pasted(text, &pending(), &issuer()).unwrap().code(), Some(CODE), "{text}");
        }
    }

    #[test]
    fn a_denial_is_an_answer_too() {
        let text = "http://127.0.0.1:43210/callback?error=access_denied&state=the-state";
        assert!(
            matches!(parse_pasted(text, &pending(), &issuer()).unwrap(), CallbackAnswer::Denied(words) if words == "access_denied")
        );
        let text = "http://127.0.0.1:43210/callback?error=%1b[31m<b>&state=the-state";
        assert!(
            matches!(parse_pasted(text, &pending(), &issuer()).unwrap(), CallbackAnswer::Denied(words) if words == "an unknown error")
        );
    }

    #[test]
    fn other_text_is_refused_and_not_repeated() {
        for (text, says) in [
            ("", "nothing was pasted"),
            ("http://127.0.0.1:43210/callback?code=AQDsecretsecretsecret", "another sign-in"),
            ("http://127.0.0.1:43210/callback?code=AQDsecretsecretsecret&state=the-stat", "another sign-in"),
            ("http://127.0.0.1:43210/callback?code=AQDsecretsecretsecret&code=x&state=the-state", "contains no code"),
            ("http://127.0.0.1:43210/callback?state=the-state", "contains no code"),
            ("http://127.0.0.1:43210/callback?code=&state=the-state", "contains no code"),
            ("http://127.0.0.1:43211/callback?code=AQDsecretsecretsecret&state=the-state", "not the redirect URI"),
            ("http://evil.example/callback?code=AQDsecretsecretsecret&state=the-state", "not the redirect URI"),
            ("https://accounts.spotify.com/authorize?redirect_uri=x&state=the-state", "address to open"),
            (
                "http://127.0.0.1:43210/callback?code=AQDsecretsecretsecret&state=the-state&iss=https://evil.example",
                "does not come from Spotify",
            ),
            (
                "http://127.0.0.1:43210/callback?code=AQDsecretsecretsecret&state=the-state&iss=",
                "does not come from Spotify",
            ),
            (
                "http://127.0.0.1:43210/callback?code=AQDsecretsecretsecret&state=the-state&iss=https://accounts.spotify.com/x",
                "does not come from Spotify",
            ),
            (
                "http://127.0.0.1:43210/callback?code=AQDsecretsecretsecret&state=the-state&iss=https://x@accounts.spotify.com",
                "does not come from Spotify",
            ),
            (CODE, "only the code"),
            ("code=AQDsecretsecretsecret", "only the code"),
            ("AQDsecret secretsecret", "not an address"),
            ("<script>AQDsecretsecretsecret</script>", "not an address"),
            ("short", "not an address"),
        ] {
            let error = parse_pasted(text, &pending(), &issuer()).unwrap_err();
            assert!(error.to_string().contains(says), "{text}: {error}");
            let all = format!("{error} {error:?} {:?}", error.hint());
            assert!(!all.contains("secretsecret") && !all.contains("the-stat"), "{all}");
        }
    }
}
