//! The ids of an account: Spotify may change the id of a user, and the account stays the same.
//!
//! The rows of an account are stored under the id that it had first. A later id has a row in `users` that names the
//! first one in `stored_as`.

use rusqlite::{Connection, OptionalExtension, params};

use super::{CellValue, EntityTable, StoreError, WriteTx, entity};

/// The ids of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountIds {
    /// Spotify's stable id, where Spotify sends one.
    pub account_id: Option<String>,
    /// The id under which its rows are stored, and all others.
    pub user_ids: Vec<String>,
}

/// Returns the id under which the rows of an account are stored. It is the id itself, unless a signed-in user with
/// the same stable id, or with the same id in other case, has rows under another one.
///
/// # Errors
/// If the store cannot be read.
pub fn stored_id(tx: &WriteTx, account_id: Option<&str>, user_id: &str) -> Result<String, StoreError> {
    let known: Option<(Option<String>, bool)> = tx
        .prepare("SELECT stored_as, local_name IS NOT NULL FROM users WHERE id = ?1")?
        .query_row([user_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(|e| tx.error("cannot be read", e))?;
    match known {
        Some((Some(stored_as), _)) => return Ok(stored_as),
        // It has rows of its own, also where older versions gave the account a second set of rows.
        Some((None, true)) => return Ok(user_id.to_owned()),
        _ => {}
    }
    let same: Option<String> = tx
        .prepare(
            "SELECT id FROM users WHERE local_name IS NOT NULL AND stored_as IS NULL
             AND (account_id = ?1 OR lower(id) = lower(?2) AND (account_id IS NULL OR ?1 IS NULL))
             ORDER BY first_seen_at, id LIMIT 1",
        )?
        .query_row(params![account_id, user_id], |row| row.get(0))
        .optional()
        .map_err(|e| tx.error("cannot be read", e))?;
    Ok(same.unwrap_or_else(|| user_id.to_owned()))
}

/// Returns the local names of the users with rows, each with the id under which its rows are stored.
///
/// # Errors
/// If the store cannot be read.
pub fn user_ids_by_name(store: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let sql =
        "SELECT local_name, id FROM users WHERE local_name IS NOT NULL AND stored_as IS NULL ORDER BY local_name, id";
    store.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Records the local name of an account, with a row for it if it has none.
///
/// # Errors
/// If the store cannot be written.
pub fn name_user(tx: &mut WriteTx, stored_as: &str, local_name: &str, now: &str) -> Result<(), StoreError> {
    let table = EntityTable::users();
    let cells: Vec<CellValue<'_>> = table
        .columns
        .iter()
        .map(|column| if *column == "local_name" { CellValue::Text(local_name) } else { CellValue::Absent })
        .collect();
    entity::upsert(tx, table, stored_as, &cells, now, false)
}

/// Records the ids that an account has now. Both rows exist already.
///
/// # Errors
/// If the store cannot be written.
pub fn record(tx: &mut WriteTx, account_id: Option<&str>, user_id: &str, stored_as: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE users SET account_id = ?1, row_version = next_row_version() WHERE id IN (?2, ?3) AND ?1 IS NOT NULL AND account_id IS NOT ?1",
        params![account_id, user_id, stored_as],
    )?;
    tx.execute(
        "UPDATE users SET stored_as = ?2, row_version = next_row_version() WHERE id = ?1 AND id <> ?2 AND stored_as IS NOT ?2",
        params![user_id, stored_as],
    )
}

/// Copies the profile that was read under a later id of an account to the row that has its first id.
///
/// # Errors
/// If the store cannot be written.
pub fn copy_profile(tx: &mut WriteTx, user_id: &str, stored_as: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE users SET row_version = next_row_version(),
           (account_id, display_name, uri, country, product, followers, spotify_url, fetched_at) =
           (SELECT coalesce(n.account_id, users.account_id), coalesce(n.display_name, users.display_name), n.uri, n.country,
            n.product, n.followers, n.spotify_url, n.fetched_at FROM users n WHERE n.id = ?1)
         WHERE id = ?2 AND ?1 <> ?2",
        params![user_id, stored_as],
    )
}

/// Returns the ids of the account that has its rows under an id.
///
/// # Errors
/// If the store cannot be read.
pub fn ids_of(tx: &WriteTx, stored_as: &str) -> Result<AccountIds, StoreError> {
    let account_id: Option<String> = tx.query_one("SELECT account_id FROM users WHERE id = ?1", params![stored_as])?;
    let mut statement = tx.prepare("SELECT id FROM users WHERE stored_as = ?1 ORDER BY id")?;
    let later = statement.query_map([stored_as], |row| row.get(0)).map_err(|e| tx.error("cannot be read", e))?;
    let later = later.collect::<Result<Vec<String>, _>>().map_err(|e| tx.error("cannot be read", e))?;
    let user_ids = std::iter::once(stored_as.to_owned()).chain(later).collect();
    Ok(AccountIds { account_id, user_ids })
}

/// The relation of a playlist to the user of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaylistOwner {
    /// The user's, or one that the user may edit with others.
    User,
    /// Spotify does not say.
    Unknown,
    /// Another account's.
    Other,
}

/// What Spotify says about the owner of a playlist.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnerClaim<'a> {
    pub user_id: Option<&'a str>,
    pub account_id: Option<&'a str>,
    pub is_collaborative: bool,
}

impl AccountIds {
    /// Whether the user owns the playlist. The stable ids decide if both are known. The case of other ids is ignored.
    pub fn owner_of(&self, claim: &OwnerClaim<'_>) -> PlaylistOwner {
        let is_same_id = |id: &str| self.user_ids.iter().any(|mine| mine.to_lowercase() == id.to_lowercase());
        let is_own = match (claim.account_id, self.account_id.as_deref(), claim.user_id) {
            (Some(theirs), Some(mine), _) => Some(theirs == mine),
            (_, _, id) => id.map(is_same_id),
        };
        match is_own {
            Some(true) => PlaylistOwner::User,
            _ if claim.is_collaborative => PlaylistOwner::User,
            Some(false) => PlaylistOwner::Other,
            None => PlaylistOwner::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_compared_by_stable_id_first() {
        let claim = |account_id, user_id, is_collaborative| OwnerClaim { user_id, account_id, is_collaborative };
        let me = AccountIds { account_id: Some("stable".into()), user_ids: vec!["home".into(), "hOme.new".into()] };
        let table = [
            ("same stable id, other id", claim(Some("stable"), Some("x"), false), PlaylistOwner::User),
            ("other stable id, same id", claim(Some("else"), Some("home"), false), PlaylistOwner::Other),
            ("same id", claim(None, Some("home"), false), PlaylistOwner::User),
            ("other case", claim(None, Some("HOME"), false), PlaylistOwner::User),
            ("later id", claim(None, Some("home.NEW"), false), PlaylistOwner::User),
            ("other id", claim(None, Some("x"), false), PlaylistOwner::Other),
            ("collaborative", claim(None, Some("x"), true), PlaylistOwner::User),
            ("no owner, collaborative", claim(None, None, true), PlaylistOwner::User),
            ("no owner", claim(None, None, false), PlaylistOwner::Unknown),
            ("stable id alone", claim(Some("stable"), None, false), PlaylistOwner::User),
        ];
        for (name, claim, owner) in table {
            assert_eq!(me.owner_of(&claim), owner, "{name}");
        }
        let older = AccountIds { account_id: None, ..me };
        assert_eq!(older.owner_of(&claim(Some("stable"), Some("Home"), false)), PlaylistOwner::User);
    }
}
