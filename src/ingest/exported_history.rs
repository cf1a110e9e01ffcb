//! Plays in the files of Spotify's privacy export: the "Extended streaming history" and that of one year.
//!
//! Spotify documents neither form. Extended: `ts` is the end of the play in UTC, and music has a
//! `spotify_track_uri`. One year: `endTime` is the same to the minute, and names are all that there is.

use std::collections::BTreeSet;

use bytes::Bytes;
use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::store::ExportedPlay;
use spotify_client::json_repair::repair_surrogates;
use spotify_client::{EntityKind, SpotifyId};

/// Spotify's API lists a play only if it lasted this long.
const MIN_PLAY_MS: i64 = 30_000;

/// Spotify was founded in this year.
const FIRST_YEAR: i32 = 2006;

/// An entry has about 800 bytes. A longer one is not parsed, because values take much more memory than their text.
const MAX_ENTRY_BYTES: usize = 64 << 10;

/// What a file contains.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ExportedHistory {
    /// Plays of music that the API would list.
    pub plays: Vec<ExportedPlay>,
    /// Entries in the file.
    pub entries: u64,
    /// Plays that are too short.
    pub short: u64,
    /// Podcasts, audiobooks and videos, which the API does not list either.
    pub other_media: u64,
    /// Plays at a time before Spotify existed or in the future.
    pub wrong_time: u64,
    /// Entries without a time, a name or a length.
    pub unreadable: u64,
    /// The accounts that the entries name.
    pub usernames: BTreeSet<String>,
}

/// An entry of either form, each field read on its own.
#[derive(serde::Deserialize)]
struct ExportedEntry {
    ts: Option<Value>,
    #[serde(rename = "endTime")]
    end_time: Option<Value>,
    username: Option<Value>,
    ms_played: Option<Value>,
    #[serde(rename = "msPlayed")]
    ms_played_year: Option<Value>,
    spotify_track_uri: Option<Value>,
    master_metadata_track_name: Option<Value>,
    master_metadata_album_artist_name: Option<Value>,
    master_metadata_album_album_name: Option<Value>,
    #[serde(rename = "trackName")]
    track_name: Option<Value>,
    #[serde(rename = "artistName")]
    artist_name: Option<Value>,
    episode_name: Option<Value>,
    spotify_episode_uri: Option<Value>,
    audiobook_title: Option<Value>,
    audiobook_uri: Option<Value>,
    #[serde(rename = "episodeName")]
    episode_name_year: Option<Value>,
}

/// Reads the entries of a file one by one, so that only plays take memory.
struct EntryReader<'h> {
    history: &'h mut ExportedHistory,
    now: DateTime<Utc>,
}

impl<'de> Visitor<'de> for EntryReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of plays")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_element::<&RawValue>()? {
            self.history.entries += 1;
            let text = Some(entry.get()).filter(|text| text.len() <= MAX_ENTRY_BYTES);
            match text.and_then(|text| serde_json::from_str::<ExportedEntry>(text).ok()) {
                Some(entry) => self.history.add(&entry, self.now),
                None => self.history.unreadable += 1,
            }
        }
        Ok(())
    }
}

impl ExportedHistory {
    /// Reads a file.
    ///
    /// # Errors
    /// Why it is no such file, as the end of a sentence about it.
    pub fn read(bytes: &[u8], now: DateTime<Utc>) -> Result<ExportedHistory, String> {
        let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        if text.starts_with(b"PK\x03\x04") {
            return Err("is a ZIP file; unpack it first".to_owned());
        }
        let mut history = ExportedHistory::default();
        // One broken character must not cost the other plays: it becomes a replacement character.
        let text = match std::str::from_utf8(text) {
            Ok(text) => Bytes::copy_from_slice(text.as_bytes()),
            Err(_) => Bytes::from(String::from_utf8_lossy(text).into_owned()),
        };
        let text = repair_surrogates(text);
        let mut json = serde_json::Deserializer::from_slice(&text);
        let read = json.deserialize_seq(EntryReader { history: &mut history, now }).and_then(|()| json.end());
        read.map_err(|e| format!("is not a list of plays in JSON: {e}"))?;
        if history.entries > 0 && history.unreadable == history.entries {
            return Err("has no entry with a time and a length, so it is not a streaming history".to_owned());
        }
        Ok(history)
    }

    fn add(&mut self, entry: &ExportedEntry, now: DateTime<Utc>) {
        if let Some(name) = text(&entry.username)
            && !self.usernames.contains(name)
        {
            self.usernames.insert(name.to_owned());
        }
        let extended = text(&entry.ts).and_then(|at| at.parse::<DateTime<Utc>>().ok());
        let to_the_minute = text(&entry.end_time).and_then(parse_minute);
        let ms_played = number(&entry.ms_played).or(number(&entry.ms_played_year));
        let (Some(at), Some(ms_played)) = (extended.or(to_the_minute), ms_played) else {
            self.unreadable += 1;
            return;
        };
        let title = text(&entry.master_metadata_track_name).or(text(&entry.track_name));
        let artist = text(&entry.master_metadata_album_artist_name).or(text(&entry.artist_name));
        let is_other = [
            &entry.episode_name,
            &entry.spotify_episode_uri,
            &entry.audiobook_title,
            &entry.audiobook_uri,
            &entry.episode_name_year,
        ];
        // In the form of one year, a file for podcasts has other names for its fields.
        let (Some(title), Some(artist)) = (title, artist) else {
            if is_other.into_iter().any(|field| text(field).is_some()) || ms_played == 0 {
                self.other_media += 1;
            } else {
                self.unreadable += 1;
            }
            return;
        };
        if ms_played < MIN_PLAY_MS {
            self.short += 1;
            return;
        }
        if at.year() < FIRST_YEAR || at > now {
            self.wrong_time += 1;
            return;
        }
        let id = text(&entry.spotify_track_uri).and_then(|uri| SpotifyId::parse(uri, EntityKind::Track).ok());
        self.plays.push(ExportedPlay {
            at,
            is_to_the_minute: extended.is_none(),
            ms_played,
            track_id: id.map(|id| id.as_str().to_owned()),
            title: title.to_owned(),
            artist: artist.to_owned(),
            album: text(&entry.master_metadata_album_album_name).map(str::to_owned),
        });
    }
}

fn text(field: &Option<Value>) -> Option<&str> {
    field.as_ref()?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

fn number(field: &Option<Value>) -> Option<i64> {
    let value = field.as_ref()?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).filter(|ms| *ms >= 0)
}

fn parse_minute(at: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(at, "%Y-%m-%d %H:%M").ok().map(|at| at.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let text = r#"[
          {"ts": "2019-05-01T10:00:05Z", "username": "ada", "ms_played": 200000, "master_metadata_track_name": "One",
           "master_metadata_album_artist_name": "Ada", "master_metadata_album_album_name": "First",
           "spotify_track_uri": "spotify:track:4Z8W4fKeB5YxbbsqsVdVSj", "episode_name": null},
          {"endTime": "2024-01-02 03:04", "artistName": "Ada", "trackName": "Two", "msPlayed": 30000},
          {"ts": "2019-05-01T10:00:05Z", "ms_played": 900000, "master_metadata_track_name": null,
           "episode_name": "Talk", "spotify_episode_uri": "spotify:episode:4Z8W4fKeB5YxbbsqsVdVSj"},
          {"endTime": "2024-01-02 03:04", "artistName": "Ada", "trackName": "Two", "msPlayed": 29999},
          {"endTime": "2024-01-02 03:04", "podcastName": "P", "episodeName": "E", "msPlayed": 900000},
          {"ts": "yesterday", "ms_played": 1}, {"ts": 5, "ms_played": null}, 7
        ]"#;
        let history = ExportedHistory::read(text.as_bytes(), Utc::now()).unwrap();
        assert_eq!((history.entries, history.short, history.other_media, history.unreadable), (8, 1, 2, 3));
        assert_eq!(history.usernames, BTreeSet::from(["ada".to_owned()]));
        let plays: Vec<_> =
            history.plays.iter().map(|p| (p.at.to_rfc3339(), p.is_to_the_minute, p.track_id.is_some())).collect();
        assert_eq!(
            plays,
            [
                ("2019-05-01T10:00:05+00:00".to_owned(), false, true),
                ("2024-01-02T03:04:00+00:00".to_owned(), true, false)
            ]
        );
    }

    #[test]
    fn plays_at_impossible_times_are_left_out() {
        let now: DateTime<Utc> = "2024-06-01T12:00:00Z".parse().unwrap();
        let times =
            ["1970-01-01 00:00", "2005-12-31 23:59", "2006-01-01 00:00", "2024-06-01 12:00", "2024-06-01 12:01"];
        let play =
            |at: &str| format!(r#"{{"endTime": "{at}", "artistName": "A", "trackName": "B", "msPlayed": 30000}}"#);
        let file = format!("[{}]", times.map(play).join(","));
        let history = ExportedHistory::read(file.as_bytes(), now).unwrap();
        assert_eq!((history.entries, history.plays.len(), history.wrong_time), (5, 2, 3));
    }

    #[test]
    fn an_endless_entry_is_not_parsed() {
        let play = r#"{"endTime": "2024-01-02 03:04", "artistName": "Ada", "trackName": "Two", "msPlayed": 30000"#;
        let file = format!("[{play}}}, {play}, \"x\": [1{}]}}]", ",1".repeat(MAX_ENTRY_BYTES));
        let history = ExportedHistory::read(file.as_bytes(), Utc::now()).unwrap();
        assert_eq!((history.entries, history.plays.len(), history.unreadable), (2, 1, 1));
    }

    #[test]
    fn other_files_are_refused() {
        for (text, says) in [
            ("{}", "is not a list of plays in JSON"),
            ("[{\"a\": 1}]", "is not a streaming history"),
            ("PK\u{3}\u{4}", "unpack it first"),
            ("", "is not a list of plays in JSON"),
        ] {
            let refused = ExportedHistory::read(text.as_bytes(), Utc::now()).unwrap_err();
            assert!(refused.contains(says), "{refused}");
        }
        assert_eq!(ExportedHistory::read(b"[]", Utc::now()), Ok(ExportedHistory::default()));
    }
}
