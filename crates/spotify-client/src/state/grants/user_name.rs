//! The local names of users.

use super::error::GrantError;

/// Refuses what cannot be the local name of a user: names stand in file names and commands.
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
    // An address or a token in the place of the name must not be repeated.
    let name = if name.len() <= 40 && !name.contains(['/', '=', '?']) {
        name.escape_debug().collect()
    } else {
        "this".to_owned()
    };
    Err(GrantError::Name { name })
}
