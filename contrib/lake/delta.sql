-- Keeps the table playlist_items of Delta equal to a lake of cratedigger, with Spark SQL. Run the output of
--   cratedigger schema feed --sql spark
-- first, in the same session: it has the view playlist_items_files of the files that count now.

CREATE TABLE IF NOT EXISTS music.playlist_items USING delta AS
SELECT * FROM playlist_items_files WHERE false;

-- The files of an epoch have all rows, so a row that they do not have was deleted.
MERGE INTO music.playlist_items AS t
USING (
  SELECT * FROM (
    SELECT *, row_number() OVER (PARTITION BY playlist_id, position ORDER BY _version DESC) AS _newest FROM playlist_items_files
  ) WHERE _newest = 1
) AS s
ON t.playlist_id = s.playlist_id AND t.position = s.position
WHEN MATCHED AND s._op = 'd' THEN DELETE
WHEN MATCHED AND s._version > t._version THEN UPDATE SET *
WHEN NOT MATCHED AND s._op = 'u' THEN INSERT *
WHEN NOT MATCHED BY SOURCE THEN DELETE;
