//! The person whose data are deleted: every id and name under which the store or a file may mention them.

use std::collections::BTreeSet;

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::mentions::Mentions;
use crate::store::{StoreError, WriteTx, accounts};

/// The ids and names of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgedUser {
    /// The ids that Spotify gave the user's accounts, including later ids of the same account.
    pub user_ids: BTreeSet<String>,
    /// Spotify's stable ids of these accounts.
    pub account_ids: BTreeSet<String>,
    /// The names under which these accounts were signed in here.
    pub local_names: BTreeSet<String>,
    /// The names on their profiles.
    pub display_names: BTreeSet<String>,
    /// The playlists that go with the user, as pairs of id and name.
    pub playlists: Vec<(String, Option<String>)>,
}

/// A name as files have it: as it is, in a quoted cell of a CSV, in JSON, and on a page.
pub fn written_forms(name: &str) -> [String; 4] {
    let in_json = serde_json::to_string(name).unwrap_or_default();
    let in_json = in_json.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned();
    let on_a_page = askama::filters::escape(name, askama::filters::Html).map(|text| text.to_string());
    [name.to_owned(), name.replace('"', "\"\""), in_json, on_a_page.unwrap_or_default()]
}

impl PurgedUser {
    /// Finds everything that is known about a local name and the account of its grant. `None` if the store knows
    /// neither. A name that was given to another account with `--replace` has several accounts.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn find(
        tx: &WriteTx,
        local_name: &str,
        account: Option<(Option<&str>, &str)>,
    ) -> Result<Option<PurgedUser>, StoreError> {
        let mut user = PurgedUser { local_names: BTreeSet::from([local_name.to_owned()]), ..PurgedUser::default() };
        let mut stored: BTreeSet<String> = BTreeSet::new();
        if let Some((account_id, user_id)) = account {
            stored.insert(accounts::stored_id(tx, account_id, user_id)?);
            user.user_ids.insert(user_id.to_owned());
            user.account_ids.extend(account_id.map(str::to_owned));
        }
        let failed = |e| tx.error("cannot be read", e);
        let mut named = tx.prepare("SELECT coalesce(stored_as, id) FROM users WHERE local_name = ?1")?;
        for id in named.query_map([local_name], |row| row.get::<_, String>(0)).map_err(failed)? {
            stored.insert(id.map_err(failed)?);
        }
        let mut rows = tx.prepare(
            // The case of an id does not matter, and Spotify sometimes sends another one.
            "SELECT id, account_id, local_name, display_name FROM users WHERE id = ?1 OR stored_as = ?1
             OR lower(id) = lower(?1) AND account_id IS NULL
             OR account_id = (SELECT account_id FROM users WHERE id = ?1) ORDER BY id",
        )?;
        for id in stored {
            let read =
                |row: &rusqlite::Row<'_>| Ok([row.get::<_, Option<String>>(0)?, row.get(1)?, row.get(2)?, row.get(3)?]);
            for row in rows.query_map(params![id], read).map_err(failed)? {
                let [id, account_id, local_name, display_name] = row.map_err(failed)?;
                user.user_ids.extend(id);
                user.account_ids.extend(account_id);
                user.local_names.extend(local_name);
                user.display_names.extend(display_name);
            }
            user.user_ids.insert(id);
        }
        // Runs that never learned the account are recorded with the local name.
        let is_recorded: Option<bool> =
            tx.query_one("SELECT EXISTS (SELECT 1 FROM run_fetches WHERE user_id = ?1)", params![local_name])?;
        Ok((!user.user_ids.is_empty() || is_recorded == Some(true)).then_some(user))
    }

    /// Adds the ids, names and playlists of another record of the user.
    pub fn extend(&mut self, other: PurgedUser) {
        self.user_ids.extend(other.user_ids);
        self.account_ids.extend(other.account_ids);
        self.local_names.extend(other.local_names);
        self.display_names.extend(other.display_names);
        let new = other.playlists.into_iter().filter(|playlist| !self.playlists.contains(playlist));
        let new: Vec<_> = new.collect();
        self.playlists.extend(new);
    }

    /// Whether the record of a run names this user: by an id, or by the local name while the account was not known.
    pub fn is_recorded_as(&self, name: &str) -> bool {
        self.user_ids.contains(name) || self.local_names.contains(name)
    }

    /// Ids that no other text contains by chance.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.user_ids.iter().chain(&self.account_ids).map(String::as_str)
    }

    /// The names that people gave to the user.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.display_names.iter().chain(&self.local_names).map(String::as_str)
    }

    /// Whether a text mentions the user or one of the playlists by an id or a name, as a whole word.
    pub fn is_mentioned_in(&self, text: &str) -> bool {
        Mentions::of(self, &self.playlists).are_in(text)
    }

    /// The same user and playlists as a program writes them that changes each word.
    pub fn in_other_words(&self, change: impl Fn(&str) -> Option<String>) -> PurgedUser {
        let of = |words: &BTreeSet<String>| words.iter().filter_map(|word| change(word)).collect();
        let playlist = |(id, name): &(String, Option<String>)| {
            let name = name.as_deref().and_then(&change);
            (change(id).unwrap_or_default(), name)
        };
        PurgedUser {
            user_ids: of(&self.user_ids),
            account_ids: of(&self.account_ids),
            local_names: of(&self.local_names),
            display_names: of(&self.display_names),
            playlists: self.playlists.iter().map(playlist).collect(),
        }
    }
}
