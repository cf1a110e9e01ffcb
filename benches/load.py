#!/usr/bin/env python3
"""Measures a store of 5 million playlist items beside one of 1 million, in one run.

Each store is filled by `run` from the sandbox, a file for each playlist and one joint file, and then
put through what people do with it. CPU seconds are user + system of the whole process, peak memory is
what the system says of it; the sandbox is another process and in neither.

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

# [[fetch]] tables of one job; more are refused.
FETCHES = 200


class Load(Project):
    """A project whose jobs give each playlist a file of its own, and one job that has them all in one."""

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

    def do(self, *words):
        return measure([PROGRAM, "--project", self.folder, "--quiet", *words], self.env)

    def forget_files(self):
        shutil.rmtree(self.folder / "output" / "csv")

    def edit(self, playlist, position):
        """Takes one item out of a playlist."""
        change = {"do": "remove", "playlist": playlist, "position": position, "count": 1}
        url = f"{self.sandbox.accounts}/_sandbox/edit"
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(change).encode(), method="POST")):
            pass

    def steps(self):
        """What is measured, in order: name, command, and what happens before it."""
        yield "run, all new, a file each", ("run", *self.jobs), None
        yield "run, unchanged, now in one joint file", ("run", "joint"), None
        yield "run, unchanged", ("run", *self.jobs), None
        yield "run, one list changed", ("run", *self.jobs), lambda: self.edit(self.ids[0], 7)
        yield "run, one list changed, joint file", ("run", "joint"), lambda: self.edit(self.ids[0], 8)
        yield "export, all files anew", ("export",), self.forget_files
        yield "diff of the joint job", ("diff", "--since", "2020-01-01", "joint"), None
        yield "verify", ("verify",), None
        yield "backup", ("backup", self.folder / "output" / "copy.db"), None


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--playlists", default="200,1000", help="how many, in the small store and the large one")
    arguments.add_argument("--items", type=int, default=5_000, help="in each playlist")
    arguments.add_argument("--tracks", type=int, default=50_000, help="distinct ones in the catalog")
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
            one = took[name, count] = project.do(*words)
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
