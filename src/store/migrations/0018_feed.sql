-- Increments for other databases: the version at which each row last changed, and the keys of deleted rows.

-- Each transaction that changes something takes the next version. It is in `feed_version` when the transaction ends.
INSERT INTO store_info (key, value) VALUES ('feed_version', '1'), ('feed_since', '1'), ('feed_epoch', lower(hex(randomblob(8))));

-- keys of rows that were deleted, until they are older than `retention.tombstones`; read them in the views `feed_NAME`
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

ALTER TABLE artists ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE artist_genres ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE albums ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE album_artists ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE album_copyrights ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE tracks ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE track_artists ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE track_markets ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE local_files ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE shows ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE episodes ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE episode_markets ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE audiobooks ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE chapters ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE chapter_markets ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE item_texts ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE images ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE users ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE playlists ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE playlist_items ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE playlist_changes ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE playlist_versions ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE playlist_details ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE artist_releases ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE album_tracks ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE artist_top_tracks ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE show_episodes ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE audiobook_chapters ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE user_playlists ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE my_playlists ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE saved_tracks ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE saved_albums ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE saved_shows ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE saved_episodes ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE saved_audiobooks ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE followed_artists ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE returned_members ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE top_items ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE plays ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE imported_tracks ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE resume_points ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE search_results ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE new_releases ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE categories ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE markets ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE metrics ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE lists ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE runs ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE run_fetches ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE run_lists ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted
ALTER TABLE skipped_items ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0; -- version at which the row last changed; 0 if that was before versions were counted

DROP TRIGGER playlist_is_new;
CREATE TRIGGER playlist_is_new AFTER INSERT ON playlists WHEN NEW.name IS NOT NULL BEGIN
  INSERT INTO playlist_details (playlist_id, seen_at, name, description, row_version)
  VALUES (NEW.id, NEW.first_seen_at, NEW.name, NEW.description,
          (SELECT value + 1 FROM store_info WHERE key = 'feed_version'))
  ON CONFLICT (playlist_id, seen_at) DO UPDATE SET name = excluded.name, description = excluded.description, row_version = excluded.row_version;
END;
DROP TRIGGER playlist_is_renamed;
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
