#!/usr/bin/env python3
"""Keeps a read transaction open for an hour while a job whose playlists change runs every minute.

Three projects have the same job. The store of the first has no reader. On the stores of the other two this
program holds one read transaction, like a notebook that was left open. The third project limits its -wal
file to 32 MiB. Each line shows the exit code, the size of the -wal file and the size of the store. The
reader must see the same data every minute. After it has closed, the next runs must make all three projects
equal.

    reader.py [--minutes 60] [--every 60] [--playlists 5] [--items 1000] [--tracks 5000]
"""

import argparse
import hashlib
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

from bench import PROGRAM, TARGET, Project, Sandbox

# `[output] wal_limit_mib` of the third project.
LIMIT = 32


class ReadProject(Project):
    """A project, with or without a reader that keeps its store open."""

    def __init__(self, name, folder, sandbox, options, read, settings=""):
        super().__init__(folder, sandbox, options.playlists)
        self.name, self.codes, self.largest = name, Counter(), 0
        with (folder / "config" / "cratedigger.toml").open("a") as file:
            file.write(settings)
        if self.command("run") != 0:
            sys.exit("the first run failed")
        self.reader = None
        if read:
            self.reader = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, isolation_level=None)
            self.reader.execute("BEGIN")
            self.first_rows = rows(self.reader)

    def command(self, command):
        words = [str(word) for word in (PROGRAM, "--project", self.folder, "--quiet", command)]
        return subprocess.run(words, env=self.env, stderr=subprocess.DEVNULL, check=False).returncode

    def minute(self):
        code = self.command("run")
        self.codes[code] += 1
        wal = mib(self.store.with_name(self.store.name + "-wal"))
        self.largest = max(self.largest, wal)
        if self.reader and rows(self.reader) != self.first_rows:
            sys.exit(f"{self.name}: the reader sees other rows than at the start")
        return f"{code:>5} {wal:>9.1f} {mib(self.store):>9.1f}"

    def close_reader(self):
        if self.reader:
            self.reader.close()
            self.reader = None

    def csv(self):
        """A hash of the CSV file of the job."""
        return hashlib.sha256((self.folder / "output/csv/crates/playlist_items.csv").read_bytes()).hexdigest()


def rows(reader):
    """A hash of the playlist items that a reader sees."""
    seen = hashlib.sha256()
    for row in reader.execute("SELECT playlist_id, position, uri, added_at FROM playlist_items ORDER BY 1, 2"):
        seen.update(repr(row).encode())
    return seen.hexdigest()


def mib(path):
    return path.stat().st_size / (1 << 20) if path.exists() else 0.0


def edit(sandbox, change):
    url = f"{sandbox.accounts}/_sandbox/edit"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(change).encode(), method="POST")):
        pass


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--minutes", type=int, default=60, help="number of runs")
    arguments.add_argument("--every", type=float, default=60, help="seconds from one run to the next")
    arguments.add_argument("--playlists", type=int, default=5)
    arguments.add_argument("--items", type=int, default=1_000, help="items in each playlist")
    arguments.add_argument("--tracks", type=int, default=5_000, help="distinct tracks in the catalog")
    options = arguments.parse_args()
    options.playlists = [options.playlists]
    with tempfile.TemporaryDirectory(prefix="reader-", dir=TARGET) as folder:
        sandbox = Sandbox(options)
        options.playlists = options.playlists[0]
        try:
            hold(options, sandbox, Path(folder))
        finally:
            sandbox.stop()


def hold(options, sandbox, folder):
    limited = f"[output]\nwal_limit_mib = {LIMIT}\n"
    projects = [
        ReadProject("no reader", folder / "free", sandbox, options, read=False),
        ReadProject("a reader", folder / "held", sandbox, options, read=True),
        ReadProject(f"a reader, {LIMIT} MiB", folder / "limited", sandbox, options, read=True, settings=limited),
    ]
    tracks = json.loads(sandbox.get(f"{sandbox.accounts}/_sandbox/ids"))["tracks"]
    chance = random.Random(1)
    print(f"{options.playlists} playlists of {options.items:,} items, each edited before every run;"
          " exit code, MiB of -wal, MiB of the store")
    print("   run" + "".join(f"  {project.name:>24}" for project in projects), flush=True)
    began = time.monotonic()
    for minute in range(1, options.minutes + 1):
        time.sleep(max(0.0, began + minute * options.every - time.monotonic()))
        for playlist in sandbox.playlists[: options.playlists]:
            places = [chance.randrange(options.items // 2) for _ in range(2)]
            edit(sandbox, {"do": "remove", "playlist": playlist, "position": places[0], "count": 3})
            items = chance.sample(tracks, 3)
            edit(sandbox, {"do": "insert", "playlist": playlist, "position": places[1], "items": items})
        print(f"{minute:>6}" + "".join(f"  {project.minute():>24}" for project in projects), flush=True)
    seconds = time.monotonic() - began
    for project in projects:
        project.close_reader()
        code = project.command("run")
        left = mib(project.store.with_name(project.store.name + "-wal"))
        ends = ", ".join(f"{count} ended with {code}" for code, count in sorted(project.codes.items()))
        print(f"{project.name}: of {options.minutes} runs in {seconds:,.0f} s {ends};"
              f" the -wal file grew to {project.largest:.1f} MiB")
        print(f"  without the reader: a run ends with {code} and leaves {left:.1f} MiB of it,"
              f" `verify` ends with {project.command('verify')}")
    if len({project.csv() for project in projects}) != 1:
        sys.exit("the three CSVs differ")
    print("the three CSVs are the same")


if __name__ == "__main__":
    sys.exit(main())
