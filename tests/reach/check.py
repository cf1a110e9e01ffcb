#!/usr/bin/env python3
"""Copies a store with real programs: with `singer` into real targets, and with the recipes in contrib/. After each of a first
copy, inserted, changed and deleted rows, and a copy without changes, the copy has to equal the store, value for value.

    check.py PROGRAM FOLDER [NAME…]

FOLDER has the virtual environments `tools`, `singer` and `jsonl`. NAME is one of jsonl, postgres, duckdb, dlt, sling, dbt.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM, TOOLS = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
EDGE_CASES = "0SandboxOddPlaylist000"
BOOLEANS = {
    "explicit", "is_playable", "is_externally_hosted", "public", "collaborative", "fully_played", "known_gap", "restless",
    "unavailable",
}


class World:
    """A project and its sandbox."""

    def __init__(self, folder):
        self.folder = folder
        command = [PROGRAM, "sandbox", "--json", "--mode", "extended"]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        info = json.loads(self.child.stdout.readline())
        self.accounts = info["accounts_url"]
        ids = json.loads(self.ask("GET", "/_sandbox/ids"))
        self.playlists, self.tracks = ids["playlists"], ids["tracks"]
        (folder / "jobs").mkdir(parents=True)
        (folder / "config").mkdir()
        (folder / "config" / "cratedigger.toml").write_text(
            f'[spotify]\napi_url = "{info["api_url"]}"\naccounts_url = "{info["accounts_url"]}"\n'
            f'[state]\ndir = "{folder}/state"\n[limits]\nrequests_per_second = 100\n'
        )
        # The ordinary playlists come last.
        chosen = [EDGE_CASES, *self.playlists[-3:]]
        self.playlist = chosen[-1]
        job = f'[[fetch]]\nstream = "playlist_items"\nids = {json.dumps(chosen)}\n'
        albums = f'[[fetch]]\nstream = "album_tracks"\nids = {json.dumps(ids["albums"][:3])}\n'
        (folder / "jobs" / "x.toml").write_text(job + albums)
        self.env = {
            **os.environ,
            "SPOTIFY_CLIENT_ID": info["client_id"],
            "SPOTIFY_CLIENT_SECRET": info["client_secret"],
            "HOME": str(folder),
            "DLT_DATA_DIR": str(folder / "dlt"),
        }
        self.store = folder / "output" / "cratedigger.db"

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.accounts + path, method=method, data=data)) as answer:
            return answer.read()

    def run(self, *args):
        self.cli("run", *args)

    def cli(self, *args):
        done = subprocess.run([PROGRAM, "--project", self.folder, "--quiet", *args], env=self.env, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def change(self):
        """Rows are inserted, changed and deleted."""
        for edit in [
            {"do": "remove", "playlist": self.playlist, "position": 5, "count": 9},
            {"do": "insert", "playlist": self.playlist, "position": 0, "items": [self.tracks[-1]]},
        ]:
            self.ask("POST", "/_sandbox/edit", edit)
        self.run()

    def restore(self):
        """An earlier store takes the place of the store, so that versions are given to other rows."""
        for end in ["-wal", "-shm"]:
            Path(f"{self.store}{end}").unlink(missing_ok=True)
        shutil.copy(self.folder / "backup.db", self.store)
        self.change()
        self.change()

    def tables(self):
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True) as db:
            names = db.execute("SELECT substr(name, 6) FROM sqlite_schema WHERE type = 'view' AND name GLOB 'feed_*'")
            return sorted(name for (name,) in names)

    def rows(self, table):
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True) as db:
            db.row_factory = sqlite3.Row
            found = [dict(row) for row in db.execute(f"SELECT * FROM {table}")]
        for row in found:
            row.pop("fetched_at", None)
            row["row_version"] = max(row["row_version"], 1)
        return found

    def stop(self):
        self.child.terminate()
        self.child.wait()


def plain(name, value):
    """A value that does not depend on the program that wrote it."""
    if value is None:
        return None
    if name.endswith("_at"):
        time = datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value
        time = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
        return round(time.timestamp() * 1000)
    if name in BOOLEANS:
        return int(value)
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def equal(world, copy, tables):
    """Asserts that the tables equal those of the store. `copy` returns the rows of a table as dictionaries."""
    compared = 0
    for table in tables:
        found = copy(table)
        names = sorted(found[0]) if found else None
        expected = world.rows(table)
        assert len(found) == len(expected), f"{table}: {len(found)} rows instead of {len(expected)}"
        if not found:
            continue

        def comparable(rows):
            return sorted(repr([of_type(plain(name, row[name])) for name in names if name in expected[0]]) for row in rows)

        of_type = (lambda value: str(value).replace("\ufffd", "")) if copy.as_text else lambda value: value
        missing = set(expected[0]) - set(names) if copy.all_columns else set()
        assert not missing, f"{table} lacks {missing}"
        for here, there in zip(comparable(expected), comparable(found)):
            assert here == there, f"{table}\n store: {here}\n copy:  {there}"
        compared += len(found)
    assert compared > 100, compared
    return compared


def all_columns(rows, as_text=False):
    rows.all_columns, rows.as_text = True, as_text
    return rows


def some_columns(rows):
    rows.all_columns = rows.as_text = False
    return rows


def play(world, name, copy_now, rows, tables, after_restore=None):
    """Copies, changes and copies again."""
    copy_now()
    equal(world, rows, tables)
    world.cli("backup", "backup.db")
    for _ in range(2):
        world.change()
    copy_now()
    equal(world, rows, tables)
    world.change()
    copy_now()
    copy_now()
    print(f"{name}: {equal(world, rows, tables):,} rows of {len(tables)} tables equal", flush=True)
    if after_restore:
        world.restore()
        after_restore()
        equal(world, rows, tables)
        print(f"{name}: equal after a backup was restored", flush=True)


class Postgres:
    """A server on a socket in a temporary folder."""

    def __init__(self, folder):
        self.folder = folder / "postgres"
        self.bin = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        self.folder.mkdir()
        # A server does not run as root.
        self.user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self.user:
            for path in [folder, self.folder]:
                path.chmod(0o755)
            shutil.chown(self.folder, "postgres", "postgres")
        data = self.folder / "data"
        init = [*self.user, self.bin / "initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C", "-D", data]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
        options = ["-k", self.folder, "-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", f"port={free_port()}"]
        self.port = options[-1].split("=")[1]
        server = [*self.user, self.bin / "postgres", "-D", data, *options]
        self.child = subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        began = time.monotonic()
        while subprocess.run(self.psql("SELECT 1"), capture_output=True).returncode:
            assert time.monotonic() - began < 60, "the server does not start"
            time.sleep(0.1)

    def psql(self, sql):
        return ["psql", "-X", "-q", "-A", "-t", "-h", self.folder, "-p", self.port, "-U", "postgres", "-d", "postgres", "-c", sql]

    def rows(self, table, where="true"):
        sql = f"SELECT row_to_json(t) FROM spotify.{table} t WHERE {where}"
        done = subprocess.run(self.psql(f"SET timezone = 'UTC'; {sql}"), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.split("\n") if line]

    def stop(self):
        stop = [*self.user, self.bin / "pg_ctl", "stop", "-m", "immediate", "-D", self.folder / "data"]
        subprocess.run(stop, check=True, stdout=subprocess.DEVNULL)
        self.child.wait()


def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Tap:
    """`singer` and a target, which keeps the last state."""

    def __init__(self, world, target, config):
        self.world, self.state = world, world.folder / "singer-state.json"
        self.state.unlink(missing_ok=True)
        settings = world.folder / "singer-target.json"
        settings.write_text(json.dumps(config))
        self.target = [target, "--config", settings]

    def send(self, *args):
        state = ["--state", self.state] if self.state.exists() else []
        command = [PROGRAM, "--project", self.world.folder, "--quiet", "singer", *state, *args]
        tap = subprocess.Popen(command, stdout=subprocess.PIPE, env=self.world.env)
        log = self.world.folder / "target.log"
        with log.open("w") as errors:
            done = subprocess.run(self.target, stdin=tap.stdout, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert (tap.wait(), done.returncode) == (0, 0), log.read_text()[-4000:]
        self.state.write_text(done.stdout.strip().splitlines()[-1])


def check_jsonl(world):
    """target-jsonl only appends, so the last line of a key counts."""
    folder = world.folder / "jsonl"
    tap = Tap(world, TOOLS / "jsonl/bin/target-jsonl", {"destination_path": str(folder), "do_timestamp_file": False})
    catalog = json.loads(subprocess.check_output([PROGRAM, "singer", "--discover"]))
    keys = {stream["stream"]: stream["key_properties"] for stream in catalog["streams"]}

    @all_columns
    def rows(table):
        file, found = folder / f"{table}.jsonl", {}
        for line in file.read_text().split("\n") if file.exists() else []:
            if line:
                row = json.loads(line)
                found[tuple(row[part] for part in keys[table])] = row
        return [row for row in found.values() if row["_sdc_deleted_at"] is None]

    play(world, "target-jsonl", tap.send, rows, world.tables())


def check_postgres(world):
    """meltanolabs-target-postgres marks deleted rows, and deletes them after a complete load."""
    server = Postgres(world.folder)
    try:
        config = {
            "host": "127.0.0.1", "port": int(server.port), "user": "postgres", "password": "none", "database": "postgres",
            "default_target_schema": "spotify", "hard_delete": True,
        }
        tap = Tap(world, TOOLS / "singer/bin/target-postgres", config)

        @all_columns
        def rows(table):
            return server.rows(table, "_sdc_deleted_at IS NULL")

        play(world, "target-postgres", tap.send, rows, world.tables(), tap.send)
        world.change()
        tap.send()
        marked = server.rows("playlist_items", "_sdc_deleted_at IS NOT NULL")[0]
        assert marked["playlist_id"] and marked["uri"] is None, marked
        tap.send("--full")
        equal(world, all_columns(lambda table: server.rows(table)), world.tables())
        print("target-postgres: after `--full` there are no marked rows", flush=True)
    finally:
        server.stop()


def recipe(world, *command, **more):
    env = {**world.env, "PATH": f"{TOOLS}/tools/bin:{os.environ['PATH']}", **more}
    done = subprocess.run([str(word) for word in command], env=env, cwd=world.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def duckdb_rows(world, file, where="true", schema=""):
    def rows(table):
        code = (
            f"import duckdb, json; db = duckdb.connect({str(file)!r}, read_only=True); db.execute(\"SET TimeZone = 'UTC'\");"
            f" [print(row) for (row,) in db.execute('SELECT to_json(t) FROM {schema}{table} t WHERE {where}').fetchall()]"
        )
        return [json.loads(line) for line in recipe(world, TOOLS / "tools/bin/python", "-c", code).split("\n") if line]

    return rows


def check_duckdb(world):
    copy = world.folder / "music.duckdb"
    script = ROOT / "contrib/duckdb/copy_store.py"
    rows = all_columns(duckdb_rows(world, copy))

    def copy_now():
        recipe(world, TOOLS / "tools/bin/python", script, world.store, copy)

    play(world, "DuckDB", copy_now, rows, world.tables(), copy_now)


def check_dlt(world):
    script = ROOT / "contrib/dlt/cratedigger_pipeline.py"
    # dlt creates a table with its first row.
    tables = [table for table in world.tables() if world.rows(table)]
    rows = all_columns(duckdb_rows(world, world.folder / "cratedigger.duckdb", schema="spotify."))

    def copy_now():
        recipe(world, TOOLS / "tools/bin/python", script, world.store)

    play(world, "dlt", copy_now, rows, tables, copy_now)


def check_sling(world):
    server = Postgres(world.folder)
    try:
        script = ROOT / "contrib/sling/copy_store.sh"
        url = f"postgres://postgres@127.0.0.1:{server.port}/postgres?sslmode=disable"

        def copy_now():
            program = next(TOOLS.glob("tools/lib/python*/site-packages/sling_linux_amd64/bin/sling-linux-amd64"))
            recipe(world, script, world.store, world.folder / "copied.state", WAREHOUSE=url, SLING_BINARY=str(program))

        # sling stores some integers as text, and drops the character NUL.
        rows = all_columns(lambda table: server.rows(table, "deleted_at IS NULL"), as_text=True)
        play(world, "sling", copy_now, rows, ["playlists", "playlist_items", "tracks"], copy_now)
    finally:
        server.stop()


def check_dbt(world):
    folder, copy = world.folder / "dbt", world.folder / "dbt.duckdb"
    shutil.copytree(ROOT / "contrib/dbt", folder)

    def copy_now(*more):
        dbt = [TOOLS / "tools/bin/dbt", "--no-send-anonymous-usage-stats", "run", "--project-dir", folder, "--profiles-dir", folder]
        recipe(world, *dbt, *more, CRATEDIGGER_STORE=str(world.store), CRATEDIGGER_COPY=str(copy))

    def after_restore():
        try:
            copy_now()
        except AssertionError as error:
            assert "run `dbt run --full-refresh`" in str(error), error
        else:
            raise AssertionError("an increment of another epoch is not refused")
        copy_now("--full-refresh")

    rows = some_columns(duckdb_rows(world, copy, "deleted_at IS NULL", schema="spotify."))
    play(world, "dbt", copy_now, rows, ["playlist_items", "tracks"], after_restore)


def main():
    checks = {name.removeprefix("check_"): check for name, check in globals().items() if name.startswith("check_")}
    for name in sys.argv[3:] or checks:
        with tempfile.TemporaryDirectory(prefix="reach-") as folder:
            world = World(Path(folder))
            try:
                # DuckDB finds its extension here instead of in the network.
                for file in TOOLS.glob("tools/lib/python*/site-packages/duckdb_extension_sqlite_scanner/extensions/*/*"):
                    place = world.folder / ".duckdb/extensions" / file.parent.name / "linux_amd64"
                    place.mkdir(parents=True)
                    shutil.copy(file, place)
                world.run()
                checks[name](world)
            finally:
                world.stop()


main()
