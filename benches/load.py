#!/usr/bin/env python3
"""Compares a store of 5 million playlist items with one of 1 million.

`run` fills each store from the sandbox and writes one file for each playlist and one joint file. Then the
usual commands run on it. CPU seconds are the user and system time of the whole process, and memory is its
peak. The sandbox is another process and is not included.

    load.py [--playlists 200,1000] [--items 5000] [--tracks 50000]
"""

import argparse
import json
import shutil
import sys
import tempfile
import urllib.request
from pathlib import Path

from bench import TARGET, PROGRAM, Project, Sandbox, measure

# A job may have this many [[fetch]] tables.
FETCHES = 200


class Load(Project):
    """A project with jobs that write a file for each playlist, and one job that writes all of them to one file."""

    def __init__(self, folder, sandbox, count):
        super().__init__(folder, sandbox, count)
        self.sandbox, self.ids = sandbox, sandbox.playlists[:count]
        (folder / "jobs" / "crates.toml").unlink()
        self.jobs = []
        for first in range(0, count, FETCHES):
            name = f"each-{first // FETCHES}"
            self.jobs.append(name)
            self.write(name, [(f"crate_{n}", [self.ids[n]]) for n in range(first, min(first + FETCHES, count))])
        self.write("joint", [("all", self.ids)])

    def write(self, name, fetches):
        text = 'schedule = "15 6 1 1 *"\n'
        for fetch, ids in fetches:
            text += f'[[fetch]]\nname = "{fetch}"\nstream = "playlist_items"\nids = {json.dumps(ids)}\n'
        (self.folder / "jobs" / f"{name}.toml").write_text(text)

    def command(self, *words):
        return measure([PROGRAM, "--project", self.folder, "--quiet", *words], self.env)

    def delete_files(self):
        shutil.rmtree(self.folder / "output" / "csv")

    def edit(self, playlist, position):
        """Removes one item from a playlist."""
        change = {"do": "remove", "playlist": playlist, "position": position, "count": 1}
        url = f"{self.sandbox.accounts}/_sandbox/edit"
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(change).encode(), method="POST")):
            pass

    def steps(self):
        """The measured steps in order: name, command, and a function to call before it."""
        yield "run, all new, a file each", ("run", *self.jobs), None
        yield "run, unchanged, now in one joint file", ("run", "joint"), None
        yield "run, unchanged", ("run", *self.jobs), None
        yield "run, one list changed", ("run", *self.jobs), lambda: self.edit(self.ids[0], 7)
        yield "run, one list changed, joint file", ("run", "joint"), lambda: self.edit(self.ids[0], 8)
        yield "export, all files", ("export",), self.delete_files
        yield "diff of the joint job", ("diff", "--since", "2020-01-01", "joint"), None
        yield "verify", ("verify",), None
        yield "backup", ("backup", self.folder / "output" / "copy.db"), None


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--playlists", default="200,1000", help="numbers of playlists in the small and the large store")
    arguments.add_argument("--items", type=int, default=5_000, help="items in each playlist")
    arguments.add_argument("--tracks", type=int, default=50_000, help="distinct tracks in the catalog")
    options = arguments.parse_args()
    options.playlists = sorted(int(n) for n in options.playlists.split(","))
    with tempfile.TemporaryDirectory(prefix="load-", dir=TARGET) as folder:
        sandbox = Sandbox(options)
        try:
            load(options, sandbox, Path(folder))
        finally:
            sandbox.stop()


def load(options, sandbox, folder):
    sizes = [(count, Load(folder / str(count), sandbox, count)) for count in options.playlists]
    print(f"{options.tracks:,} tracks in the catalog, playlists of {options.items:,} items\n")
    took = {}
    for count, project in sizes:
        print(f"{count * options.items:,} items{'':<26}  {'CPU s':>8}  {'MiB':>7}  {'wall s':>7}")
        for name, words, before in project.steps():
            if before:
                before()
            one = took[name, count] = project.command(*words)
            print(f"{name:<38}  {one.cpu:>8.2f}  {one.mib:>7.1f}  {one.seconds:>7.1f}", flush=True)
        (project.folder / "output" / "copy.db").unlink()
        size = sum(f.stat().st_size for f in (project.folder / "output").rglob("*") if f.is_file()) >> 20
        print(f"{size:,} MiB in output\n")
        shutil.rmtree(project.folder / "output")
    (few, _), (many, _) = sizes[0], sizes[-1]
    print(f"{'':<38}  {'ratio':>8}  {'MiB':>7}   (at most {6 * many / few / 5:.1f} and under 96)")
    for name in dict.fromkeys(name for name, _ in took):
        ratio = took[name, many].cpu / took[name, few].cpu
        print(f"{name:<38}  {ratio:>8.2f}  {took[name, many].mib:>7.1f}")


if __name__ == "__main__":
    sys.exit(main())
