//! Changes to what users have saved and follow.

use rustc_hash::FxHashMap;

use super::{Edit, EditRefused, Kind, Library, Music, Saved};

/// The libraries; one that nobody has edited follows from the seed.
#[derive(Debug, Default)]
pub(crate) struct Libraries {
    /// Every state that a user's library has had, the first and the newest among them.
    states: FxHashMap<String, Vec<Library>>,
}

impl Libraries {
    /// A user's library as it is now.
    pub(crate) fn of(&self, music: &Music, user: &str) -> Library {
        match self.states.get(user).and_then(|states| states.last()) {
            Some(library) => library.clone(),
            None => Library::of(music, user),
        }
    }

    /// Every state that it has had, oldest first.
    pub(crate) fn states(&self, music: &Music, user: &str) -> Vec<Library> {
        self.states.get(user).cloned().unwrap_or_else(|| vec![Library::of(music, user)])
    }

    /// Makes one edit.
    ///
    /// # Errors
    /// If it names something that doesn't exist; nothing has changed then.
    pub(crate) fn edit(&mut self, edit: &Edit, music: &Music, now_ms: i64) -> Result<(), EditRefused> {
        let (user, uri, saved_at) = match edit {
            Edit::Save { user, uri, added_at_ms } => (user, uri, Some(added_at_ms.unwrap_or(now_ms))),
            Edit::Unsave { user, uri } => (user, uri, None),
            _ => return Err(EditRefused("library in an edit of a playlist".to_owned())),
        };
        let unknown = || EditRefused(format!("thing {uri} that can be saved"));
        let [_, kind, id] = uri.split(':').collect::<Vec<_>>()[..] else { return Err(unknown()) };
        let kind = match kind {
            "track" => Kind::Track,
            "album" => Kind::Album,
            "show" => Kind::Show,
            "episode" => Kind::Episode,
            "audiobook" => Kind::Audiobook,
            "artist" => Kind::Artist,
            _ => return Err(unknown()),
        };
        let place = music.find(kind, id).ok_or_else(unknown)?;
        let mut library = self.of(music, user);
        let list = match kind {
            Kind::Track => &mut library.tracks,
            Kind::Album => &mut library.albums,
            Kind::Show => &mut library.shows,
            Kind::Episode => &mut library.episodes,
            Kind::Audiobook => &mut library.audiobooks,
            _ => &mut library.artists,
        };
        list.retain(|saved| saved.place != place);
        if let Some(added_at_ms) = saved_at {
            let before = list.iter().position(|saved| saved.added_at_ms <= added_at_ms).unwrap_or(list.len());
            list.insert(before, Saved { place, added_at_ms });
        }
        self.states.entry(user.clone()).or_insert_with(|| vec![Library::of(music, user)]).push(library);
        Ok(())
    }
}
