//! All unusual data that Spotify is known to send, in tracks and rows that do not depend on the seed.
//!
//! Names that break spreadsheets and parsers, dates without days, floats for integers, tracks without artists,
//! local files, nulls. A new surprise becomes a line here and a row in [`fixtures::EDGE_CASE_PLAYLIST`].

use super::{
    CatalogIndex, LocalFile, MusicCatalog, OddShape, PlaylistRow, RowAddedBy, RowContent, TrackEdgeCase, fixtures,
};
use crate::rng::SeededRng;

/// Track names that break some reader.
const TRACK_NAMES: [&str; 34] = [
    "She said \"go\", twice",
    "Line one\nLine two",
    "Carriage\rreturn",
    "Windows\r\nline",
    "Tab\tstop",
    "Nul\u{0}byte",
    "שלום עולם",
    "مرحبا \u{202e}desrever\u{202c}",
    "Party 🎉👩‍👩‍👧‍👦🇩🇪",
    "Ame\u{301}lie Zalgo\u{0335}\u{0336}",
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+44",
    "+SUM(1|2)",
    "-M-",
    "-1+cmd()",
    "@home",
    "@SUM(A1!B2)",
    "'quoted",
    "  two spaces in front",
    "two spaces behind  ",
    "",
    "NULL",
    "null",
    "1e5",
    "007",
    "1,000,000",
    "one; two; three",
    "\u{feff}byte order mark",
    "\u{1b}[31mred\u{1b}[0m",
    "back\\slash",
    "</script><b>bold</b>",
    "\u{2028}separator\u{2029}",
    "TRUE",
];

/// Indexes of the edge-case tracks in the catalog.
struct EdgeCaseTracks {
    named: Vec<CatalogIndex>,
    unavailable: CatalogIndex,
    relinked: CatalogIndex,
    special: Vec<CatalogIndex>,
}

/// Adds the edge-case artists, albums and tracks to a catalog.
pub(super) fn add_edge_cases(music: &mut MusicCatalog) {
    let rng = &mut SeededRng::new(0x0dd);
    let semicolon = music.add_artist(Some(fixtures::SEMICOLON_ARTIST), "Salt; Pepper, and \"Sons\"".to_owned(), rng);
    let plain = music.add_artist(Some("0SandboxOddArtist00001"), "Øddvar".to_owned(), rng);
    music.artists[plain].genres.clear();
    let album = music.add_album(Some(fixtures::EDGE_CASE_ALBUM), "album", vec![plain, semicolon], rng);
    set_album(music, album, "Øddities, Vol. \"1\"", "1981", "year");
    let track = |music: &mut MusicCatalog, n: usize, album, artists| {
        let rng = &mut SeededRng::new(n as u64);
        music.add_track(Some(&format!("0SandboxOddTrack{n:06}")), album, artists, rng)
    };
    let unavailable = track(music, 1, album, vec![plain]);
    mark_edge_case(music, unavailable, "Nowhere to be heard").restriction = Some("market");
    music.tracks[unavailable].market_list = super::names::NO_MARKETS;
    let relinked = track(music, 2, album, vec![plain]);
    mark_edge_case(music, relinked, "Moved to another id").relinks_to = Some(relinked + 1);
    let replacement = track(music, 3, album, vec![plain]);
    mark_edge_case(music, replacement, "Moved to another id");
    let floats = track(music, 4, album, vec![plain, semicolon]);
    mark_edge_case(music, floats, "Float of 200040").duration_text = Some("200040.0");
    music.tracks[floats].duration_ms = 200_040;
    let exponent = track(music, 5, album, vec![semicolon, plain]);
    *mark_edge_case(music, exponent, "Float with an exponent") =
        TrackEdgeCase { duration_text: Some("4.9022656E7"), numbers_as_floats: true, ..TrackEdgeCase::default() };
    music.tracks[exponent].duration_ms = 49_022_656;
    let no_artist = track(music, 6, album, Vec::new());
    mark_edge_case(music, no_artist, "By nobody").extra_keys = true;
    for (n, (date, precision, name)) in [
        ("0000", "year", "Unknown year"),
        ("1981-12", "month", "Month only"),
        ("1970-01-01", "day", "Epoch"),
        ("1999", "year", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("0SandboxOddAlbum00000{}", n + 1);
        let album = music.add_album(Some(&id), "single", vec![plain], rng);
        set_album(music, album, name, date, precision);
        if n == 3 {
            music.albums[album].kind = None;
            music.albums[album].no_images = true;
        }
        let index = track(music, 10 + n, album, vec![plain]);
        if n == 0 {
            music.tracks[index].isrc = None;
        }
    }
    for (n, name) in TRACK_NAMES.iter().enumerate() {
        let index = track(music, 100 + n, album, vec![plain, semicolon]);
        music.tracks[index].name = (*name).to_owned();
    }
    let long = "Long 🎼 description; with, \"all\" sorts. ".repeat(900);
    music.episodes[1].description = long;
}

fn set_album(music: &mut MusicCatalog, album: CatalogIndex, name: &str, date: &str, precision: &'static str) {
    let album = &mut music.albums[album];
    album.name = name.to_owned();
    album.release_date = date.to_owned();
    album.precision = precision;
    album.market_list = 0;
}

fn mark_edge_case<'a>(music: &'a mut MusicCatalog, track: CatalogIndex, name: &str) -> &'a mut TrackEdgeCase {
    let track = &mut music.tracks[track];
    track.name = name.to_owned();
    track.edge_case.get_or_insert_default()
}

/// The rows of the edge-case playlist in order.
pub(super) fn edge_case_rows(music: &MusicCatalog) -> Vec<PlaylistRow> {
    let tracks = EdgeCaseTracks::find_in(music);
    let mut rows = Vec::new();
    let mut add = |content: RowContent| {
        let n = rows.len() as i64;
        rows.push(PlaylistRow {
            added_at: Some(crate::clock::timestamp(1_577_836_800_000 + n * 5_400_000)),
            added_by: RowAddedBy::User(fixtures::HOME_USER.to_owned()),
            content,
            both_keys: false,
            extra_keys: false,
        });
        rows.len() - 1
    };
    add(RowContent::Track(0));
    add(RowContent::Null);
    for local in local_files() {
        add(RowContent::Local(Box::new(local)));
    }
    add(RowContent::Episode(0));
    add(RowContent::Episode(1));
    add(RowContent::Track(tracks.unavailable));
    add(RowContent::Track(tracks.relinked));
    let duplicate = add(RowContent::Track(1));
    add(RowContent::Track(1));
    let undated = add(RowContent::Track(2));
    let without_user = add(RowContent::Track(3));
    let empty_user = add(RowContent::Track(4));
    let in_1970 = add(RowContent::Track(5));
    let both = add(RowContent::Track(6));
    let extra = add(RowContent::Track(7));
    let empty_row = add(RowContent::Null);
    tracks.special.iter().for_each(|index| {
        add(RowContent::Track(*index));
    });
    tracks.named.iter().for_each(|index| {
        add(RowContent::Track(*index));
    });
    add(RowContent::Track(1));
    for (shape, content) in odd_items() {
        add(RowContent::Odd(shape, Box::new(content)));
    }
    rows[undated].added_at = None;
    rows[without_user].added_by = RowAddedBy::Null;
    rows[empty_user].added_by = RowAddedBy::User(String::new());
    rows[in_1970].added_at = Some("1970-01-01T00:00:00Z".to_owned());
    rows[both].both_keys = true;
    rows[duplicate].both_keys = true;
    rows[extra].extra_keys = true;
    rows[empty_row].added_at = None;
    rows[empty_row].added_by = RowAddedBy::Null;
    rows
}

/// The last twenty rows of the large playlist.
pub(super) fn large_playlist_tail(music: &MusicCatalog) -> Vec<PlaylistRow> {
    let rows = edge_case_rows(music);
    let is_unusual = |row: &&PlaylistRow| match &row.content {
        RowContent::Track(index) => {
            let name = &music.tracks[*index].name;
            name.contains(['"', '\n', '\u{0}']) || row.added_at.is_none()
        }
        RowContent::Odd(..) => false,
        RowContent::Null | RowContent::Local(_) | RowContent::Episode(_) => true,
    };
    let mut tail: Vec<PlaylistRow> = rows.iter().filter(is_unusual).take(20).cloned().collect();
    tail.extend(rows.iter().rev().take(20 - tail.len()).cloned());
    tail
}

/// A description that is too long for a spreadsheet cell.
pub(super) fn long_description() -> String {
    let mut text = "=Odd, &quot;all&quot; of it &amp; more;\r\n".to_owned();
    text.push_str(&"long 🎧 text ".repeat(3_000));
    text
}

impl EdgeCaseTracks {
    fn find_in(music: &MusicCatalog) -> Self {
        let by_number = |n: usize| {
            let id = format!("0SandboxOddTrack{n:06}");
            music.tracks.iter().rposition(|track| track.id == id).unwrap_or_default()
        };
        Self {
            named: (0..TRACK_NAMES.len()).map(|n| by_number(100 + n)).collect(),
            unavailable: by_number(1),
            relinked: by_number(2),
            special: [4, 5, 6, 3, 10, 11, 12, 13].map(by_number).to_vec(),
        }
    }
}

/// Items in shapes that Spotify does not document, most of which are in the playlist in their usual shape, too.
fn odd_items() -> [(OddShape, RowContent); 7] {
    let local = LocalFile {
        artist: "Salt & Pepper".to_owned(),
        album: Some("Home tapes".to_owned()),
        title: "Length as an object".to_owned(),
        secs: Some(187),
    };
    [
        (OddShape::DurationObject, RowContent::Local(Box::new(local))),
        (OddShape::NullArtist, RowContent::Track(5)),
        (OddShape::NullImage, RowContent::Track(6)),
        (OddShape::ExplicitText, RowContent::Track(7)),
        (OddShape::UnknownType, RowContent::Track(8)),
        (OddShape::Blank, RowContent::Track(1)),
        (OddShape::EpisodeAsTrack, RowContent::Episode(0)),
    ]
}

fn local_files() -> [LocalFile; 5] {
    let local = |artist: &str, album: Option<&str>, title: &str, secs: Option<u64>| LocalFile {
        artist: artist.to_owned(),
        album: album.map(str::to_owned),
        title: title.to_owned(),
        secs,
    };
    [
        local("Salt & Pepper", Some("Home tapes"), "Rain: take 1+2", Some(187)),
        local("", Some(""), "no tags at all", Some(61)),
        local("Björk/Gulli", Some("100%"), "日本語 \"quoted\"", Some(240)),
        local("", None, "", None),
        local("Nobody", None, "No album object", Some(3)),
    ]
}
