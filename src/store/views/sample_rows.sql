-- Rows for tests: one of everything that a playlist can hold, and a user's library.
INSERT INTO users (id, local_name, display_name, uri, first_seen_at) VALUES
  ('U1', 'home', 'Jo "the" Ox', 'spotify:user:U1', '2026-01-01T00:00:00Z'),
  ('U2', NULL, '=SUM(A1)', NULL, '2026-01-01T00:00:00Z');
INSERT INTO artists (id, name, uri, first_seen_at) VALUES
  ('A1', 'A, B', 'spotify:artist:A1', '2026-01-01T00:00:00Z'),
  ('A2', 'C', NULL, '2026-01-01T00:00:00Z'),
  ('A3', '+44', NULL, '2026-01-01T00:00:00Z');
INSERT INTO artist_genres (artist_id, position, genre) VALUES ('A1', 0, 'dub'), ('A1', 1, 'ska'), ('A2', 0, 'ska');
INSERT INTO albums (id, name, uri, album_type, release_date, release_date_precision, total_tracks, first_seen_at) VALUES
  ('L1', 'First', 'spotify:album:L1', 'album', '1999', 'year', 2, '2026-01-01T00:00:00Z'),
  ('L2', '', NULL, 'single', '0000', 'year', 1, '2026-01-01T00:00:00Z');
INSERT INTO album_artists (album_id, position, artist_id) VALUES ('L1', 0, 'A1'), ('L2', 0, 'A3');
INSERT INTO images (kind, id, position, url, width, height) VALUES ('album', 'L1', 0, 'https://i.example/l1', 640, 640);
INSERT INTO tracks (id, name, uri, album_id, disc_number, track_number, duration_ms, explicit, isrc, first_seen_at) VALUES
  ('T1', 'One', 'spotify:track:T1', 'L1', 1, 1, 1000, 0, 'DEA000000001', '2026-01-01T00:00:00Z'),
  ('T2', '=cmd|''/c calc''!A1', NULL, 'L2', 1, 1, 2000, 1, NULL, '2026-01-01T00:00:00Z'),
  ('T3', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-01-01T00:00:00Z');
INSERT INTO track_artists (track_id, position, artist_id) VALUES ('T1', 1, 'A2'), ('T1', 0, 'A1'), ('T2', 0, 'A3');
INSERT INTO track_markets (track_id, market, is_playable, fetched_at) VALUES
  ('T1', 'DE', 0, '2026-01-01T00:00:00Z'), ('T1', 'US', 1, '2026-01-02T00:00:00Z'),
  ('T1', '', NULL, '2026-01-03T00:00:00Z');
INSERT INTO local_files (uri, name, artist_names, album_name, duration_ms, first_seen_at, fetched_at) VALUES
  ('spotify:local:Me:Attic:Tape:4', 'Tape', 'Me; You', 'Attic', 4000, '2026-01-01T00:00:00Z', NULL);
INSERT INTO shows (id, name, first_seen_at) VALUES ('S1', 'Show', '2026-01-01T00:00:00Z');
INSERT INTO episodes (id, name, show_id, release_date, release_date_precision, duration_ms, explicit, first_seen_at) VALUES
  ('E1', 'Talk', 'S1', '2020-02-02', 'day', 3000, 1, '2026-01-01T00:00:00Z');
INSERT INTO playlists (id, name, owner_id, first_seen_at) VALUES
  ('P1', 'Mix' || char(10) || 'tape', 'U1', '2026-01-01T00:00:00Z'),
  ('P2', char(0) || 'NUL "quoted"', 'U2', '2026-01-01T00:00:00Z');
INSERT INTO playlist_items (playlist_id, position, kind, uri, added_at, added_by, track_id, episode_id, first_seen_at) VALUES
  ('P1', 0, 'track', 'spotify:track:T1', '2024-05-01T12:00:00Z', 'U1', 'T1', NULL, '2026-01-01T00:00:00Z'),
  ('P1', 1, 'episode', 'spotify:episode:E1', '2024-05-02T12:00:00Z', 'U2', NULL, 'E1', '2026-01-01T00:00:00Z'),
  ('P1', 2, 'local', 'spotify:local:Me:Attic:Tape:4', NULL, NULL, NULL, NULL, '2026-01-01T00:00:00Z'),
  ('P1', 3, 'unavailable', NULL, NULL, NULL, NULL, NULL, '2026-01-01T00:00:00Z'),
  ('P1', 4, 'track', 'spotify:track:T1', '2024-05-01T12:00:00Z', 'U1', 'T1', NULL, '2026-01-01T00:00:00Z'),
  ('P2', 0, 'track', 'spotify:track:T2', '2024-05-01T12:00:00Z', 'U1', 'T2', NULL, '2026-01-01T00:00:00Z');
INSERT INTO lists (id, kind, parent_id, audience, market, variant) VALUES
  (1, 'playlist_items', 'P1', 'app', '', ''), (2, 'saved_tracks', 'U1', 'U1', '', ''),
  (3, 'recently_played', 'U1', 'U1', '', ''), (4, 'top_tracks', 'U1', 'U1', '', 'short_term'),
  (5, 'search', 'x', 'app', '', 'track'), (6, 'my_playlists', 'U1', 'U1', '', '');
INSERT INTO saved_tracks (list_id, user_id, position, added_at, track_id, first_seen_at, removed_at) VALUES
  (2, 'U1', 0, '2024-05-01T12:00:00Z', 'T1', '2026-01-01T00:00:00Z', NULL),
  (2, 'U1', 1, '2024-04-01T12:00:00Z', 'T2', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z');
INSERT INTO plays (user_id, played_at, track_id, list_id, first_seen_at) VALUES
  ('U1', '2026-01-01T10:00:00.123Z', 'T1', 3, '2026-01-01T00:00:00Z'),
  ('U1', '2026-01-02T10:00:00.123Z', 'T2', 3, '2026-01-01T00:00:00Z');
INSERT INTO top_items (user_id, kind, time_range, day, rank, item_id, list_id, first_seen_at) VALUES
  ('U1', 'track', 'short_term', '2026-01-01', 1, 'T1', 4, '2026-01-01T00:00:00Z'),
  ('U1', 'track', 'short_term', '2026-01-02', 1, 'T2', 4, '2026-01-01T00:00:00Z');
INSERT INTO search_results (list_id, searched_at, query, market, kind, rank, item_id, first_seen_at) VALUES
  (5, '2026-01-01T00:00:00Z', 'x', '', 'track', 1, 'T1', '2026-01-01T00:00:00Z'),
  (5, '2026-01-02T00:00:00Z', 'x', '', 'album', 1, 'L1', '2026-01-01T00:00:00Z');
INSERT INTO my_playlists (list_id, user_id, position, playlist_id, first_seen_at) VALUES
  (6, 'U1', 0, 'P2', '2026-01-01T00:00:00Z'), (6, 'U1', 1, 'P1', '2026-01-01T00:00:00Z');
INSERT INTO requested (job, fetch, ordinal, user_id, list_id, item_id) VALUES
  ('j', 'items', 0, NULL, NULL, 'P2'), ('j', 'items', 1, NULL, 1, NULL),
  ('j', 'saved_tracks', 0, 'U1', 2, NULL), ('j', 'recently_played', 0, 'U1', 3, NULL),
  ('j', 'top_tracks', 0, 'U1', 4, NULL), ('j', 'search', 0, NULL, 5, NULL),
  ('j', 'my_playlist_items', 0, 'U1', 6, NULL);
