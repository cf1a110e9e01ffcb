use super::*;
use proptest::prelude::*;

const ID: &str = "4aawyAB9vmqN3uQ7FjRGTy";

#[test]
fn every_pasted_form_gives_the_same_id() {
    for form in [
        "4aawyAB9vmqN3uQ7FjRGTy",
        "  4aawyAB9vmqN3uQ7FjRGTy\t",
        "spotify:album:4aawyAB9vmqN3uQ7FjRGTy",
        "Spotify:album:4aawyAB9vmqN3uQ7FjRGTy",
        "SPOTIFY:ALBUM:4aawyAB9vmqN3uQ7FjRGTy",
        "https://open.spotify.com/album/4aawyAB9vmqN3uQ7FjRGTy",
        "http://open.spotify.com/album/4aawyAB9vmqN3uQ7FjRGTy",
        "open.spotify.com/album/4aawyAB9vmqN3uQ7FjRGTy",
        "https://open.spotify.com/album/4aawyAB9vmqN3uQ7FjRGTy?si=abc&utm=1",
        "https://open.spotify.com/album/4aawyAB9vmqN3uQ7FjRGTy#login",
        "https://open.spotify.com/album/4aawyAB9vmqN3uQ7FjRGTy/",
        "https://open.spotify.com/intl-de/album/4aawyAB9vmqN3uQ7FjRGTy?si=abc",
        "https://open.spotify.com/intl-pt-BR/album/4aawyAB9vmqN3uQ7FjRGTy",
        "https://open.spotify.com/embed/album/4aawyAB9vmqN3uQ7FjRGTy",
        "https://open.spotify.com/intl-de/embed/album/4aawyAB9vmqN3uQ7FjRGTy",
    ] {
        assert_eq!(SpotifyId::parse(form, EntityKind::Album).map(|i| i.text), Ok(ID.to_owned()), "{form}");
    }
}

#[test]
fn legacy_playlist_forms_name_the_playlist() {
    for form in [
        "spotify:user:some.one:playlist:4aawyAB9vmqN3uQ7FjRGTy",
        "https://open.spotify.com/user/some.one/playlist/4aawyAB9vmqN3uQ7FjRGTy?si=1",
    ] {
        assert_eq!(SpotifyId::parse(form, EntityKind::Playlist).map(|i| i.text), Ok(ID.to_owned()), "{form}");
    }
}

#[test]
fn invalid_id_error_names_the_expected_kind() {
    for (form, why) in [
        ("", "the id is empty"),
        ("4aawyAB9vmqN3uQ7FjRGT", "21 characters"),
        ("4aawyAB9vmqN3uQ7FjRGTyy", "23 characters"),
        ("4aawyAB9vmqN3uQ7FjRG/y", "`/` is neither"),
        ("../../me/playlists/aaa", "`.` is neither"),
        ("4aawyAB9vmqN3uQ7FjRGTé", "`é` is neither"),
        ("spotify:track:4aawyAB9vmqN3uQ7FjRGTy", "this is a track, not an album"),
        ("spotify:user:x:playlist:4aawyAB9vmqN3uQ7FjRGTy", "this is a playlist, not an album"),
        ("spotify:station:4aawyAB9vmqN3uQ7FjRGTy", "`station` is no kind"),
        ("spotify:album", "of the form spotify:KIND:ID"),
        ("spotify:local:a:b:c:3", "a local file"),
        ("https://open.spotify.com/artist/4aawyAB9vmqN3uQ7FjRGTy", "this is an artist, not an album"),
        ("https://open.spotify.com/", "without a kind and an id"),
        ("https://open.spotify.com/album/4aawyAB9vmqN3uQ7FjRGTy/extra", "without a kind and an id"),
        (
            "https://open.spotify.com.evil.example/album/4aawyAB9vmqN3uQ7FjRGTy",
            "a link to open.spotify.com.evil.example",
        ),
        ("https://evil.example/album/4aawyAB9vmqN3uQ7FjRGTy", "a link to evil.example"),
        ("https://spotify.link/AbCdEf", "a short link"),
        ("ftp://open.spotify.com/album/4aawyAB9vmqN3uQ7FjRGTy", "begins with https, not ftp"),
        ("isrc:USRC17607839", "an ISRC names a track, not an album"),
    ] {
        let error = Reference::parse(form, EntityKind::Album).expect_err(form);
        assert!(error.why.contains(why), "{form}: {error}");
        assert!(error.expected.contains("spotify:album:ID"), "{form}: {}", error.expected);
    }
}

#[test]
fn codes_stand_for_tracks_and_albums() {
    let isrc = |t| Reference::parse(t, EntityKind::Track).map(|r| r.to_string()).ok();
    assert_eq!(isrc("isrc:us-rc1-76-07839").as_deref(), Some("isrc:USRC17607839"));
    assert_eq!(isrc("isrc:USRC1760783"), None);
    assert_eq!(isrc("upc:00602517737280"), None);
    let upc = |t| Reference::parse(t, EntityKind::Album).map(|r| r.to_string()).ok();
    assert_eq!(upc("upc:00602517737280").as_deref(), Some("upc:00602517737280"));
    assert_eq!(upc("UPC:12"), None);
}

#[test]
fn user_id_becomes_one_path_segment() {
    let segment = |t| SpotifyId::parse(t, EntityKind::User).map(|i| i.path_segment()).ok();
    assert_eq!(segment("wizzler").as_deref(), Some("wizzler"));
    assert_eq!(segment("a/../b c").as_deref(), Some("a%2F..%2Fb%20c"));
    assert_eq!(segment("spotify:user:caf%C3%A9").as_deref(), Some("caf%C3%A9"));
    assert_eq!(segment("https://open.spotify.com/user/1%2B1?si=3").as_deref(), Some("1%2B1"));
    for bad in ["", " ", ".", "..", "a\u{7}b", "spotify:user:%zz", "spotify:user:%2E%2E"] {
        assert_eq!(segment(bad), None, "{bad}");
    }
}

/// Every way to write an id of a kind.
fn forms(kind: &str, id: &str, query: &str) -> [String; 6] {
    [
        id.to_owned(),
        format!(" {id}\n"),
        format!("spotify:{kind}:{id}"),
        format!("https://open.spotify.com/{kind}/{id}{query}"),
        format!("open.spotify.com/embed/{kind}/{id}{query}"),
        format!("https://open.spotify.com/intl-pt-BR/{kind}/{id}{query}"),
    ]
}

proptest! {
    #[test]
    fn any_id_is_read_in_every_form_of_its_kind(
        id in "[0-9A-Za-z]{22}",
        query in prop_oneof![Just(String::new()), "[?#][a-z=&0-9%]{0,12}"],
    ) {
        let kinds: Vec<EntityKind> = EntityKind::ALL.into_iter().filter(|kind| *kind != EntityKind::User).collect();
        for kind in &kinds {
            for (n, form) in forms(kind.as_str(), &id, &query).iter().enumerate() {
                for asked in &kinds {
                    let read = SpotifyId::parse(form, *asked).ok().map(|id| id.text);
                    // A bare id says nothing of its kind.
                    let wanted = (n < 2 || asked == kind).then(|| id.clone());
                    prop_assert_eq!(read, wanted, "{} as {}", form, asked.as_str());
                }
            }
        }
    }

    #[test]
    fn only_22_letters_and_digits_are_an_id(text in prop_oneof!["[0-9A-Za-z]{0,30}", "[0-9A-Za-z./%:?#-]{20,24}", "\\PC{20,24}"]) {
        let is_one = |text: &str| text.len() == 22 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        for form in [text.clone(), format!("spotify:track:{text}"), format!("https://open.spotify.com/track/{text}")] {
            if let Ok(id) = SpotifyId::parse(&form, EntityKind::Track) {
                prop_assert!(is_one(&id.text) && text.contains(&id.text), "{} is read as {}", form, id.text);
            } else {
                prop_assert!(!is_one(&text), "{}", form);
            }
        }
    }

    #[test]
    fn accepted_id_stays_one_path_segment(text in "\\PC{0,40}") {
        for kind in EntityKind::ALL {
            if let Ok(id) = SpotifyId::parse(&text, kind) {
                let url = url::Url::parse("https://api.example/v1/").expect("a base");
                let joined = url.join(&format!("x/{}/items", id.path_segment())).expect("a path");
                prop_assert_eq!(joined.path_segments().map(Iterator::count), Some(4));
                prop_assert!(joined.query().is_none() && joined.fragment().is_none());
            }
        }
    }
}
