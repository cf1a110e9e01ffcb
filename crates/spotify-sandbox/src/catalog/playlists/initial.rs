//! The playlists at the start.

use super::{CatalogPlaylist, GeneratedRows, PlaylistCollection, PlaylistImages};
use crate::catalog::{MusicCatalog, edge_cases, fixtures};
use crate::rng;

impl PlaylistCollection {
    /// Generates the fixtures and `count` ordinary playlists with `items` rows each.
    pub(crate) fn generate(music: &MusicCatalog, count: usize, items: usize) -> Self {
        let mut lists = Self::default();
        let generated = |n: usize, len: usize| GeneratedRows {
            len,
            seed: rng::mix(music.seed, 0x11575 + n as u64),
            track_count: music.plain_tracks.max(1),
        };
        let mut edge_case_list =
            new_playlist(fixtures::EDGE_CASE_PLAYLIST, "Odd \"things\"; sorted, badly 🙃", fixtures::HOME_USER);
        edge_case_list.stored_rows = edge_cases::edge_case_rows(music);
        edge_case_list.description = Some(edge_cases::long_description());
        edge_case_list.images = PlaylistImages::Null;
        edge_case_list.public = None;
        edge_case_list.excess_total = 7;
        edge_case_list.endless_next = true;
        edge_case_list.both_keys = true;
        edge_case_list.null_total_in_lists = true;
        lists.add(edge_case_list);
        let mut large = new_playlist(fixtures::LARGE_PLAYLIST, "Everything, ever", fixtures::HOME_USER);
        large.stored_rows = edge_cases::large_playlist_tail(music);
        large.generated = generated(0, fixtures::LARGE_PLAYLIST_ITEMS - large.stored_rows.len());
        lists.add(large);
        let mut empty = new_playlist(fixtures::EMPTY_PLAYLIST, "Nothing yet", fixtures::HOME_USER);
        empty.images = PlaylistImages::Empty;
        empty.description = None;
        lists.add(empty);
        let mut home = new_playlist(fixtures::HOME_PLAYLIST, "Kitchen radio", fixtures::HOME_USER);
        home.generated = generated(1, 120);
        lists.add(home);
        let mut shared = new_playlist(fixtures::SHARED_PLAYLIST, "Ours", fixtures::STUDIO_USER);
        shared.generated = generated(2, 75);
        shared.collaborators.push(fixtures::HOME_USER.to_owned());
        shared.public = Some(false);
        lists.add(shared);
        let mut studio = new_playlist(fixtures::STUDIO_PLAYLIST, "References", fixtures::STUDIO_USER);
        studio.generated = generated(3, 210);
        studio.public = Some(false);
        lists.add(studio);
        let mut foreign = new_playlist(fixtures::FOREIGN_PLAYLIST, "Somebody else's hits", fixtures::CURATOR_USER);
        foreign.generated = generated(4, 100);
        foreign.followers = 1_234_567;
        lists.add(foreign);
        for n in 0..count {
            let owner = [fixtures::CURATOR_USER, fixtures::HOME_USER, fixtures::STUDIO_USER][n % 3];
            let id = rng::generate_id(music.seed, "playlist", n as u64);
            let mut list = new_playlist(&id, &format!("Crate {:03}", n + 1), owner);
            list.generated = generated(100 + n, items);
            lists.add(list);
        }
        lists
    }

    /// Adds `count` ordinary playlists of the digger.
    pub(crate) fn add_digger_playlists(&mut self, music: &MusicCatalog, count: usize, items: usize) {
        for n in 0..count {
            let id = rng::generate_id(music.seed, "digger's playlist", n as u64);
            let mut list = new_playlist(&id, &format!("Dig {:03}", n + 1), fixtures::DIGGER_USER);
            let seed = rng::mix(music.seed, 0xd166 + n as u64);
            list.generated = GeneratedRows { len: items, seed, track_count: music.plain_tracks.max(1) };
            self.add(list);
        }
    }
}

fn new_playlist(id: &str, name: &str, owner: &str) -> CatalogPlaylist {
    CatalogPlaylist {
        id: id.to_owned(),
        name: name.to_owned(),
        description: Some(String::new()),
        owner: owner.to_owned(),
        collaborators: Vec::new(),
        public: Some(true),
        followers: 0,
        images: PlaylistImages::Some,
        excess_total: 0,
        endless_next: false,
        both_keys: false,
        null_total_in_lists: false,
        generated: GeneratedRows::default(),
        stored_rows: Vec::new(),
        revision: 1,
    }
}
