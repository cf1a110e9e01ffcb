//! The secrets of a sign-in: the `state` and the PKCE verifier.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::SignInError;

/// 48 random bytes become 64 characters, which are valid in a URL and in a verifier (43 to 128 characters).
const SECRET_BYTES: usize = 48;

/// A new random secret.
pub(super) fn random() -> Result<SecretString, SignInError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| SignInError::NoRandomness { why: error.to_string() })?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
}

/// The PKCE challenge: the hash of the verifier, encoded from its bytes and not from hex.
pub(super) fn challenge(verifier: &SecretString) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret().as_bytes()))
}

/// Compares two secrets in constant time.
pub(super) fn equals(one: &str, other: &SecretString) -> bool {
    Sha256::digest(one) == Sha256::digest(other.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_matches_the_example_of_the_rfc() {
        let verifier = SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn secrets_are_random_and_fit_a_verifier() {
        let (one, two) = (random().unwrap(), random().unwrap());
        assert!(!equals(one.expose_secret(), &two));
        assert!(equals(one.expose_secret(), &one));
        assert_eq!(one.expose_secret().len(), 64);
        assert!(one.expose_secret().bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it)));
    }
}
