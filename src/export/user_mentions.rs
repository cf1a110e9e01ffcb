//! Finds out whether a file that shows many people mentions the deleted user: in its cells and addresses, line by line.
//! Texts of the store, such as reasons of runs, have no cells; `store::purge::mentions` finds and replaces words in them.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};

use crate::store::purge::{PurgedUser, written_forms};

/// Shorter ids are also words, and count only as a whole cell or at the end of an address.
const LONG_ID_BYTES: usize = 16;

/// Most bytes of a line that are looked at together.
const LINE_BYTES: u64 = 1 << 20;

/// The ids and names of a deleted user and of the deleted playlists, as cells of a file have them.
#[derive(Debug, Default)]
pub struct UserMentions {
    ids: HashSet<String>,
    names: HashSet<String>,
}

impl UserMentions {
    /// What mentions a user or one of the playlists that go with the user.
    pub fn of(user: &PurgedUser) -> UserMentions {
        let playlists = &user.playlists;
        let ids = user.ids().chain(playlists.iter().map(|(id, _)| id.as_str()));
        let names: Vec<&str> = user.names().chain(playlists.iter().filter_map(|(_, name)| name.as_deref())).collect();
        let owned = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let names = names.into_iter().flat_map(written_forms);
        UserMentions { ids: ids.filter_map(owned).collect(), names: names.filter_map(|name| owned(&name)).collect() }
    }

    /// Whether a file has one of the ids or, with `names`, one of the names as a whole cell. The title of a track may be the name
    /// of a person, so names count only where the file may be about people.
    pub(super) fn are_in(&self, file: impl Read, names: bool) -> std::io::Result<bool> {
        let mut file = BufReader::with_capacity(1 << 16, file);
        let mut line = Vec::new();
        loop {
            line.clear();
            if (&mut file).take(LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
                return Ok(false);
            }
            let text = String::from_utf8_lossy(&line);
            let id_in = |cell: &str| {
                let last = cell.rsplit([':', '/']).next().unwrap_or(cell);
                let is_long = |word: &str| word.len() >= LONG_ID_BYTES && self.ids.contains(word);
                self.ids.contains(last)
                    || cell.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').any(is_long)
            };
            if text.split(ends_cell).any(|cell| id_in(cell.trim())) || names && self.name_in(&text) {
                return Ok(true);
            }
        }
    }

    /// Whether a line has a name between two ends of cells. A name may contain a delimiter itself.
    fn name_in(&self, line: &str) -> bool {
        self.names.iter().any(|name| {
            line.match_indices(name.as_str()).any(|(at, name)| {
                let (before, after) = (&line[..at], &line[at + name.len()..]);
                // The formula guard puts an apostrophe before a name.
                let before = before.strip_suffix('\'').unwrap_or(before).trim_end_matches(' ').chars().next_back();
                before.is_none_or(ends_cell) && after.chars().next().is_none_or(ends_cell)
            })
        })
    }
}

fn ends_cell(c: char) -> bool {
    matches!(c, ',' | ';' | '\t' | '|' | '"' | '\r' | '\n' | '<' | '>' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn cells_mention_a_user() {
        let user = PurgedUser {
            user_ids: BTreeSet::from(["anna".to_owned(), "31abcdefghijklmnopqrst".to_owned()]),
            display_names: BTreeSet::from(["Anna, B".to_owned()]),
            playlists: vec![("37aaaaaaaaaaaaaaaaaaaa".to_owned(), Some("=My \"Mix\"".to_owned()))],
            ..PurgedUser::default()
        };
        let mentions = UserMentions::of(&user);
        let found = |text: &str, names| mentions.are_in(text.as_bytes(), names).unwrap();
        for text in [
            "a,b\n1,anna\n",
            "a;b\n\"spotify:user:anna\";1",
            "https://open.spotify.com/user/anna",
            "see 31abcdefghijklmnopqrst!",
            "x|37aaaaaaaaaaaaaaaaaaaa|y",
        ] {
            assert!(found(text, false), "{text}");
        }
        for text in ["hanna,anna karenina\n", "31abcdefghijklmnopqrstu", "a\nAnna, B C\n", ""] {
            assert!(!found(text, true), "{text}");
        }
        for text in [
            "1,\"Anna, B\"\n",
            "=My \"Mix\"",
            "x,\"'=My \"\"Mix\"\"\"\r\n",
            "\"x; Anna, B\"",
            "{\"a\":\"=My \\\"Mix\\\"\"}",
            "<td>=My &#34;Mix&#34;</td>",
        ] {
            assert!(found(text, true) && !found(text, false), "{text}");
        }
    }
}
