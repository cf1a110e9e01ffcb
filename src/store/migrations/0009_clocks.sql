-- A clock that was set back must not turn the order of what was seen around: `read_at` is from now on later
-- than all earlier reads of the same list, and what a clock said stands beside it.
ALTER TABLE lists ADD COLUMN whole_at TEXT; -- when it was last read whole, by the clock of that run
UPDATE lists SET whole_at = read_at;

DROP TRIGGER playlist_is_renamed;
CREATE TRIGGER playlist_is_renamed AFTER UPDATE OF name, description ON playlists
WHEN OLD.name IS NOT NEW.name OR OLD.description IS NOT NEW.description BEGIN
  INSERT OR REPLACE INTO playlist_details (playlist_id, seen_at, name, description)
  SELECT NEW.id, max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
                     coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', max(seen_at), '+0.001 seconds'), '')), NEW.name, NEW.description
  FROM playlist_details WHERE playlist_id = NEW.id;
END;
