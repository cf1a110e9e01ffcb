{# A table or view of the store, which is opened read-only. (DuckDB cannot list the views of a store that is attached.) #}
{% macro store(name) %}sqlite_scan('{{ env_var("CRATEDIGGER_STORE") }}', '{{ name }}'){% endmacro %}

{# The rows of a table: all of them, or what changed since the last time. #}
{% macro feed(table) %}
  {%- if execute -%}
    {%- set version = run_query("SELECT version FROM " ~ target.schema ~ ".feed_now").rows[0][0] -%}
    {%- set had = 0 -%}
    {%- if is_incremental() -%}
      {%- set had = run_query("SELECT coalesce(max(row_version), 0) FROM " ~ this).rows[0][0] -%}
    {%- endif -%}
    (
      SELECT * REPLACE (row_version::VARCHAR::BIGINT AS row_version, deleted_at::VARCHAR::TIMESTAMPTZ AS deleted_at)
      FROM {{ store("feed_" ~ table) }}
      WHERE row_version::VARCHAR::BIGINT BETWEEN {{ had }} + 1 AND {{ version }}
    )
  {%- else -%}
    (SELECT NULL)
  {%- endif -%}
{% endmacro %}

{# Reads where the store is, once for all models, and refuses an increment that would lack deleted rows. #}
{% macro begin_feed() %}
  {% if execute %}
    {% do run_query("CREATE SCHEMA IF NOT EXISTS " ~ target.schema) %}
    {% do run_query("CREATE TABLE IF NOT EXISTS " ~ target.schema ~ ".feed_state (epoch VARCHAR, version BIGINT)") %}
    {% do run_query(
      "CREATE OR REPLACE TABLE " ~ target.schema ~ ".feed_now AS SELECT max(value) FILTER (WHERE key = 'feed_epoch') AS epoch,"
      " max(value) FILTER (WHERE key = 'feed_version')::BIGINT AS version, max(value) FILTER (WHERE key = 'feed_since')::BIGINT AS since"
      " FROM " ~ store("store_info")
    ) %}
    {% set behind = run_query(
      "SELECT 1 FROM " ~ target.schema ~ ".feed_state s, " ~ target.schema ~ ".feed_now n"
      " WHERE s.epoch <> n.epoch OR s.version < n.since OR s.version > n.version"
    ) %}
    {% if behind.rows | length > 0 and not flags.FULL_REFRESH %}
      {{ exceptions.raise_compiler_error("the store forgot deleted rows or was restored: run `dbt run --full-refresh`") }}
    {% endif %}
  {% endif %}
{% endmacro %}

{# Remembers the version, if all models have it. #}
{% macro end_feed(results) %}
  {% if execute and results | selectattr("status", "ne", "success") | list | length == 0 %}
    {% do run_query(
      "CREATE OR REPLACE TABLE " ~ target.schema ~ ".feed_state AS SELECT epoch, version FROM " ~ target.schema ~ ".feed_now"
    ) %}
  {% endif %}
{% endmacro %}
