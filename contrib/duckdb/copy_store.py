"""Keeps a DuckDB file equal to the store: all rows at first, and then new, changed and deleted rows.

    pip install duckdb
    python copy_store.py output/cratedigger.db music.duckdb

DuckDB cannot run the views of SQLite itself, so SQLite does it (`sqlite_query`). A run may write the store meanwhile: all
tables are read up to one `feed_version`, and the next time sends the rest.
"""

import sys

import duckdb

STORE, COPY = sys.argv[1:]

db = duckdb.connect(COPY)
db.execute("INSTALL sqlite; LOAD sqlite")
db.execute(f"ATTACH '{STORE}' AS store (TYPE sqlite, READ_ONLY)")
now = dict(db.execute("SELECT key, value FROM store.store_info WHERE key LIKE 'feed_%'").fetchall())
epoch, version, since = now["feed_epoch"], int(now["feed_version"]), int(now["feed_since"])
views = "SELECT name FROM sqlite_schema WHERE type = ''view'' AND name LIKE ''feed_%''"
tables = [view.removeprefix("feed_") for (view,) in db.execute(f"SELECT name FROM sqlite_query('store', '{views}')").fetchall()]
keys = dict(
    db.execute(
        "SELECT table_name, constraint_column_names FROM duckdb_constraints()"
        " WHERE database_name = 'store' AND constraint_type = 'PRIMARY KEY'"
    ).fetchall()
)

# Rows and version are committed together.
db.execute("BEGIN")
db.execute("CREATE TABLE IF NOT EXISTS feed_state (epoch VARCHAR, version BIGINT)")
known_epoch, known = db.execute("SELECT coalesce(max(epoch), ''), coalesce(max(version), 0) FROM feed_state").fetchone()
# Another epoch is a restored backup; before `feed_since`, keys of deleted rows are forgotten.
is_full = known_epoch != epoch or not since <= known <= version
for table in tables:
    shape = f"SELECT COLUMNS(name -> name <> 'fetched_at') FROM store.{table} LIMIT 0"
    db.execute(f"CREATE TABLE IF NOT EXISTS {table} AS {shape}")
    bound = f"row_version <= {version}" + ("" if is_full else f" AND row_version > {known}")
    db.execute(f"CREATE TEMP TABLE changed AS FROM sqlite_query('store', 'SELECT * FROM feed_{table} WHERE {bound}')")
    same = " AND ".join(f"t.{part} = c.{part}" for part in keys[table])
    db.execute(f"DELETE FROM {table}" if is_full else f"DELETE FROM {table} t USING changed c WHERE {same}")
    db.execute(f"INSERT INTO {table} BY NAME SELECT * EXCLUDE deleted_at FROM changed WHERE deleted_at IS NULL")
    db.execute("DROP TABLE changed")
db.execute("DELETE FROM feed_state")
db.execute("INSERT INTO feed_state VALUES (?, ?)", [epoch, version])
db.execute("COMMIT")
print(f"{len(tables)} tables at version {version}{', completely' if is_full else ''}")
