//! The words by which a text of the store mentions the deleted user. For files see `export::user_mentions`.

use std::ops::Range;

use super::person::PurgedUser;

/// A shorter name also occurs in texts about something else. It counts where a text marks it as a name.
const SHORTEST_NAME_BYTES: usize = 4;

/// What texts of this program have before the name of a user.
const NAMED_BY: [&str; 2] = [" of ", " login "];

/// The ids and names of a user and of the deleted playlists, the longest first.
#[derive(Debug, Default)]
pub(super) struct Mentions(Vec<MentionWord>);

#[derive(Debug)]
struct MentionWord {
    text: String,
    /// Ids also count within paths: no folder or host has such a name by chance.
    is_id: bool,
    replacement: &'static str,
}

impl Mentions {
    /// The words for a user and playlists, which are pairs of id and name.
    pub(super) fn of(user: &PurgedUser, playlists: &[(String, Option<String>)]) -> Mentions {
        let word = |text: &str, is_id, replacement| MentionWord { text: text.to_owned(), is_id, replacement };
        let of_user = "(deleted user)";
        let mut words: Vec<MentionWord> = user.ids().map(|id| word(id, true, of_user)).collect();
        words.extend(user.names().map(|name| word(name, false, of_user)));
        for (id, name) in playlists {
            words.push(word(id, true, "(deleted playlist)"));
            words.extend(name.iter().map(|name| word(name, false, "(deleted playlist)")));
        }
        words.retain(|word| !word.text.trim().is_empty());
        words.sort_by_key(|word| std::cmp::Reverse(word.text.len()));
        Mentions(words)
    }

    /// Whether a text contains one of the words.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|word| word.places(text).next().is_some())
    }

    /// The text without the words. A word inside a longer one is not replaced on its own.
    pub(super) fn remove_from(&self, text: &str) -> String {
        let mut found: Vec<(Range<usize>, &str)> = Vec::new();
        for word in &self.0 {
            for place in word.places(text) {
                if found.iter().all(|(other, _)| place.end <= other.start || other.end <= place.start) {
                    found.push((place, word.replacement));
                }
            }
        }
        found.sort_by_key(|(place, _)| place.start);
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for (place, replacement) in found {
            out.push_str(&text[from..place.start]);
            out.push_str(replacement);
            from = place.end;
        }
        out.push_str(&text[from..]);
        out
    }
}

impl MentionWord {
    /// Where a text has the word, and not as part of a longer one: `home` is neither in `homely` nor in `/home/anna`.
    fn places<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
        let places = text.match_indices(self.text.as_str()).map(|(at, word)| at..at + word.len());
        places.filter(|place| {
            let (before, after) = (&text[..place.start], &text[place.end..]);
            let is_apart = !self.joins_before(before) && !self.joins_after(after);
            is_apart && (self.is_id || self.text.len() >= SHORTEST_NAME_BYTES || is_marked(before, after))
        })
    }

    fn joins_before(&self, before: &str) -> bool {
        let last = before.chars().next_back();
        last.is_some_and(|c| is_part_of_word(c) || !self.is_id && matches!(c, '/' | '\\' | '.'))
    }

    fn joins_after(&self, after: &str) -> bool {
        let mut next = after.chars();
        match next.next() {
            Some('/' | '\\') => !self.is_id,
            // A period also ends a sentence.
            Some('.') => !self.is_id && next.next().is_some_and(char::is_alphanumeric),
            first => first.is_some_and(is_part_of_word),
        }
    }
}

fn is_part_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// Whether a text shows a word as a name: alone, in quotes, or where the program writes the name of a user.
fn is_marked(before: &str, after: &str) -> bool {
    let quotes = |c: char| matches!(c, '`' | '"' | '\'');
    before.is_empty() && after.is_empty()
        || before.ends_with(quotes) && after.starts_with(quotes)
        || NAMED_BY.iter().any(|words| before.ends_with(words))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn user(local_name: &str, display_name: &str) -> PurgedUser {
        PurgedUser {
            user_ids: BTreeSet::from(["31abc".to_owned()]),
            local_names: BTreeSet::from([local_name.to_owned()]),
            display_names: BTreeSet::from([display_name.to_owned()]),
            ..PurgedUser::default()
        }
    }

    fn assert_replaced(mentions: &Mentions, table: &[(&str, &str)]) {
        for (text, expected) in table {
            assert_eq!(mentions.remove_from(text), *expected);
            assert_eq!(mentions.are_in(text), text != expected, "{text}");
        }
    }

    #[test]
    fn names_are_replaced_as_whole_words() {
        let mentions = Mentions::of(&user("home", "home alone"), &[]);
        let table = [
            ("home must sign in", "(deleted user) must sign in"),
            ("saved_tracks of home: 3 lists", "saved_tracks of (deleted user): 3 lists"),
            ("homely homes at-home", "homely homes at-home"),
            ("home home", "(deleted user) (deleted user)"),
            ("`home alone` (31abc)", "`(deleted user)` ((deleted user))"),
            ("spotify:user:31abc", "spotify:user:(deleted user)"),
            ("/users/31abc/playlists", "/users/(deleted user)/playlists"),
            ("31abcd", "31abcd"),
            ("/home/anna/spotify is full", "/home/anna/spotify is full"),
            ("home.example.org C:\\home\\x a.home", "home.example.org C:\\home\\x a.home"),
            ("it was read for home.", "it was read for (deleted user)."),
        ];
        assert_replaced(&mentions, &table);
    }

    #[test]
    fn short_names_need_quotes_or_context() {
        let table = [
            ("3 of 5 pages of the list", "3 of 5 pages of the list"),
            ("it is me", "it is me"),
            ("user `me`: `of`", "user `(deleted user)`: `(deleted user)`"),
            ("saved_tracks of me", "saved_tracks of (deleted user)"),
            ("cratedigger auth login me", "cratedigger auth login (deleted user)"),
            ("me", "(deleted user)"),
        ];
        assert_replaced(&Mentions::of(&user("me", "of"), &[]), &table);
    }

    #[test]
    fn the_longest_word_is_replaced_first() {
        let playlists =
            [("37abc".to_owned(), Some("Anna's Mix".to_owned())), ("37abd".to_owned(), Some("user".to_owned()))];
        let table = [
            ("`Anna's Mix` of Anna", "`(deleted playlist)` of (deleted user)"),
            ("the user Anna", "the (deleted playlist) (deleted user)"),
            ("37abd", "(deleted playlist)"),
        ];
        assert_replaced(&Mentions::of(&user("anna", "Anna"), &playlists), &table);
    }
}
