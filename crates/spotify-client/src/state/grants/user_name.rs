//! The local names of users.

use super::error::GrantError;

/// Refuses an invalid local name of a user. Names are part of file names and commands.
///
/// # Errors
///
/// [`GrantError::Name`].
pub fn check_user_name(name: &str) -> Result<(), GrantError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && name.len() <= 64 && name.bytes().all(fits) {
        return Ok(());
    }
    // If an address or a token was given instead of a name, the error must not repeat it.
    let name = if name.len() <= 40 && !name.contains(['/', '=', '?']) {
        name.escape_debug().collect()
    } else {
        "this".to_owned()
    };
    Err(GrantError::Name { name })
}
