{{ config(unique_key=['playlist_id', 'position']) }}
SELECT
  playlist_id, position, kind, uri, track_id, added_at::TIMESTAMPTZ AS added_at, added_by, row_version, deleted_at
FROM {{ feed('playlist_items') }}
