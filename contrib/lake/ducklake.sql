-- Keeps the table playlist_items of a DuckLake equal to a lake of cratedigger. Attach the DuckLake as `music` first, and say where
-- the lake is:
--   ATTACH 'ducklake:music.ducklake' AS music;
--   SET VARIABLE lake = 's3://bucket/music';
-- Only files that were not read yet are read. A new epoch replaces all rows.

CREATE TABLE IF NOT EXISTS music.lake_state (table_name VARCHAR, epoch VARCHAR, version BIGINT);

CREATE OR REPLACE TEMP TABLE manifest AS
SELECT epoch, version, files FROM read_json(getvariable('lake') || '/_cratedigger.json', maximum_object_size = 67108864);

SET VARIABLE is_new_epoch = (
  SELECT NOT EXISTS (FROM music.lake_state s WHERE s.table_name = 'playlist_items' AND s.epoch = m.epoch) FROM manifest m
);
SET VARIABLE known = (SELECT coalesce(max(version), 0) FROM music.lake_state WHERE table_name = 'playlist_items');

-- If no file is new, all are read again, which changes nothing.
SET VARIABLE paths = (
  SELECT coalesce(
    list(getvariable('lake') || '/' || f.path) FILTER (getvariable('is_new_epoch') OR f."to" > getvariable('known')),
    list(getvariable('lake') || '/' || f.path)
  )
  FROM (SELECT unnest(files) AS f FROM manifest) WHERE f."table" = 'playlist_items'
);

CREATE OR REPLACE TEMP TABLE changes AS
SELECT * FROM read_parquet(getvariable('paths'), hive_partitioning = false)
QUALIFY row_number() OVER (PARTITION BY playlist_id, position ORDER BY _version DESC) = 1;

CREATE TABLE IF NOT EXISTS music.playlist_items AS SELECT * EXCLUDE (_op) FROM changes LIMIT 0;

BEGIN;
DELETE FROM music.playlist_items WHERE getvariable('is_new_epoch');
DELETE FROM music.playlist_items WHERE (playlist_id, position) IN (SELECT playlist_id, position FROM changes);
INSERT INTO music.playlist_items BY NAME SELECT * EXCLUDE (_op) FROM changes WHERE _op = 'u';
DELETE FROM music.lake_state WHERE table_name = 'playlist_items';
INSERT INTO music.lake_state SELECT 'playlist_items', epoch, version FROM manifest;
COMMIT;
