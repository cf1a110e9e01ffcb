"""Loads the store into any destination of dlt: all rows at first, and then new, changed and deleted rows.

    pip install "dlt[duckdb]"
    python cratedigger_pipeline.py output/cratedigger.db

The store is opened read-only, and all tables are read in one transaction, so they are of one state.
"""

import sqlite3
import sys

import dlt

DESTINATION = "duckdb"
TYPES = {"INTEGER": "bigint", "TEXT": "text"}


@dlt.source(name="cratedigger")
def store(db, since, state):
    """One resource for each view; those that have not changed are left out."""
    views = [view for (view,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'view' AND name GLOB 'feed_*'")]
    for view in views:
        table = view.removeprefix("feed_")
        of_table = db.execute(f"PRAGMA table_info({table})").fetchall()
        columns = {name: {"data_type": TYPES[kind], "nullable": not key} for _, name, kind, _, _, key in of_table}
        columns.pop("fetched_at", None)
        # A row with `deleted_at` is deleted. (A flag of 0 or 1 would be no hint: the rows with 0 would go as well.)
        columns["deleted_at"] = {"data_type": "timestamp", "hard_delete": True}
        yield dlt.resource(
            rows(db, view, since),
            name=table,
            write_disposition="merge",
            primary_key=[name for _, name, _, _, _, key in of_table if key],
            columns=columns,
        )
    # What the destination then has is loaded together with the rows.
    yield dlt.resource([state], name="feed_state", write_disposition="replace")


def rows(db, view, since):
    found = db.execute(f"SELECT * FROM {view} WHERE row_version > ?", [since])
    names = [name for name, *_ in found.description]
    for row in found:
        # dlt would drop the character NUL, which many databases cannot store.
        yield dict(zip(names, (v.replace("\0", "\ufffd") if isinstance(v, str) else v for v in row)))


def load(path, destination=DESTINATION, dataset="spotify"):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    db.execute("BEGIN")
    now = dict(db.execute("SELECT key, value FROM store_info WHERE key GLOB 'feed_*'"))
    pipeline = dlt.pipeline("cratedigger", destination=destination, dataset_name=dataset)
    if pipeline.has_pending_data:
        # An earlier load was interrupted.
        pipeline.run()
    try:
        with pipeline.sql_client() as client:
            [(epoch, version)] = client.execute_sql("SELECT epoch, version FROM feed_state")
    except Exception:
        epoch, version = "", 0
    # Another epoch is a restored backup; before `feed_since`, keys of deleted rows are forgotten.
    is_full = epoch != now["feed_epoch"] or not int(now["feed_since"]) <= version <= int(now["feed_version"])
    state = {"epoch": now["feed_epoch"], "version": int(now["feed_version"])}
    source = store(db, 0 if is_full else version, state)
    return pipeline.run(source, refresh="drop_data" if is_full else None)


if __name__ == "__main__":
    print(load(*sys.argv[1:]))
