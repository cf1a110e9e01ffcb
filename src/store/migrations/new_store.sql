-- Generated from the migrations by: UPDATE_DOCS=1 cargo test --lib new_store_is
CREATE TABLE store_info (
  key   TEXT NOT NULL PRIMARY KEY, -- name of the fact
  value TEXT NOT NULL              -- its value
) STRICT, WITHOUT ROWID;
CREATE TABLE artists (
  id            TEXT NOT NULL PRIMARY KEY, -- Spotify's id
  name          TEXT,    -- name
  uri           TEXT,    -- spotify: URI
  followers     INTEGER, -- number of followers; Extended Quota apps only
  popularity    INTEGER, -- 0 to 100; Extended Quota apps only
  spotify_url   TEXT,    -- link to Spotify
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT     -- when the artist itself was last read; null if only met in passing
, row_version INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE artist_genres (
  artist_id TEXT NOT NULL REFERENCES artists(id) ON DELETE CASCADE, -- the artist
  position  INTEGER NOT NULL, -- place, from 0
  genre     TEXT NOT NULL, row_version INTEGER NOT NULL DEFAULT 0,    -- the genre
  PRIMARY KEY (artist_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE albums (
  id            TEXT NOT NULL PRIMARY KEY, -- Spotify's id
  name          TEXT,    -- title
  uri           TEXT,    -- spotify: URI
  album_type    TEXT,    -- album, single or compilation
  release_date  TEXT,    -- as Spotify gives it: YYYY, YYYY-MM or YYYY-MM-DD
  release_date_precision TEXT, -- year, month or day
  total_tracks  INTEGER, -- number of tracks
  label         TEXT,    -- record label; Extended Quota apps only
  popularity    INTEGER, -- 0 to 100; Extended Quota apps only
  upc           TEXT,    -- Universal Product Code
  ean           TEXT,    -- International Article Number
  spotify_url   TEXT,    -- link to Spotify
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT     -- when the album itself was last read; null if only met in passing
, row_version INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE INDEX albums_by_upc ON albums (upc) WHERE upc IS NOT NULL;
CREATE TABLE album_artists (
  album_id  TEXT NOT NULL REFERENCES albums(id) ON DELETE CASCADE, -- the album
  position  INTEGER NOT NULL, -- place, from 0
  artist_id TEXT NOT NULL REFERENCES artists(id), row_version INTEGER NOT NULL DEFAULT 0, -- the artist
  PRIMARY KEY (album_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE album_copyrights (
  album_id TEXT NOT NULL REFERENCES albums(id) ON DELETE CASCADE, -- the album
  position INTEGER NOT NULL, -- place, from 0
  type     TEXT, -- C for the copyright, P for the sound recording
  text     TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- the line
  PRIMARY KEY (album_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE tracks (
  id            TEXT NOT NULL PRIMARY KEY, -- Spotify's id
  name          TEXT,    -- title
  uri           TEXT,    -- spotify: URI
  album_id      TEXT REFERENCES albums(id), -- the album it was met on
  disc_number   INTEGER, -- disc, from 1
  track_number  INTEGER, -- number on its disc, from 1
  duration_ms   INTEGER, -- length in milliseconds
  explicit      INTEGER, -- 1 if it carries Spotify's explicit label
  popularity    INTEGER, -- 0 to 100; Extended Quota apps only
  isrc          TEXT,    -- International Standard Recording Code
  ean           TEXT,    -- International Article Number
  upc           TEXT,    -- Universal Product Code
  preview_url   TEXT,    -- 30-second preview, where Spotify still gives one
  spotify_url   TEXT,    -- link to Spotify
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT     -- when it was last read whole; null if only met in passing
, row_version INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE INDEX tracks_by_isrc ON tracks (isrc) WHERE isrc IS NOT NULL;
CREATE TABLE track_artists (
  track_id  TEXT NOT NULL REFERENCES tracks(id) ON DELETE CASCADE, -- the track
  position  INTEGER NOT NULL, -- place, from 0
  artist_id TEXT NOT NULL REFERENCES artists(id), row_version INTEGER NOT NULL DEFAULT 0, -- the artist
  PRIMARY KEY (track_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE track_markets (
  track_id    TEXT NOT NULL REFERENCES tracks(id) ON DELETE CASCADE, -- the track
  market      TEXT NOT NULL, -- market asked for; empty if none was
  is_playable INTEGER, -- 1 if it can be played there
  restriction TEXT,    -- Spotify's reason if not: market, product, explicit, …
  linked_from TEXT,    -- id of the track that was asked for, where Spotify answered with another
  fetched_at  TEXT NOT NULL, row_version INTEGER NOT NULL DEFAULT 0, -- when this was read
  PRIMARY KEY (track_id, market)
) STRICT, WITHOUT ROWID;
CREATE INDEX track_markets_by_origin ON track_markets (linked_from) WHERE linked_from IS NOT NULL;
CREATE TABLE local_files (
  uri           TEXT NOT NULL PRIMARY KEY, -- spotify:local:ARTIST:ALBUM:TITLE:SECONDS
  name          TEXT,    -- title
  artist_names  TEXT,    -- artists, joined with "; "
  album_name    TEXT,    -- album
  duration_ms   INTEGER, -- length in milliseconds
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT     -- when it was last read
, row_version INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE shows (
  id             TEXT NOT NULL PRIMARY KEY, -- Spotify's id
  name           TEXT,    -- name
  uri            TEXT,    -- spotify: URI
  publisher      TEXT,    -- publisher; Extended Quota apps only
  description    TEXT,    -- description
  html_description TEXT,  -- description with HTML tags
  media_type     TEXT,    -- audio, video or mixed
  explicit       INTEGER, -- 1 if it carries Spotify's explicit label
  is_externally_hosted INTEGER, -- 1 if not hosted by Spotify
  total_episodes INTEGER, -- number of episodes
  spotify_url    TEXT,    -- link to Spotify
  first_seen_at  TEXT NOT NULL, -- when this row was first seen
  fetched_at     TEXT     -- when the show itself was last read; null if only met in passing
, row_version INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE episodes (
  id            TEXT NOT NULL PRIMARY KEY, -- Spotify's id
  name          TEXT,    -- title
  uri           TEXT,    -- spotify: URI
  show_id       TEXT REFERENCES shows(id), -- its show
  description   TEXT,    -- description
  html_description TEXT, -- description with HTML tags
  release_date  TEXT,    -- as Spotify gives it: YYYY, YYYY-MM or YYYY-MM-DD
  release_date_precision TEXT, -- year, month or day
  duration_ms   INTEGER, -- length in milliseconds
  explicit      INTEGER, -- 1 if it carries Spotify's explicit label
  is_externally_hosted INTEGER, -- 1 if not hosted by Spotify
  preview_url   TEXT,    -- preview, where Spotify still gives one
  spotify_url   TEXT,    -- link to Spotify
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT     -- when it was last read whole; null if only met in passing
, row_version INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE episode_markets (
  episode_id  TEXT NOT NULL REFERENCES episodes(id) ON DELETE CASCADE, -- the episode
  market      TEXT NOT NULL, -- market asked for; empty if none was
  is_playable INTEGER, -- 1 if it can be played there
  restriction TEXT,    -- Spotify's reason if not
  fetched_at  TEXT NOT NULL, row_version INTEGER NOT NULL DEFAULT 0, -- when this was read
  PRIMARY KEY (episode_id, market)
) STRICT, WITHOUT ROWID;
CREATE TABLE audiobooks (
  id             TEXT NOT NULL PRIMARY KEY, -- Spotify's id
  name           TEXT,    -- title
  uri            TEXT,    -- spotify: URI
  publisher      TEXT,    -- publisher; Extended Quota apps only
  edition        TEXT,    -- edition
  description    TEXT,    -- description
  html_description TEXT,  -- description with HTML tags
  media_type     TEXT,    -- audio
  explicit       INTEGER, -- 1 if it carries Spotify's explicit label
  total_chapters INTEGER, -- number of chapters
  spotify_url    TEXT,    -- link to Spotify
  first_seen_at  TEXT NOT NULL, -- when this row was first seen
  fetched_at     TEXT     -- when the audiobook itself was last read; null if only met in passing
, row_version INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE chapters (
  id             TEXT NOT NULL PRIMARY KEY, -- Spotify's id
  name           TEXT,    -- title
  uri            TEXT,    -- spotify: URI
  audiobook_id   TEXT REFERENCES audiobooks(id), -- its audiobook
  chapter_number INTEGER, -- its number
  description    TEXT,    -- description
  html_description TEXT,  -- description with HTML tags
  release_date   TEXT,    -- as Spotify gives it: YYYY, YYYY-MM or YYYY-MM-DD
  release_date_precision TEXT, -- year, month or day
  duration_ms    INTEGER, -- length in milliseconds
  explicit       INTEGER, -- 1 if it carries Spotify's explicit label
  preview_url    TEXT,    -- preview, where Spotify still gives one
  spotify_url    TEXT,    -- link to Spotify
  first_seen_at  TEXT NOT NULL, -- when this row was first seen
  fetched_at     TEXT     -- when it was last read; null if only met in passing
, row_version INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE chapter_markets (
  chapter_id  TEXT NOT NULL REFERENCES chapters(id) ON DELETE CASCADE, -- the chapter
  market      TEXT NOT NULL, -- market asked for; empty if none was
  is_playable INTEGER, -- 1 if it can be played there
  restriction TEXT,    -- Spotify's reason if not
  fetched_at  TEXT NOT NULL, row_version INTEGER NOT NULL DEFAULT 0, -- when this was read
  PRIMARY KEY (chapter_id, market)
) STRICT, WITHOUT ROWID;
CREATE TABLE item_texts (
  kind     TEXT NOT NULL, -- show, episode, audiobook or chapter
  id       TEXT NOT NULL, -- its id
  what     TEXT NOT NULL, -- language, author, narrator or copyright
  position INTEGER NOT NULL, -- place, from 0
  text     TEXT NOT NULL, row_version INTEGER NOT NULL DEFAULT 0, -- the word or line
  PRIMARY KEY (kind, id, what, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE images (
  kind     TEXT NOT NULL, -- artist, album, playlist, show, episode, audiobook, chapter, category or user
  id       TEXT NOT NULL, -- its id
  position INTEGER NOT NULL, -- place, from 0; Spotify lists the largest first
  url      TEXT NOT NULL, -- where the picture is
  width    INTEGER, -- in pixels
  height   INTEGER, row_version INTEGER NOT NULL DEFAULT 0, -- in pixels
  PRIMARY KEY (kind, id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE users (
  id            TEXT NOT NULL PRIMARY KEY, -- Spotify's id of the account
  account_id    TEXT,    -- Spotify's stable id; signed-in users only
  local_name    TEXT,    -- the name it was signed in under
  display_name  TEXT,    -- the name on the profile
  uri           TEXT,    -- spotify: URI
  country       TEXT,    -- country of the account; Extended Quota apps only
  product       TEXT,    -- premium, free, …; Extended Quota apps only
  followers     INTEGER, -- number of followers; Extended Quota apps only
  spotify_url   TEXT,    -- link to Spotify
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT     -- when the profile itself was last read; null if only met in passing
, stored_as TEXT, row_version INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE playlists (
  id            TEXT NOT NULL PRIMARY KEY, -- Spotify's id
  name          TEXT,    -- name
  uri           TEXT,    -- spotify: URI
  description   TEXT,    -- description
  owner_id      TEXT REFERENCES users(id), -- its owner
  public        INTEGER, -- 1 if on the owner's profile; null if not relevant
  collaborative INTEGER, -- 1 if others may edit it
  snapshot_id   TEXT,    -- Spotify's version of it, when last looked at
  total_items   INTEGER, -- number of items that Spotify announced
  followers     INTEGER, -- number of followers; Extended Quota apps only
  spotify_url   TEXT,    -- link to Spotify
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT,    -- when the playlist itself was last read; null if only met in passing
  gone_at       TEXT     -- when Spotify first said that it is gone; its rows stay
, row_version INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE playlist_changes (
  id            INTEGER PRIMARY KEY, -- in the order in which changes were seen
  playlist_id   TEXT NOT NULL REFERENCES playlists(id), -- the playlist
  change        TEXT NOT NULL CHECK (change IN ('added', 'removed', 'moved')), -- what happened
  uri           TEXT, -- spotify: URI of the item
  kind          TEXT NOT NULL, -- track, episode, local or unavailable
  track_id      TEXT, -- the track, where it is one
  episode_id    TEXT, -- the episode, where it is one
  added_at      TEXT, -- when the item was added, by Spotify's word
  added_by      TEXT, -- who added it
  position_before INTEGER, -- place before; null if added
  position_after  INTEGER, -- place after; null if removed
  snapshot_before TEXT, -- Spotify's version before
  snapshot_after  TEXT, -- Spotify's version after
  seen_before_at TEXT, -- when the list was last read before
  seen_at       TEXT NOT NULL, -- when the change was seen
  run_id        INTEGER -- the run that saw it
, row_version INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX playlist_changes_by_playlist ON playlist_changes (playlist_id, id);
CREATE INDEX playlist_changes_by_time ON playlist_changes (seen_at);
CREATE TABLE artist_releases (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  artist_id     TEXT NOT NULL REFERENCES artists(id), -- the artist
  market        TEXT NOT NULL, -- market asked for; empty if none was
  album_group   TEXT NOT NULL, -- album, single, appears_on or compilation
  position      INTEGER NOT NULL, -- place in the group, from 0
  album_id      TEXT NOT NULL REFERENCES albums(id), -- the release
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, album_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE album_tracks (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  album_id      TEXT NOT NULL REFERENCES albums(id), -- the album
  market        TEXT NOT NULL, -- market asked for; empty if none was
  position      INTEGER NOT NULL, -- place, from 0
  track_id      TEXT NOT NULL REFERENCES tracks(id), -- the track
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, track_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE artist_top_tracks (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  artist_id     TEXT NOT NULL REFERENCES artists(id), -- the artist
  market        TEXT NOT NULL, -- market asked for; empty if none was
  position      INTEGER NOT NULL, -- place, from 0
  track_id      TEXT NOT NULL REFERENCES tracks(id), -- the track
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, track_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE show_episodes (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  show_id       TEXT NOT NULL REFERENCES shows(id), -- the show
  market        TEXT NOT NULL, -- market asked for; empty if none was
  position      INTEGER NOT NULL, -- place, from 0
  episode_id    TEXT NOT NULL REFERENCES episodes(id), -- the episode
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, episode_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE audiobook_chapters (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  audiobook_id  TEXT NOT NULL REFERENCES audiobooks(id), -- the audiobook
  market        TEXT NOT NULL, -- market asked for; empty if none was
  position      INTEGER NOT NULL, -- place, from 0
  chapter_id    TEXT NOT NULL REFERENCES chapters(id), -- the chapter
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, chapter_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE user_playlists (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  profile_id    TEXT NOT NULL REFERENCES users(id), -- the user asked for
  position      INTEGER NOT NULL, -- place, from 0
  playlist_id   TEXT NOT NULL REFERENCES playlists(id), -- the playlist
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, playlist_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE my_playlists (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place, from 0
  playlist_id   TEXT NOT NULL REFERENCES playlists(id), -- the playlist
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, playlist_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE saved_tracks (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place, from 0
  added_at      TEXT, -- when it was saved
  track_id      TEXT NOT NULL REFERENCES tracks(id), -- the track
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, track_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE saved_albums (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place, from 0
  added_at      TEXT, -- when it was saved
  album_id      TEXT NOT NULL REFERENCES albums(id), -- the album
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, album_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE saved_shows (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place, from 0
  added_at      TEXT, -- when it was saved
  show_id       TEXT NOT NULL REFERENCES shows(id), -- the show
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, show_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE saved_episodes (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place, from 0
  added_at      TEXT, -- when it was saved
  episode_id    TEXT NOT NULL REFERENCES episodes(id), -- the episode
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, episode_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE saved_audiobooks (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place, from 0
  added_at      TEXT, -- when it was saved
  audiobook_id  TEXT NOT NULL REFERENCES audiobooks(id), -- the audiobook
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, audiobook_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE followed_artists (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place in Spotify's answer, from 0
  artist_id     TEXT NOT NULL REFERENCES artists(id), -- the artist
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, artist_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE top_items (
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  kind          TEXT NOT NULL CHECK (kind IN ('artist', 'track')), -- what is ranked
  time_range    TEXT NOT NULL, -- long_term, medium_term or short_term
  day           TEXT NOT NULL, -- the day it was read, UTC
  rank          INTEGER NOT NULL, -- place, from 1
  item_id       TEXT NOT NULL, -- id of the artist or track
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when it was last read
  PRIMARY KEY (user_id, kind, time_range, day, rank)
) STRICT, WITHOUT ROWID;
CREATE INDEX top_items_by_list ON top_items (list_id, day);
CREATE TABLE plays (
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  played_at     TEXT NOT NULL, -- when it was played, by Spotify's word
  track_id      TEXT NOT NULL REFERENCES tracks(id), -- the track
  context_type  TEXT, -- playlist, album or artist it was played from
  context_uri   TEXT, -- spotify: URI of what it was played from
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT, ms_played INTEGER, imported_at TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when it was last read
  PRIMARY KEY (user_id, played_at, track_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX plays_by_list ON plays (list_id, played_at);
CREATE TABLE resume_points (
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  episode_id    TEXT NOT NULL REFERENCES episodes(id), -- the episode
  fully_played  INTEGER, -- 1 if heard to the end
  resume_position_ms INTEGER, -- where to go on
  fetched_at    TEXT NOT NULL, row_version INTEGER NOT NULL DEFAULT 0, -- when this was read
  PRIMARY KEY (user_id, episode_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE search_results (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the search: expression, types and market
  searched_at   TEXT NOT NULL, -- when it was searched
  query         TEXT NOT NULL, -- the expression
  market        TEXT NOT NULL, -- market asked for; empty if none was
  kind          TEXT NOT NULL, -- track, artist, album, playlist, show, episode or audiobook
  rank          INTEGER NOT NULL, -- place among the hits of its kind, from 1
  item_id       TEXT, -- id of the hit
  uri           TEXT, -- spotify: URI of the hit
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when it was last read
  PRIMARY KEY (list_id, searched_at, kind, rank)
) STRICT, WITHOUT ROWID;
CREATE TABLE new_releases (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  position      INTEGER NOT NULL, -- place, from 0
  album_id      TEXT NOT NULL REFERENCES albums(id), -- the album
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, album_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE categories (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in, one per locale
  position      INTEGER NOT NULL, -- place, from 0
  id            TEXT NOT NULL, -- Spotify's id of the category
  name          TEXT, -- its name in that locale
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE markets (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  position      INTEGER NOT NULL, -- place, from 0
  market        TEXT NOT NULL, -- ISO 3166-1 alpha-2 code
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, market)
) STRICT, WITHOUT ROWID;
CREATE TABLE metrics (
  kind       TEXT NOT NULL, -- artist, album, track, playlist or user
  id         TEXT NOT NULL, -- its id
  day        TEXT NOT NULL, -- the day, UTC
  followers  INTEGER, -- number of followers
  popularity INTEGER, row_version INTEGER NOT NULL DEFAULT 0, -- 0 to 100
  PRIMARY KEY (kind, id, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE lists (
  id           INTEGER PRIMARY KEY, -- number of the list in this store
  kind         TEXT NOT NULL, -- the stream that reads it
  parent_id    TEXT NOT NULL, -- id of what it belongs to, or the search expression; empty if none
  audience     TEXT NOT NULL, -- 'app', or the id of the user whose token reads it
  market       TEXT NOT NULL, -- market asked for; empty if none was
  variant      TEXT NOT NULL, -- group, types, time range or locale; empty if none
  snapshot_id  TEXT,    -- Spotify's version at the last whole read
  etag         TEXT,    -- entity tag of the first answer
  announced    INTEGER, -- how many items Spotify announced
  served       INTEGER, -- how many it served, nulls included
  stored       INTEGER, -- how many rows stand
  skipped      INTEGER, -- how many could not be stored whole
  content_hash TEXT,    -- hash over the rows, in order
  read_at      TEXT,    -- when it was last read whole
  checked_at   TEXT,    -- when it was last found unchanged or read
  changed_at   TEXT,    -- when a read last differed from the one before
  gone_at      TEXT,    -- when Spotify first refused it or said that it is gone
  gone_reason  TEXT, proof TEXT, restless INTEGER NOT NULL DEFAULT 0, doubled TEXT, rows_hash TEXT, first_read_at TEXT, whole_at TEXT, quality TEXT, unread TEXT, row_version INTEGER NOT NULL DEFAULT 0, gaps TEXT,    -- in Spotify's words
  UNIQUE (kind, parent_id, audience, market, variant)
) STRICT;
CREATE TABLE checkpoints (
  list_id     INTEGER NOT NULL PRIMARY KEY REFERENCES lists(id), -- the list
  run_id      INTEGER NOT NULL, -- the run that came so far
  next_offset INTEGER NOT NULL, -- how many items the server has served so far
  cursor      TEXT,    -- where the next page starts, for cursor lists
  announced   INTEGER, -- total that Spotify announced
  skipped     INTEGER NOT NULL, -- items not stored whole so far
  snapshot_id TEXT,    -- Spotify's version when the read began
  etag        TEXT,    -- entity tag of the first answer
  restarts    INTEGER NOT NULL, -- how often it was begun again because it moved
  started_at  TEXT NOT NULL, -- when the read began
  updated_at  TEXT NOT NULL  -- when the last page was committed
, ended INTEGER NOT NULL DEFAULT 0, unread TEXT) STRICT;
CREATE TABLE staged_items (
  list_id  INTEGER NOT NULL, -- the list
  position INTEGER NOT NULL, -- place, from 0
  kind     TEXT NOT NULL, -- track, episode, local, unavailable, album, …
  item_id  TEXT, -- id of the item
  uri      TEXT, -- spotify: URI
  added_at TEXT, -- when it was added
  added_by TEXT, -- who added it
  detail   TEXT, flaws TEXT, -- what else the list says of it, as JSON
  PRIMARY KEY (list_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
  id          INTEGER PRIMARY KEY, -- number of the run in this store
  job         TEXT NOT NULL, -- name of the job
  state       TEXT NOT NULL CHECK (state IN ('running', 'complete', 'partial', 'deferred', 'failed')), -- how it ended
  reason      TEXT, -- why it is not complete, in a line
  fire_at     TEXT, -- nominal time that it serves; null if started by hand
  started_at  TEXT NOT NULL, -- when it began
  finished_at TEXT, -- when it ended
  not_before  TEXT, -- deferred: when to come back
  exit_code   INTEGER, -- the exit code it asked for
  calls       INTEGER NOT NULL DEFAULT 0, -- calls sent to Spotify
  rows        INTEGER NOT NULL DEFAULT 0, -- rows read
  job_hash    TEXT, -- hash of the job file as it was run
  app_class   TEXT, -- development or extended, if known
  version     TEXT NOT NULL -- version of cratedigger
, reset_at TEXT, planned_least INTEGER, planned_most INTEGER, row_version INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX runs_by_job ON runs (job, started_at);
CREATE TABLE run_fetches (
  run_id      INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- the run
  fetch       TEXT NOT NULL, -- name of the fetch
  user_id     TEXT NOT NULL, -- the user it was for; empty if none
  stream      TEXT NOT NULL, -- the stream it reads
  state       TEXT NOT NULL CHECK (state IN ('complete', 'partial', 'deferred', 'failed')), -- how it ended
  reason      TEXT, -- why it is not complete, in a line
  asked       INTEGER NOT NULL, -- ids, lists or searches asked for
  unchanged   INTEGER NOT NULL, -- of these, found unchanged or fresh without reading
  calls       INTEGER NOT NULL, -- calls sent
  announced   INTEGER, -- items that Spotify announced
  served      INTEGER NOT NULL, -- items that it served
  stored      INTEGER NOT NULL, -- rows stored
  skipped     INTEGER NOT NULL, presumed INTEGER NOT NULL DEFAULT 0, planned_least INTEGER, planned_most INTEGER, row_version INTEGER NOT NULL DEFAULT 0, -- items with a row in skipped_items
  PRIMARY KEY (run_id, fetch, user_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE skipped_items (
  id        INTEGER PRIMARY KEY, -- in the order in which they were met
  run_id    INTEGER REFERENCES runs(id) ON DELETE CASCADE, -- the run that met it
  fetch     TEXT NOT NULL, -- name of the fetch
  stream    TEXT NOT NULL, -- the stream it reads
  parent_id TEXT, -- the list it stands in
  position  INTEGER, -- its place there, from 0
  item_id   TEXT, -- its id, if known
  reason    TEXT NOT NULL, -- null_item, malformed, not_found, forbidden, moved, …
  detail    TEXT, -- more, in Spotify's words where there are any
  known_gap INTEGER NOT NULL DEFAULT 0, -- 1 if it was already known, and the run is complete all the same
  seen_at   TEXT NOT NULL -- when
, user_id TEXT, row_version INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX skipped_items_by_run ON skipped_items (run_id);
CREATE TABLE known_gaps (
  stream     TEXT NOT NULL, -- the stream
  id         TEXT NOT NULL, -- the id asked for
  audience   TEXT NOT NULL, -- 'app', or the id of the user whose token asked
  market     TEXT NOT NULL, -- market asked for; empty if none was
  reason     TEXT NOT NULL, -- not_found or forbidden
  detail     TEXT, -- Spotify's words
  since_at   TEXT NOT NULL, -- when it was first refused
  checked_at TEXT NOT NULL, is_settled INTEGER NOT NULL DEFAULT 1, snapshot_id TEXT, -- when it was last asked for
  PRIMARY KEY (stream, id, audience, market)
) STRICT, WITHOUT ROWID;
CREATE TABLE requested (
  job      TEXT NOT NULL, -- name of the job
  fetch    TEXT NOT NULL, -- name of the fetch
  ordinal  INTEGER NOT NULL, -- place in the job's order, from 0
  user_id  TEXT, -- the user it was for
  list_id  INTEGER REFERENCES lists(id), -- the list, for streams that read lists
  item_id  TEXT, -- the id, for streams that read things by id
  PRIMARY KEY (job, fetch, ordinal)
) STRICT;
CREATE TABLE published_files (
  path         TEXT NOT NULL PRIMARY KEY, -- path below the CSV folder
  job          TEXT NOT NULL, -- name of the job
  source       TEXT NOT NULL, -- name of the fetch, or the number of the query
  run_id       INTEGER, -- the run that it shows
  inputs       TEXT NOT NULL, -- fingerprint of everything it was made from
  sha256       TEXT NOT NULL, -- hash of the file
  bytes        INTEGER NOT NULL, -- its size
  rows         INTEGER NOT NULL, -- data rows in it
  guarded      INTEGER NOT NULL, -- cells that the formula guard changed
  published_at TEXT NOT NULL -- when it was written
, data_version INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE etags (
  audience TEXT NOT NULL, -- 'app', or the id of the user whose token asked
  request  TEXT NOT NULL, -- path and query
  etag     TEXT NOT NULL, -- the tag, as Spotify gave it
  PRIMARY KEY (audience, request)
) STRICT, WITHOUT ROWID;
CREATE TABLE run_lists (
  run_id          INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- the run
  list_id         INTEGER NOT NULL REFERENCES lists(id) ON DELETE CASCADE, -- the list
  announced       INTEGER, -- how many items Spotify announced
  served          INTEGER NOT NULL, -- how many it served, nulls included
  stored          INTEGER NOT NULL, -- how many rows stand; of logs: how many were added
  skipped         INTEGER NOT NULL, -- how many could not be stored whole
  snapshot_before TEXT, -- Spotify's version when the read began
  snapshot_after  TEXT, -- Spotify's version after the last page, where it was asked for
  content_hash    TEXT NOT NULL, -- hash over what was served, in order
  proof           TEXT NOT NULL, -- why it is called whole: version (the same before and after, or one answer), total (as many as announced), end (it ended, and announced nothing), wrong_total (it ended, and not as announced), cut (no more were wanted), content (two reads in a row had the same), presumed (read from the newest to rows that were known; the rest adds up and was not read)
  read_at         TEXT NOT NULL, row_version INTEGER NOT NULL DEFAULT 0, -- when it was put in place
  PRIMARY KEY (run_id, list_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_lists_by_list ON run_lists (list_id);
CREATE TABLE playlist_versions (
  playlist_id TEXT NOT NULL REFERENCES playlists(id) ON DELETE CASCADE, -- the playlist
  seen_at     TEXT NOT NULL, -- when it was first seen so
  snapshot_id TEXT, -- Spotify's version
  items       INTEGER NOT NULL, -- how many items it had
  run_id      INTEGER, row_version INTEGER NOT NULL DEFAULT 0, -- the run that saw it
  PRIMARY KEY (playlist_id, seen_at)
) STRICT, WITHOUT ROWID;
CREATE TABLE playlist_details (
  playlist_id TEXT NOT NULL REFERENCES playlists(id) ON DELETE CASCADE, -- the playlist
  seen_at     TEXT NOT NULL, -- when it was first seen so
  name        TEXT, -- its name from then on
  description TEXT, row_version INTEGER NOT NULL DEFAULT 0, -- its description from then on
  PRIMARY KEY (playlist_id, seen_at)
) STRICT, WITHOUT ROWID;
CREATE TABLE changed_things (
  version INTEGER PRIMARY KEY, -- the store's data_version since which they are so
  number  INTEGER NOT NULL,    -- how many they are
  things  TEXT NOT NULL        -- kind and id of each, one a line
) STRICT;
CREATE TABLE fires (
  job       TEXT NOT NULL, -- name of the job
  fire_at   TEXT NOT NULL, -- the nominal time
  run_id    INTEGER REFERENCES runs(id) ON DELETE SET NULL, -- the run that served it
  served_at TEXT, -- when that run ended; null while nothing has served it
  PRIMARY KEY (job, fire_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX fires_by_run ON fires (run_id);
CREATE TABLE returned_members (
  list_id     INTEGER NOT NULL REFERENCES lists(id) ON DELETE CASCADE, -- the list
  item_id     TEXT NOT NULL, -- id of what came back
  removed_at  TEXT NOT NULL, -- when a whole read no longer saw it
  returned_at TEXT NOT NULL, row_version INTEGER NOT NULL DEFAULT 0, -- when a read saw it again
  PRIMARY KEY (list_id, item_id, returned_at)
) STRICT, WITHOUT ROWID;
CREATE TABLE unproved_lists (
  run_id          INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- the run
  list_id         INTEGER NOT NULL REFERENCES lists(id) ON DELETE CASCADE, -- the list
  reason          TEXT NOT NULL, -- moved, endless, cut_short, repeated_page, no_cursor, …
  announced       INTEGER, -- how many items Spotify announced
  served          INTEGER NOT NULL, -- how many its last read was served, nulls included, up to where it was given up
  staged          INTEGER NOT NULL, -- how many rows it made of them
  skipped         INTEGER NOT NULL, -- how many could not be read
  snapshot_before TEXT, -- Spotify's version when the last read began
  snapshot_after  TEXT, -- Spotify's version after it, where that was asked for
  content_hash    TEXT NOT NULL, -- hash over what was served, in order
  given_up_at     TEXT NOT NULL, -- when it was given up
  PRIMARY KEY (run_id, list_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX unproved_lists_by_list ON unproved_lists (list_id);
CREATE TABLE field_notes (
  run_id     INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- the run
  fetch      TEXT NOT NULL, -- name of the fetch
  audience   TEXT NOT NULL, -- 'app', or the id of the user whose token was used
  list_id    INTEGER NOT NULL, -- the list; 0 for entities that were read by id
  path       TEXT NOT NULL, -- the field below the item, such as album.total_tracks
  problem    TEXT NOT NULL, -- unreadable (the field is empty, or keeps its old value), converted (its meaning was plain) or blank (it does not replace a known value)
  sent       TEXT NOT NULL, -- what was sent: object, list, text, number, boolean, null or blank
  stream     TEXT NOT NULL, -- the stream that was read
  items      INTEGER NOT NULL, -- number of items with it
  example_id TEXT, -- id or URI of the first of them
  example    TEXT, -- the value that it had there, as JSON
  noted_at   TEXT NOT NULL, -- when it was last seen
  PRIMARY KEY (run_id, fetch, audience, list_id, path, problem, sent)
) STRICT, WITHOUT ROWID;
CREATE TABLE "playlist_items" (
  playlist_id   TEXT NOT NULL REFERENCES playlists(id), -- the playlist
  position      INTEGER NOT NULL, -- position, from 0
  kind          TEXT NOT NULL, -- track, episode, local, unavailable, or the type that Spotify states for another item
  uri           TEXT, -- spotify: URI of the item; for local files and items of other types the key of local_files
  added_at      TEXT, -- when it was added; null in very old lists
  added_by      TEXT REFERENCES users(id), -- who added it
  track_id      TEXT REFERENCES tracks(id), -- the track, where kind is track
  episode_id    TEXT REFERENCES episodes(id), -- the episode, where kind is episode
  first_seen_at TEXT NOT NULL, -- when an item with this uri, added_at and added_by was first seen in the list
  fetched_at    TEXT, -- when the list was last read whole
  unavailable   INTEGER NOT NULL DEFAULT 0, row_version INTEGER NOT NULL DEFAULT 0, -- 1 if Spotify now sends nothing at this position, and the row shows what it sent before
  PRIMARY KEY (playlist_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE code_matches (
  code     TEXT NOT NULL, -- isrc:CODE or upc:CODE
  market   TEXT NOT NULL, -- requested market; empty if there was none
  item_id  TEXT NOT NULL, -- id of the track or album that it is taken for
  found_at TEXT NOT NULL, -- when it was found
  PRIMARY KEY (code, market)
) STRICT, WITHOUT ROWID;
CREATE TABLE file_marks (
  job      TEXT NOT NULL, -- name of the job
  source   TEXT NOT NULL, -- name of the fetch, or the number of the query; empty for the run itself
  run_id   INTEGER NOT NULL, -- the run that wrote the file
  path     TEXT NOT NULL, -- path below the folder of the job
  until_at TEXT NOT NULL, since_at TEXT, row_count INTEGER, -- rows that were first seen up to this time are in this file or an earlier one
  PRIMARY KEY (job, source, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_marks_by_time ON file_marks (until_at);
CREATE TABLE imported_tracks (
  track_id     TEXT NOT NULL PRIMARY KEY REFERENCES tracks(id) ON DELETE CASCADE, -- the track
  name         TEXT, -- title
  artist_names TEXT, -- artists, as one text
  album_name   TEXT  -- album
, row_version INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE deleted_rows (
  table_name  TEXT NOT NULL, -- the table
  key_1       TEXT NOT NULL, -- first part of the key
  key_2       TEXT NOT NULL DEFAULT '', -- second part; empty if the key has one part
  key_3       TEXT NOT NULL DEFAULT '', -- third part
  key_4       TEXT NOT NULL DEFAULT '', -- fourth part
  key_5       TEXT NOT NULL DEFAULT '', -- fifth part
  row_version INTEGER NOT NULL, -- version at which it was deleted
  deleted_at  TEXT NOT NULL, -- when it was deleted
  PRIMARY KEY (table_name, key_1, key_2, key_3, key_4, key_5)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER playlist_is_new AFTER INSERT ON playlists WHEN NEW.name IS NOT NULL BEGIN
  INSERT INTO playlist_details (playlist_id, seen_at, name, description, row_version)
  VALUES (NEW.id, NEW.first_seen_at, NEW.name, NEW.description,
          (SELECT value + 1 FROM store_info WHERE key = 'feed_version'))
  ON CONFLICT (playlist_id, seen_at) DO UPDATE SET name = excluded.name, description = excluded.description, row_version = excluded.row_version;
END;
CREATE TRIGGER playlist_is_renamed AFTER UPDATE OF name, description ON playlists
WHEN OLD.name IS NOT NEW.name OR OLD.description IS NOT NEW.description BEGIN
  INSERT INTO playlist_details (playlist_id, seen_at, name, description, row_version)
  SELECT NEW.id, max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
                     coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', max(seen_at), '+0.001 seconds'), '')), NEW.name, NEW.description,
         (SELECT value + 1 FROM store_info WHERE key = 'feed_version')
  FROM playlist_details WHERE playlist_id = NEW.id;
END;
CREATE TRIGGER artists_row_deleted AFTER DELETE ON artists BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('artists', OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER artist_genres_row_deleted AFTER DELETE ON artist_genres BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('artist_genres', OLD.artist_id, OLD.position, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER albums_row_deleted AFTER DELETE ON albums BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('albums', OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER album_artists_row_deleted AFTER DELETE ON album_artists BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('album_artists', OLD.album_id, OLD.position, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER album_copyrights_row_deleted AFTER DELETE ON album_copyrights BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('album_copyrights', OLD.album_id, OLD.position, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER tracks_row_deleted AFTER DELETE ON tracks BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('tracks', OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER track_artists_row_deleted AFTER DELETE ON track_artists BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('track_artists', OLD.track_id, OLD.position, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER track_markets_row_deleted AFTER DELETE ON track_markets BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('track_markets', OLD.track_id, OLD.market, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER local_files_row_deleted AFTER DELETE ON local_files BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('local_files', OLD.uri, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER shows_row_deleted AFTER DELETE ON shows BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('shows', OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER episodes_row_deleted AFTER DELETE ON episodes BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('episodes', OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER episode_markets_row_deleted AFTER DELETE ON episode_markets BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('episode_markets', OLD.episode_id, OLD.market, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER audiobooks_row_deleted AFTER DELETE ON audiobooks BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('audiobooks', OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER chapters_row_deleted AFTER DELETE ON chapters BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('chapters', OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER chapter_markets_row_deleted AFTER DELETE ON chapter_markets BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('chapter_markets', OLD.chapter_id, OLD.market, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER item_texts_row_deleted AFTER DELETE ON item_texts BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, key_3, key_4, row_version, deleted_at)
  VALUES ('item_texts', OLD.kind, OLD.id, OLD.what, OLD.position, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER images_row_deleted AFTER DELETE ON images BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, key_3, row_version, deleted_at)
  VALUES ('images', OLD.kind, OLD.id, OLD.position, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER users_row_deleted AFTER DELETE ON users BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('users', OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER playlists_row_deleted AFTER DELETE ON playlists BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('playlists', OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER playlist_items_row_deleted AFTER DELETE ON playlist_items BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('playlist_items', OLD.playlist_id, OLD.position, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER playlist_changes_row_deleted AFTER DELETE ON playlist_changes BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('playlist_changes', OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER playlist_versions_row_deleted AFTER DELETE ON playlist_versions BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('playlist_versions', OLD.playlist_id, OLD.seen_at, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER playlist_details_row_deleted AFTER DELETE ON playlist_details BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('playlist_details', OLD.playlist_id, OLD.seen_at, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER artist_releases_row_deleted AFTER DELETE ON artist_releases BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('artist_releases', OLD.list_id, OLD.album_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER album_tracks_row_deleted AFTER DELETE ON album_tracks BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('album_tracks', OLD.list_id, OLD.track_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER artist_top_tracks_row_deleted AFTER DELETE ON artist_top_tracks BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('artist_top_tracks', OLD.list_id, OLD.track_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER show_episodes_row_deleted AFTER DELETE ON show_episodes BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('show_episodes', OLD.list_id, OLD.episode_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER audiobook_chapters_row_deleted AFTER DELETE ON audiobook_chapters BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('audiobook_chapters', OLD.list_id, OLD.chapter_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER user_playlists_row_deleted AFTER DELETE ON user_playlists BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('user_playlists', OLD.list_id, OLD.playlist_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER my_playlists_row_deleted AFTER DELETE ON my_playlists BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('my_playlists', OLD.list_id, OLD.playlist_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER saved_tracks_row_deleted AFTER DELETE ON saved_tracks BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('saved_tracks', OLD.list_id, OLD.track_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER saved_albums_row_deleted AFTER DELETE ON saved_albums BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('saved_albums', OLD.list_id, OLD.album_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER saved_shows_row_deleted AFTER DELETE ON saved_shows BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('saved_shows', OLD.list_id, OLD.show_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER saved_episodes_row_deleted AFTER DELETE ON saved_episodes BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('saved_episodes', OLD.list_id, OLD.episode_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER saved_audiobooks_row_deleted AFTER DELETE ON saved_audiobooks BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('saved_audiobooks', OLD.list_id, OLD.audiobook_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER followed_artists_row_deleted AFTER DELETE ON followed_artists BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('followed_artists', OLD.list_id, OLD.artist_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER returned_members_row_deleted AFTER DELETE ON returned_members BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, key_3, row_version, deleted_at)
  VALUES ('returned_members', OLD.list_id, OLD.item_id, OLD.returned_at, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER top_items_row_deleted AFTER DELETE ON top_items BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, key_3, key_4, key_5, row_version, deleted_at)
  VALUES ('top_items', OLD.user_id, OLD.kind, OLD.time_range, OLD.day, OLD.rank, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER plays_row_deleted AFTER DELETE ON plays BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, key_3, row_version, deleted_at)
  VALUES ('plays', OLD.user_id, OLD.played_at, OLD.track_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER imported_tracks_row_deleted AFTER DELETE ON imported_tracks BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('imported_tracks', OLD.track_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER resume_points_row_deleted AFTER DELETE ON resume_points BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('resume_points', OLD.user_id, OLD.episode_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER search_results_row_deleted AFTER DELETE ON search_results BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, key_3, key_4, row_version, deleted_at)
  VALUES ('search_results', OLD.list_id, OLD.searched_at, OLD.kind, OLD.rank, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER new_releases_row_deleted AFTER DELETE ON new_releases BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('new_releases', OLD.list_id, OLD.album_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER categories_row_deleted AFTER DELETE ON categories BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('categories', OLD.list_id, OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER markets_row_deleted AFTER DELETE ON markets BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('markets', OLD.list_id, OLD.market, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER metrics_row_deleted AFTER DELETE ON metrics BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, key_3, row_version, deleted_at)
  VALUES ('metrics', OLD.kind, OLD.id, OLD.day, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER lists_row_deleted AFTER DELETE ON lists BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('lists', OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER runs_row_deleted AFTER DELETE ON runs BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('runs', OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER run_fetches_row_deleted AFTER DELETE ON run_fetches BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, key_3, row_version, deleted_at)
  VALUES ('run_fetches', OLD.run_id, OLD.fetch, OLD.user_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER run_lists_row_deleted AFTER DELETE ON run_lists BEGIN
  INSERT INTO deleted_rows (table_name, key_1, key_2, row_version, deleted_at)
  VALUES ('run_lists', OLD.run_id, OLD.list_id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
CREATE TRIGGER skipped_items_row_deleted AFTER DELETE ON skipped_items BEGIN
  INSERT INTO deleted_rows (table_name, key_1, row_version, deleted_at)
  VALUES ('skipped_items', OLD.id, (SELECT value + 1 FROM store_info WHERE key = 'feed_version'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  ON CONFLICT (table_name, key_1, key_2, key_3, key_4, key_5) DO UPDATE SET row_version = excluded.row_version, deleted_at = excluded.deleted_at;
END;
INSERT INTO store_info (key, value) VALUES ('feed_version', '1'), ('feed_since', '1'), ('feed_epoch', lower(hex(randomblob(8))));
