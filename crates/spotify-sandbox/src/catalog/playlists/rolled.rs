//! Which playlists there are at the start.

use super::{Images, Playlist, Playlists, Rolled};
use crate::catalog::{Music, known, odd};
use crate::dice;

impl Playlists {
    /// The known ones, and plain ones as many and as long as asked for.
    pub(crate) fn rolled(music: &Music, count: usize, items: usize) -> Self {
        let mut lists = Self::default();
        let plain = |n: usize, len: usize| Rolled {
            len,
            seed: dice::mix(music.seed, 0x11575 + n as u64),
            of: music.plain_tracks.max(1),
        };
        let mut odd = playlist(known::ODD_PLAYLIST, "Odd \"things\"; sorted, badly 🙃", known::HOME);
        odd.listed = odd::rows(music);
        odd.description = Some(odd::long_description());
        odd.images = Images::Null;
        odd.public = None;
        odd.total_too_large_by = 7;
        odd.endless_next = true;
        odd.both_keys = true;
        odd.null_total_in_lists = true;
        lists.add(odd);
        let mut large = playlist(known::LARGE_PLAYLIST, "Everything, ever", known::HOME);
        large.listed = odd::tail(music);
        large.rolled = plain(0, known::LARGE_PLAYLIST_ITEMS - large.listed.len());
        lists.add(large);
        let mut empty = playlist(known::EMPTY_PLAYLIST, "Nothing yet", known::HOME);
        empty.images = Images::Empty;
        empty.description = None;
        lists.add(empty);
        let mut home = playlist(known::HOME_PLAYLIST, "Kitchen radio", known::HOME);
        home.rolled = plain(1, 120);
        lists.add(home);
        let mut ours = playlist(known::SHARED_PLAYLIST, "Ours", known::STUDIO);
        ours.rolled = plain(2, 75);
        ours.collaborators.push(known::HOME.to_owned());
        ours.public = Some(false);
        lists.add(ours);
        let mut studio = playlist(known::STUDIO_PLAYLIST, "References", known::STUDIO);
        studio.rolled = plain(3, 210);
        studio.public = Some(false);
        lists.add(studio);
        let mut foreign = playlist(known::FOREIGN_PLAYLIST, "Somebody else's hits", known::CURATOR);
        foreign.rolled = plain(4, 100);
        foreign.followers = 1_234_567;
        lists.add(foreign);
        for n in 0..count {
            let owner = [known::CURATOR, known::HOME, known::STUDIO][n % 3];
            let id = dice::id(music.seed, "playlist", n as u64);
            let mut list = playlist(&id, &format!("Crate {:03}", n + 1), owner);
            list.rolled = plain(100 + n, items);
            lists.add(list);
        }
        lists
    }

    /// So many plain lists of the digger's.
    pub(crate) fn roll_for_digger(&mut self, music: &Music, count: usize, items: usize) {
        for n in 0..count {
            let id = dice::id(music.seed, "digger's playlist", n as u64);
            let mut list = playlist(&id, &format!("Dig {:03}", n + 1), known::DIGGER);
            let seed = dice::mix(music.seed, 0xd166 + n as u64);
            list.rolled = Rolled { len: items, seed, of: music.plain_tracks.max(1) };
            self.add(list);
        }
    }
}

fn playlist(id: &str, name: &str, owner: &str) -> Playlist {
    Playlist {
        id: id.to_owned(),
        name: name.to_owned(),
        description: Some(String::new()),
        owner: owner.to_owned(),
        collaborators: Vec::new(),
        public: Some(true),
        followers: 0,
        images: Images::Some,
        total_too_large_by: 0,
        endless_next: false,
        both_keys: false,
        null_total_in_lists: false,
        rolled: Rolled::default(),
        listed: Vec::new(),
        revision: 1,
    }
}
