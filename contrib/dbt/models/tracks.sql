{{ config(unique_key=['id']) }}
SELECT
  id, name, uri, album_id, disc_number, track_number, duration_ms, isrc, first_seen_at::TIMESTAMPTZ AS first_seen_at,
  row_version, deleted_at
FROM {{ feed('tracks') }}
