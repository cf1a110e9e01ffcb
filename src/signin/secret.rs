//! What only this program and the browser's answer know: `state`, and PKCE's verifier.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::SignInError;

/// 48 random bytes are 64 characters, all of which a URL and a verifier (43 to 128) may hold.
const SECRET_BYTES: usize = 48;

/// A secret that nobody guesses.
pub(super) fn random() -> Result<SecretString, SignInError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| SignInError::NoRandomness { why: error.to_string() })?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
}

/// PKCE's challenge: the hash of the verifier's letters, as bytes, not as hex.
pub(super) fn challenge(verifier: &SecretString) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret().as_bytes()))
}

/// Compares without telling by its duration how much was right.
pub(super) fn equals(one: &str, other: &SecretString) -> bool {
    Sha256::digest(one) == Sha256::digest(other.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_standards_example() {
        let verifier = SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn secrets_are_new_each_time_and_fit_a_verifier() {
        let (one, two) = (random().unwrap(), random().unwrap());
        assert!(!equals(one.expose_secret(), &two));
        assert!(equals(one.expose_secret(), &one));
        assert_eq!(one.expose_secret().len(), 64);
        assert!(one.expose_secret().bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it)));
    }
}
