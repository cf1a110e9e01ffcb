-- The store as of 0.1.0. Comments after a column become its text in docs/schema.md.
-- Tables with a text key are WITHOUT ROWID: one b-tree instead of two.

-- facts about this store: the API host that its rows came from, the state folder it belongs to
CREATE TABLE store_info (
  key   TEXT NOT NULL PRIMARY KEY, -- name of the fact
  value TEXT NOT NULL              -- its value
) STRICT, WITHOUT ROWID;

-- one row per artist
CREATE TABLE artists (
  id            TEXT NOT NULL PRIMARY KEY, -- Spotify's id
  name          TEXT,    -- name
  uri           TEXT,    -- spotify: URI
  followers     INTEGER, -- number of followers; Extended Quota apps only
  popularity    INTEGER, -- 0 to 100; Extended Quota apps only
  spotify_url   TEXT,    -- link to Spotify
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT     -- when the artist itself was last read; null if only met in passing
) STRICT, WITHOUT ROWID;

-- the genres of an artist, in Spotify's order
CREATE TABLE artist_genres (
  artist_id TEXT NOT NULL REFERENCES artists(id) ON DELETE CASCADE, -- the artist
  position  INTEGER NOT NULL, -- place, from 0
  genre     TEXT NOT NULL,    -- the genre
  PRIMARY KEY (artist_id, position)
) STRICT, WITHOUT ROWID;

-- one row per album, single or compilation
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
) STRICT, WITHOUT ROWID;

CREATE INDEX albums_by_upc ON albums (upc) WHERE upc IS NOT NULL;

-- the artists of an album, in Spotify's order
CREATE TABLE album_artists (
  album_id  TEXT NOT NULL REFERENCES albums(id) ON DELETE CASCADE, -- the album
  position  INTEGER NOT NULL, -- place, from 0
  artist_id TEXT NOT NULL REFERENCES artists(id), -- the artist
  PRIMARY KEY (album_id, position)
) STRICT, WITHOUT ROWID;

-- the copyright lines of an album
CREATE TABLE album_copyrights (
  album_id TEXT NOT NULL REFERENCES albums(id) ON DELETE CASCADE, -- the album
  position INTEGER NOT NULL, -- place, from 0
  type     TEXT, -- C for the copyright, P for the sound recording
  text     TEXT, -- the line
  PRIMARY KEY (album_id, position)
) STRICT, WITHOUT ROWID;

-- one row per track
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
) STRICT, WITHOUT ROWID;

CREATE INDEX tracks_by_isrc ON tracks (isrc) WHERE isrc IS NOT NULL;

-- the artists of a track, in Spotify's order
CREATE TABLE track_artists (
  track_id  TEXT NOT NULL REFERENCES tracks(id) ON DELETE CASCADE, -- the track
  position  INTEGER NOT NULL, -- place, from 0
  artist_id TEXT NOT NULL REFERENCES artists(id), -- the artist
  PRIMARY KEY (track_id, position)
) STRICT, WITHOUT ROWID;

-- what depends on the market: whether a track can be played there, and why not
CREATE TABLE track_markets (
  track_id    TEXT NOT NULL REFERENCES tracks(id) ON DELETE CASCADE, -- the track
  market      TEXT NOT NULL, -- market asked for; empty if none was
  is_playable INTEGER, -- 1 if it can be played there
  restriction TEXT,    -- Spotify's reason if not: market, product, explicit, …
  linked_from TEXT,    -- id of the track that was asked for, where Spotify answered with another
  fetched_at  TEXT NOT NULL, -- when this was read
  PRIMARY KEY (track_id, market)
) STRICT, WITHOUT ROWID;
CREATE INDEX track_markets_by_origin ON track_markets (linked_from) WHERE linked_from IS NOT NULL;

-- files of a user's own machine that stand in playlists; Spotify knows only these texts
CREATE TABLE local_files (
  uri           TEXT NOT NULL PRIMARY KEY, -- spotify:local:ARTIST:ALBUM:TITLE:SECONDS
  name          TEXT,    -- title
  artist_names  TEXT,    -- artists, joined with "; "
  album_name    TEXT,    -- album
  duration_ms   INTEGER, -- length in milliseconds
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT     -- when it was last read
) STRICT, WITHOUT ROWID;

-- one row per podcast
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
) STRICT, WITHOUT ROWID;

-- one row per episode of a podcast
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
) STRICT, WITHOUT ROWID;

-- what depends on the market for an episode
CREATE TABLE episode_markets (
  episode_id  TEXT NOT NULL REFERENCES episodes(id) ON DELETE CASCADE, -- the episode
  market      TEXT NOT NULL, -- market asked for; empty if none was
  is_playable INTEGER, -- 1 if it can be played there
  restriction TEXT,    -- Spotify's reason if not
  fetched_at  TEXT NOT NULL, -- when this was read
  PRIMARY KEY (episode_id, market)
) STRICT, WITHOUT ROWID;

-- one row per audiobook
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
) STRICT, WITHOUT ROWID;

-- one row per chapter of an audiobook
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
) STRICT, WITHOUT ROWID;

-- what depends on the market for a chapter
CREATE TABLE chapter_markets (
  chapter_id  TEXT NOT NULL REFERENCES chapters(id) ON DELETE CASCADE, -- the chapter
  market      TEXT NOT NULL, -- market asked for; empty if none was
  is_playable INTEGER, -- 1 if it can be played there
  restriction TEXT,    -- Spotify's reason if not
  fetched_at  TEXT NOT NULL, -- when this was read
  PRIMARY KEY (chapter_id, market)
) STRICT, WITHOUT ROWID;

-- lists of words that belong to a show, episode, audiobook or chapter
CREATE TABLE item_texts (
  kind     TEXT NOT NULL, -- show, episode, audiobook or chapter
  id       TEXT NOT NULL, -- its id
  what     TEXT NOT NULL, -- language, author, narrator or copyright
  position INTEGER NOT NULL, -- place, from 0
  text     TEXT NOT NULL, -- the word or line
  PRIMARY KEY (kind, id, what, position)
) STRICT, WITHOUT ROWID;

-- addresses of pictures; those of playlists run out within a day
CREATE TABLE images (
  kind     TEXT NOT NULL, -- artist, album, playlist, show, episode, audiobook, chapter, category or user
  id       TEXT NOT NULL, -- its id
  position INTEGER NOT NULL, -- place, from 0; Spotify lists the largest first
  url      TEXT NOT NULL, -- where the picture is
  width    INTEGER, -- in pixels
  height   INTEGER, -- in pixels
  PRIMARY KEY (kind, id, position)
) STRICT, WITHOUT ROWID;

-- one row per Spotify account that was met: owners, people who added items, signed-in users
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
) STRICT, WITHOUT ROWID;

-- one row per playlist
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
) STRICT, WITHOUT ROWID;

-- what stands in a playlist; every position has a row
CREATE TABLE playlist_items (
  playlist_id   TEXT NOT NULL REFERENCES playlists(id), -- the playlist
  position      INTEGER NOT NULL, -- place, from 0
  kind          TEXT NOT NULL CHECK (kind IN ('track', 'episode', 'local', 'unavailable')), -- what stands there
  uri           TEXT, -- spotify: URI of the item; for local files the key of local_files
  added_at      TEXT, -- when it was added; null in very old lists
  added_by      TEXT REFERENCES users(id), -- who added it
  track_id      TEXT REFERENCES tracks(id), -- the track, where kind is track
  episode_id    TEXT REFERENCES episodes(id), -- the episode, where kind is episode
  first_seen_at TEXT NOT NULL, -- when an item with this uri, added_at and added_by was first seen in the list
  fetched_at    TEXT, -- when the list was last read whole
  PRIMARY KEY (playlist_id, position)
) STRICT, WITHOUT ROWID;

-- what changed in a playlist between two reads; the first read is a baseline and writes nothing here
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
) STRICT;
CREATE INDEX playlist_changes_by_playlist ON playlist_changes (playlist_id, id);
CREATE INDEX playlist_changes_by_time ON playlist_changes (seen_at);

-- the releases of an artist, by the group the artist stands in
CREATE TABLE artist_releases (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  artist_id     TEXT NOT NULL REFERENCES artists(id), -- the artist
  market        TEXT NOT NULL, -- market asked for; empty if none was
  album_group   TEXT NOT NULL, -- album, single, appears_on or compilation
  position      INTEGER NOT NULL, -- place in the group, from 0
  album_id      TEXT NOT NULL REFERENCES albums(id), -- the release
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, album_id)
) STRICT, WITHOUT ROWID;

-- the tracks of an album, in order
CREATE TABLE album_tracks (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  album_id      TEXT NOT NULL REFERENCES albums(id), -- the album
  market        TEXT NOT NULL, -- market asked for; empty if none was
  position      INTEGER NOT NULL, -- place, from 0
  track_id      TEXT NOT NULL REFERENCES tracks(id), -- the track
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, track_id)
) STRICT, WITHOUT ROWID;

-- an artist's most played tracks in a market
CREATE TABLE artist_top_tracks (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  artist_id     TEXT NOT NULL REFERENCES artists(id), -- the artist
  market        TEXT NOT NULL, -- market asked for; empty if none was
  position      INTEGER NOT NULL, -- place, from 0
  track_id      TEXT NOT NULL REFERENCES tracks(id), -- the track
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, track_id)
) STRICT, WITHOUT ROWID;

-- the episodes of a show, newest first
CREATE TABLE show_episodes (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  show_id       TEXT NOT NULL REFERENCES shows(id), -- the show
  market        TEXT NOT NULL, -- market asked for; empty if none was
  position      INTEGER NOT NULL, -- place, from 0
  episode_id    TEXT NOT NULL REFERENCES episodes(id), -- the episode
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, episode_id)
) STRICT, WITHOUT ROWID;

-- the chapters of an audiobook, in order
CREATE TABLE audiobook_chapters (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  audiobook_id  TEXT NOT NULL REFERENCES audiobooks(id), -- the audiobook
  market        TEXT NOT NULL, -- market asked for; empty if none was
  position      INTEGER NOT NULL, -- place, from 0
  chapter_id    TEXT NOT NULL REFERENCES chapters(id), -- the chapter
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, chapter_id)
) STRICT, WITHOUT ROWID;

-- the public playlists of a user, as user_playlists reads them
CREATE TABLE user_playlists (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  profile_id    TEXT NOT NULL REFERENCES users(id), -- the user asked for
  position      INTEGER NOT NULL, -- place, from 0
  playlist_id   TEXT NOT NULL REFERENCES playlists(id), -- the playlist
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, playlist_id)
) STRICT, WITHOUT ROWID;

-- the playlists in a signed-in user's library, owned and followed
CREATE TABLE my_playlists (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place, from 0
  playlist_id   TEXT NOT NULL REFERENCES playlists(id), -- the playlist
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, playlist_id)
) STRICT, WITHOUT ROWID;

-- the tracks that a user saved, newest first
CREATE TABLE saved_tracks (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place, from 0
  added_at      TEXT, -- when it was saved
  track_id      TEXT NOT NULL REFERENCES tracks(id), -- the track
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, track_id)
) STRICT, WITHOUT ROWID;

-- the albums that a user saved, newest first
CREATE TABLE saved_albums (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place, from 0
  added_at      TEXT, -- when it was saved
  album_id      TEXT NOT NULL REFERENCES albums(id), -- the album
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, album_id)
) STRICT, WITHOUT ROWID;

-- the podcasts that a user follows, newest first
CREATE TABLE saved_shows (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place, from 0
  added_at      TEXT, -- when it was saved
  show_id       TEXT NOT NULL REFERENCES shows(id), -- the show
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, show_id)
) STRICT, WITHOUT ROWID;

-- the episodes that a user saved, newest first
CREATE TABLE saved_episodes (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place, from 0
  added_at      TEXT, -- when it was saved
  episode_id    TEXT NOT NULL REFERENCES episodes(id), -- the episode
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, episode_id)
) STRICT, WITHOUT ROWID;

-- the audiobooks that a user saved, newest first
CREATE TABLE saved_audiobooks (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place, from 0
  added_at      TEXT, -- when it was saved
  audiobook_id  TEXT NOT NULL REFERENCES audiobooks(id), -- the audiobook
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, audiobook_id)
) STRICT, WITHOUT ROWID;

-- the artists that a user follows
CREATE TABLE followed_artists (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  position      INTEGER NOT NULL, -- place in Spotify's answer, from 0
  artist_id     TEXT NOT NULL REFERENCES artists(id), -- the artist
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, artist_id)
) STRICT, WITHOUT ROWID;

-- ranks among a user's most played artists and tracks, one set a day and range
CREATE TABLE top_items (
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  kind          TEXT NOT NULL CHECK (kind IN ('artist', 'track')), -- what is ranked
  time_range    TEXT NOT NULL, -- long_term, medium_term or short_term
  day           TEXT NOT NULL, -- the day it was read, UTC
  rank          INTEGER NOT NULL, -- place, from 1
  item_id       TEXT NOT NULL, -- id of the artist or track
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT, -- when it was last read
  PRIMARY KEY (user_id, kind, time_range, day, rank)
) STRICT, WITHOUT ROWID;
CREATE INDEX top_items_by_list ON top_items (list_id, day);

-- one row per play of a user
CREATE TABLE plays (
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  played_at     TEXT NOT NULL, -- when it was played, by Spotify's word
  track_id      TEXT NOT NULL REFERENCES tracks(id), -- the track
  context_type  TEXT, -- playlist, album or artist it was played from
  context_uri   TEXT, -- spotify: URI of what it was played from
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  first_seen_at TEXT NOT NULL, -- when this row was first seen
  fetched_at    TEXT, -- when it was last read
  PRIMARY KEY (user_id, played_at, track_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX plays_by_list ON plays (list_id, played_at);

-- how far a user listened to an episode
CREATE TABLE resume_points (
  user_id       TEXT NOT NULL REFERENCES users(id), -- the signed-in user
  episode_id    TEXT NOT NULL REFERENCES episodes(id), -- the episode
  fully_played  INTEGER, -- 1 if heard to the end
  resume_position_ms INTEGER, -- where to go on
  fetched_at    TEXT NOT NULL, -- when this was read
  PRIMARY KEY (user_id, episode_id)
) STRICT, WITHOUT ROWID;

-- what a search found, per day and expression
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
  fetched_at    TEXT, -- when it was last read
  PRIMARY KEY (list_id, searched_at, kind, rank)
) STRICT, WITHOUT ROWID;

-- albums that Spotify features as new
CREATE TABLE new_releases (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  position      INTEGER NOT NULL, -- place, from 0
  album_id      TEXT NOT NULL REFERENCES albums(id), -- the album
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, album_id)
) STRICT, WITHOUT ROWID;

-- browse categories
CREATE TABLE categories (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in, one per locale
  position      INTEGER NOT NULL, -- place, from 0
  id            TEXT NOT NULL, -- Spotify's id of the category
  name          TEXT, -- its name in that locale
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, id)
) STRICT, WITHOUT ROWID;

-- countries in which Spotify is available
CREATE TABLE markets (
  list_id       INTEGER NOT NULL REFERENCES lists(id), -- the list it stands in
  position      INTEGER NOT NULL, -- place, from 0
  market        TEXT NOT NULL, -- ISO 3166-1 alpha-2 code
  first_seen_at TEXT NOT NULL, -- when it was first seen there
  fetched_at    TEXT, -- when the list was last read whole
  removed_at    TEXT, -- when a whole read no longer saw it
  PRIMARY KEY (list_id, market)
) STRICT, WITHOUT ROWID;

-- followers and popularity, one row a day, where the app sees them
CREATE TABLE metrics (
  kind       TEXT NOT NULL, -- artist, album, track, playlist or user
  id         TEXT NOT NULL, -- its id
  day        TEXT NOT NULL, -- the day, UTC
  followers  INTEGER, -- number of followers
  popularity INTEGER, -- 0 to 100
  PRIMARY KEY (kind, id, day)
) STRICT, WITHOUT ROWID;

-- every list that was ever read, and how its last whole read went
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
  gone_reason  TEXT,    -- in Spotify's words
  UNIQUE (kind, parent_id, audience, market, variant)
) STRICT;

-- how far a list that is being read has been committed
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
) STRICT;

-- pages of lists that are not whole yet; readers have no use for them
CREATE TABLE staged_items (
  list_id  INTEGER NOT NULL, -- the list
  position INTEGER NOT NULL, -- place, from 0
  kind     TEXT NOT NULL, -- track, episode, local, unavailable, album, …
  item_id  TEXT, -- id of the item
  uri      TEXT, -- spotify: URI
  added_at TEXT, -- when it was added
  added_by TEXT, -- who added it
  detail   TEXT, -- what else the list says of it, as JSON
  PRIMARY KEY (list_id, position)
) STRICT, WITHOUT ROWID;

-- writes of pages that are committed and not yet in their tables; empty unless a run is under way
-- or was killed
CREATE TABLE pending_writes (
  id     INTEGER PRIMARY KEY, -- in the order in which they were made
  writes BLOB NOT NULL        -- the writes of one page
) STRICT;

-- one row per execution of a job
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
) STRICT;
CREATE INDEX runs_by_job ON runs (job, started_at);

-- one row per fetch of a run
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
  skipped     INTEGER NOT NULL, -- items with a row in skipped_items
  PRIMARY KEY (run_id, fetch, user_id)
) STRICT, WITHOUT ROWID;

-- everything that was asked for or served and could not be stored whole, with its reason
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
) STRICT;
CREATE INDEX skipped_items_by_run ON skipped_items (run_id);

-- ids that Spotify refused, so that they are looked at weekly and not at every run
CREATE TABLE known_gaps (
  stream     TEXT NOT NULL, -- the stream
  id         TEXT NOT NULL, -- the id asked for
  audience   TEXT NOT NULL, -- 'app', or the id of the user whose token asked
  market     TEXT NOT NULL, -- market asked for; empty if none was
  reason     TEXT NOT NULL, -- not_found or forbidden
  detail     TEXT, -- Spotify's words
  since_at   TEXT NOT NULL, -- when it was first refused
  checked_at TEXT NOT NULL, -- when it was last asked for
  PRIMARY KEY (stream, id, audience, market)
) STRICT, WITHOUT ROWID;

-- what each fetch of each job asked for when it last finished, in the job's order
-- (with a rowid: SQLite then knows that ordinals are distinct, and joins by them without sorting)
CREATE TABLE requested (
  job      TEXT NOT NULL, -- name of the job
  fetch    TEXT NOT NULL, -- name of the fetch
  ordinal  INTEGER NOT NULL, -- place in the job's order, from 0
  user_id  TEXT, -- the user it was for
  list_id  INTEGER REFERENCES lists(id), -- the list, for streams that read lists
  item_id  TEXT, -- the id, for streams that read things by id
  PRIMARY KEY (job, fetch, ordinal)
) STRICT;

-- every file that was written, so that an unchanged one is not even rendered
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
) STRICT, WITHOUT ROWID;
