-- Plays from the files of Spotify's privacy export.

ALTER TABLE plays ADD COLUMN ms_played INTEGER; -- how long it was played, in milliseconds; only imported plays have this
ALTER TABLE plays ADD COLUMN imported_at TEXT; -- when it was imported from a file; null if Spotify's API sent it

-- names of tracks in imported plays, for tracks that the API has not sent yet
CREATE TABLE imported_tracks (
  track_id     TEXT NOT NULL PRIMARY KEY REFERENCES tracks(id) ON DELETE CASCADE, -- the track
  name         TEXT, -- title
  artist_names TEXT, -- artists, as one text
  album_name   TEXT  -- album
) STRICT, WITHOUT ROWID;
