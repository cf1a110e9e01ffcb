//! Files of ids that other tools and this program write.

use super::check::load;
use crate::support::project::{Project, stderr, stdout};
use crate::support::snapshot::assert_text;

const ID: &str = "4Z8W4fKeB5YxbbsqsVdVSj";

/// Name, stream, file contents, line of the job, ids, and number of skipped rows.
type IdsFileCase = (&'static str, &'static str, Vec<u8>, &'static str, Vec<String>, usize);

/// The ids that a fetch of tracks reads from a file, and the number of rows that it skips.
fn ids_in(stream: &str, file: &[u8], column: &str) -> (Vec<String>, usize, String) {
    let project = Project::with_job(&format!("[[fetch]]\nstream = \"{stream}\"\nids_file = \"a.csv\"\n{column}"));
    project.write("jobs/a.csv", file);
    let job = load(&project);
    let cratedigger::job::FetchSource::Ids(ids) = &job.fetches[0].source else { panic!("ids") };
    let read = job.fetches[0].ids_file.as_ref().unwrap();
    (ids.iter().map(ToString::to_string).collect(), read.skipped, read.column.clone())
}

#[test]
fn files_of_other_tools_are_read() {
    let (a, b) = ("4Z8W4fKeB5YxbbsqsVdVSj", "0SandboxPlainTrack0000");
    let exportify = format!(
        "\u{feff}\"Track URI\",\"Track Name\",\"Artist URI(s)\",\"Album URI\"\r\n\
         \"spotify:track:{a}\",\"One, two\",\"spotify:artist:{a}, spotify:artist:{b}\",\"spotify:album:{b}\"\r\n\
         \"spotify:local:x:y:z:1\",\"Mine\",\"\",\"\"\r\n\
         \"spotify:track:{b}\",\"Two\",\"spotify:artist:{b}\",\"spotify:album:{b}\"\r\n"
    );
    let tune = format!(
        "Track name,Artist name,Album,Playlist name,Type,ISRC,Spotify - id\nOne,X,Y,P,Playlist,QZSBX2600001,{a}\n\
         Talk,X,Y,P,Playlist,,spotify:episode:{b}\nTwo,X,Y,P,Playlist,,{b}\n"
    );
    let soundiiz = format!(
        "title;artist;isrc;addedDate;url\nOne;X;;2020-01-01;https://open.spotify.com/intl-de/track/{a}?si=1\n\
         ;;;;\nTwo;X;;2020-01-01;https://open.spotify.com/track/{b}\nThree;X;;;\n"
    );
    let latin = [b"Bj\xf6rk;".as_slice(), format!("{a}\nX;{b}\n").as_bytes()].concat();
    let wide: Vec<u8> = format!("\u{feff}uri\nspotify:track:{a}\nspotify:track:{b}\n")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let deezer = format!("url\turi\nhttps://www.deezer.com/track/1\tspotify:track:{a}\nx\tspotify:track:{b}\n");
    let both = vec![a.to_owned(), b.to_owned()];
    let cases: Vec<IdsFileCase> = vec![
        ("exportify", "tracks", exportify.clone().into(), "", both.clone(), 1),
        ("exportify, artists", "artists", exportify.clone().into(), "", both.clone(), 1),
        ("exportify, albums", "albums", exportify.into(), "", vec![b.to_owned()], 1),
        ("TuneMyMusic", "tracks", tune.clone().into(), "", both.clone(), 1),
        (
            "another column",
            "tracks",
            tune.clone().into(),
            "ids_column = \" isrc\"",
            vec!["isrc:QZSBX2600001".into()],
            2,
        ),
        ("column by number", "tracks", tune.into(), "ids_column = \"7\"", both.clone(), 1),
        ("Soundiiz", "tracks", soundiiz.into(), "", both.clone(), 1),
        ("Latin-1 without header", "tracks", latin, "", both.clone(), 0),
        ("UTF-16", "tracks", wide, "", both.clone(), 0),
        (
            "marks that nobody sees",
            "tracks",
            format!("\u{200b}Track URI\u{feff},Name\n\u{200b}spotify:track:{a}\u{200e},x\n\u{a0}{b}\u{2060},y\n")
                .into(),
            "",
            both.clone(),
            0,
        ),
        ("links elsewhere", "tracks", deezer.into(), "", both.clone(), 0),
        (
            "bare ISRCs",
            "tracks",
            b"us-rc1-76-07839\nQZSBX2600001\n".to_vec(),
            "",
            vec!["isrc:USRC17607839".into(), "isrc:QZSBX2600001".into()],
            0,
        ),
        (
            "bare UPCs",
            "albums",
            b"Barcode,Title\n0602445790098,A\n602445790098.0,B\n,C\n".to_vec(),
            "",
            vec!["upc:0602445790098".into(), "upc:602445790098".into()],
            1,
        ),
        (
            "playlists of users",
            "playlist_items",
            format!("Name,Link\nA,spotify:user:me:playlist:{a}\nB,https://open.spotify.com/user/x/playlist/{b}?si=2\n")
                .into(),
            "",
            both.clone(),
            0,
        ),
        ("own ids of another kind", "tracks", format!("album_id,track_id\n{b},{a}\n{a},{b}\n").into(), "", both, 0),
    ];
    for (name, stream, file, column, wanted, skipped) in cases {
        let (ids, left_out, chosen) = ids_in(stream, &file, column);
        assert_eq!((ids, left_out), (wanted, skipped), "{name}: {chosen}");
    }
}

#[test]
fn check_names_column_and_skipped_rows() {
    let project = Project::with_job("[[fetch]]\nstream = \"tracks\"\nids_file = \"a.csv\"\n");
    project.write("jobs/a.csv", format!("Name,Track URI\nA,spotify:track:{ID}\nB,spotify:local:x:y:z:1\nC,\n"));
    let output = project.run(&["check"]);
    assert_text("ids_file_column", &format!("{}{}", stderr(&output), stdout(&output)));
    project.write("jobs/x.toml", "[[fetch]]\nstream = \"tracks\"\nids_file = \"a.csv\"\nids_column = \"Trak URI\"\n");
    let (exit, said) = project.check();
    assert_eq!(exit, 2);
    assert!(said.contains("did you mean `Track URI`?"), "{said}");
}
