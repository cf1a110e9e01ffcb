#!/usr/bin/env python3
"""Measures exports of playlists against a sandbox and prints one table.

CPU seconds are the user and system time of the whole process, as the operating system reports it. The
sandbox is another process and is not included. Wall times depend on the machine and on its load, and CPU
times depend on the machine, so compare ratios.

    bench.py [--peers [--dlt]] [--runs 3] [--playlists 10,100] [--items 10000] [--tracks 50000]
    bench.py [--peers [--dlt]] [--runs 3] --saved 10000

The second form exports the saved tracks of a user. With --runs, each line has the median CPU time of that many runs.
"""

import argparse
import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROGRAM = TARGET / "release" / "cratedigger"
RSPOTIFY = TARGET / "peers" / "release" / "rspotify-peer"
SPOTIPY = [TARGET / "peers" / "venv" / "bin" / "python", ROOT / "benches" / "peers" / "spotipy" / "export.py"]
DLT = [TARGET / "peers" / "dlt" / "bin" / "python", ROOT / "benches" / "peers" / "dlt" / "export.py"]

# Items per page.
PAGE = 100

# Whose saved tracks are exported.
USER = "sandbox-studio"
SCOPES = ["user-library-read"]


class Measured:
    """CPU time, memory and wall time of one process.

    Linux measures the peak memory of a child from the fork on, so it is at least that of this program.
    """

    def __init__(self, usage, seconds):
        self.cpu = usage.ru_utime + usage.ru_stime
        self.mib = usage.ru_maxrss / 1024
        self.seconds = seconds


def measure(command, env, log=subprocess.DEVNULL):
    """Runs a command and waits for it; ends the benchmark if it fails."""
    began = time.monotonic()
    child = subprocess.Popen([str(word) for word in command], env={**os.environ, **env}, stdout=log)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{' '.join(child.args)} ended with {child.returncode}")
    return Measured(usage, time.monotonic() - began)


def median(runs, measure_run):
    """Calls a function with 0, 1, … and returns the run with the median CPU time."""
    return sorted((measure_run(number) for number in range(runs)), key=lambda one: one.cpu)[runs // 2]


class Sandbox:
    """A sandbox process with as many playlists as the largest run needs."""

    def __init__(self, options):
        command = [PROGRAM, "sandbox", "--json", "--mode", "extended", "--tracks", options.tracks]
        command += ["--playlists", max(options.playlists), "--playlist-items", options.items]
        self.child = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        info = json.loads(self.child.stdout.readline())
        self.api, self.accounts = info["api_url"], info["accounts_url"]
        self.credentials = {"SPOTIFY_CLIENT_ID": info["client_id"], "SPOTIFY_CLIENT_SECRET": info["client_secret"]}
        ids = json.loads(self.get(f"{self.accounts}/_sandbox/ids"))["playlists"]
        # The fixtures come first.
        self.playlists = ids[-max(options.playlists):]

    def get(self, url, **headers):
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.read()

    def post(self, path, body):
        request = urllib.request.Request(f"{self.accounts}{path}", data=body)
        if not isinstance(body, bytes):
            request.data = json.dumps(body).encode()
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def save_tracks(self, pages):
        """Saves the tracks of recorded pages for a user who has none of them, signs the user in, and returns how many they are."""
        ids = []
        for page in sorted(pages.iterdir()):
            tracks = (item.get("track") or item.get("item") for item in json.loads(page.read_bytes())["items"])
            ids += [track["id"] for track in tracks]
        ids = list(dict.fromkeys(ids))
        for track in ids:
            self.post("/_sandbox/library", {"do": "save", "user": USER, "shelf": "tracks", "id": track})
        granted = json.loads(self.post("/_sandbox/grants", {"user": USER, "scopes": SCOPES}))
        self.credentials["SPOTIFY_REFRESH_TOKEN"] = granted["refresh_token"]
        return len(ids)

    def record(self, count, items, folder):
        """Writes the pages of some playlists into a folder."""
        folder.mkdir()
        pair = ":".join(self.credentials.values()).encode()
        form = urllib.request.Request(
            f"{self.accounts}/api/token",
            data=b"grant_type=client_credentials",
            headers={"Authorization": f"Basic {b64encode(pair).decode()}"},
        )
        with urllib.request.urlopen(form) as answer:
            token = json.load(answer)["access_token"]
        for number, playlist in enumerate(self.playlists[:count]):
            for offset in range(0, items, PAGE):
                url = f"{self.api}/playlists/{playlist}/tracks?limit={PAGE}&offset={offset}"
                page = self.get(url, Authorization=f"Bearer {token}")
                (folder / f"{number:03}-{offset:06}.json").write_bytes(page)

    def calls(self):
        return len(json.loads(self.get(f"{self.accounts}/_sandbox/log")))

    def stop(self):
        self.child.terminate()
        self.child.wait()


class Project:
    """A project folder with one job."""

    def __init__(self, folder, sandbox, count):
        """Exports this many playlists, or the saved tracks if it is 0."""
        self.folder, self.env = folder, sandbox.credentials
        (folder / "jobs").mkdir(parents=True)
        (folder / "config").mkdir()
        (folder / "config" / "cratedigger.toml").write_text(
            f'[spotify]\napi_url = "{sandbox.api}"\naccounts_url = "{sandbox.accounts}"\napp_mode = "extended"\n'
            f'[state]\ndir = "{folder}/state"\n'
            '[limits]\nrequests_per_second = 1000.0\ncalls_per_day = "unlimited"\ncalls_per_family = "unlimited"\n'
        )
        ids = json.dumps(sandbox.playlists[:count])
        job = f'[[fetch]]\nstream = "playlist_items"\nids = {ids}\n'
        if not count:
            job = 'user = "studio"\n[[fetch]]\nstream = "saved_tracks"\n'
        (folder / "jobs" / "crates.toml").write_text(f'schedule = "15 6 1 1 *"\n{job}')
        self.store = folder / "output" / "cratedigger.db"

    def run(self, *more):
        return measure([PROGRAM, "--project", self.folder, "--quiet", "run", *more], self.env)


def floor(*arguments):
    """Measures one of the lower bounds in benches/floor.rs."""
    command = ["cargo", "bench", "--quiet", "--bench", "floor", "--", *arguments]
    done = subprocess.run([str(word) for word in command], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def line(name, rows, cpu, mib=None, seconds=None, ratio=None):
    cells = [f"{name:<44}", f"{rows:>9,}", f"{cpu:>8.2f}", f"{rows / cpu:>9,.0f}" if cpu else " " * 9]
    cells.append(f"{mib:>7.1f}" if mib else " " * 7)
    cells.append(f"{seconds:>7.1f}" if seconds else " " * 7)
    cells.append(f"{ratio:>7.2f}" if ratio else "")
    print("  ".join(cells).rstrip(), flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--peers", action="store_true", help="measure rspotify and spotipy too")
    arguments.add_argument("--dlt", action="store_true", help="with --peers: measure dlt too, which takes minutes")
    arguments.add_argument("--playlists", default="10,100", help="numbers of playlists, one export for each")
    arguments.add_argument("--items", type=int, default=10_000, help="items in each playlist")
    arguments.add_argument("--tracks", type=int, default=50_000, help="distinct tracks in the catalog")
    arguments.add_argument("--saved", type=int, help="export a library of this many saved tracks instead")
    arguments.add_argument("--runs", type=int, default=1, help="runs of each export, of which the median counts")
    options = arguments.parse_args()
    options.playlists = sorted(int(n) for n in options.playlists.split(","))
    if options.saved:
        # The tracks of one playlist are saved.
        options.playlists, options.items = [1], options.saved
    with tempfile.TemporaryDirectory(prefix="bench-", dir=TARGET) as folder:
        sandbox = Sandbox(options)
        try:
            if options.saved:
                bench_saved(options, sandbox, Path(folder))
            else:
                bench(options, sandbox, Path(folder))
        finally:
            sandbox.stop()


def bench(options, sandbox, folder):
    few = options.playlists[0]
    rows = few * options.items
    print(f"{options.tracks:,} tracks in the catalog, playlists of {options.items:,} items\n")
    print(f"{'':<44}  {'rows':>9}  {'CPU s':>8}  {'rows/CPU':>9}  {'MiB':>7}  {'wall s':>7}  {'ratio':>7}")

    ours = {}
    for count in options.playlists:
        before = sandbox.calls()
        took = ours[count] = median(options.runs, lambda n: Project(folder / f"ours-{count}-{n}", sandbox, count).run())
        expect_rows(folder / f"ours-{count}-0" / "output" / "csv" / "crates" / "playlist_items.csv", count * options.items)
        calls = (sandbox.calls() - before) // options.runs
        line(f"export, {count} playlists, {calls:,} calls", count * options.items, took.cpu, took.mib, took.seconds)
    many = options.playlists[-1]
    again = Finished(folder / f"ours-{many}-0", sandbox).run()
    line(f"again, unchanged, {many} playlists", many * options.items, again.cpu, again.mib, again.seconds)

    finished = folder / f"ours-{few}-0"
    idle = [Finished(finished, sandbox).run("--due") for _ in range(10)]
    idle_ms = 1000 * sum(one.cpu for one in idle) / len(idle)

    sandbox.record(few, options.items, folder / "pages")
    parsed = floor("parse", folder / "pages")
    shutil.rmtree(folder / "pages")
    line(f"P: reading the pages of {few} from memory", parsed["rows"], parsed["cpu"])
    stored = floor("store", finished / "output" / "cratedigger.db", folder / "floor.db")
    line(f"Q: SQLite taking the rows of {few}", stored["rows"], stored["cpu"])

    one = ours[few].cpu
    peers = measure_peers(options, sandbox, folder, few * options.items, sandbox.playlists[:few]) if options.peers else {}

    print()
    floors = parsed["cpu"] + stored["cpu"]
    print(f"ours / (P + Q)                 {one / floors:.2f}   (at most 2)")
    if many > few:
        print(f"CPU per row, {many} to {few} playlists {ours[many].cpu * few / many / one:.2f}   (linear: 1 or less)")
        print(f"peak memory, {many} to {few}         {ours[many].mib / ours[few].mib:.2f}   (at most 1.10)")
    print(f"peak memory, largest           {max(m.mib for m in ours.values()):.1f} MiB   (under 64)")
    print(f"run --due with nothing due     {idle_ms:.1f} ms of CPU   (under 50)")
    print_ratios(one, peers)


def bench_saved(options, sandbox, folder):
    """Exports a library by ours and by the peers."""
    sandbox.record(1, options.saved, folder / "pages")
    saved = sandbox.save_tracks(folder / "pages")
    shutil.rmtree(folder / "pages")
    took = median(options.runs, lambda n: Project(folder / f"ours-{n}", sandbox, 0).run())
    # The user had some others before.
    rows = count_rows(folder / "ours-0" / "output" / "csv" / "crates" / "saved_tracks.csv")
    if rows < saved:
        sys.exit(f"{rows:,} rows instead of {saved:,}")
    line("export of the saved tracks", rows, took.cpu, took.mib, took.seconds)
    peers = measure_peers(options, sandbox, folder, rows, []) if options.peers else {}
    print_ratios(took.cpu, peers)


def count_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def expect_rows(path, count):
    """Ends the benchmark if a CSV file has another number of rows: a program that does less work is no comparison."""
    found = count_rows(path)
    if found != count:
        sys.exit(f"{path} has {found:,} rows instead of {count:,}")


def expect_items(path, count):
    """The same for the table of items in a database."""
    with sqlite3.connect(path) as database:
        (found,) = database.execute("SELECT count(*) FROM items").fetchone()
    if found != count:
        sys.exit(f"{path} has {found:,} rows instead of {count:,}")


def measure_peers(options, sandbox, folder, rows, playlists):
    """Exports the same by the peers: playlists, or the saved tracks if none are given."""
    peers = {}
    programs = {"rspotify": [RSPOTIFY], "spotipy": SPOTIPY, **({"dlt": DLT} if options.dlt else {})}
    for name, command in programs.items():
        def run(number, command=command, name=name):
            return measure([*command, sandbox.accounts, folder / f"{name}-{number}", *playlists], sandbox.credentials)
        took = peers[name] = median(options.runs, run)
        if name == "dlt":
            expect_items(folder / "dlt-0" / "peer.db", rows)
        else:
            expect_rows(folder / f"{name}-0" / "peer.csv", rows)
        line(name, rows, took.cpu, took.mib, took.seconds)
    return peers


def print_ratios(ours, peers):
    for name, target in (("rspotify", "   (at most 1/3)"), ("spotipy", "   (at most 1/7)"), ("dlt", "")):
        if name in peers:
            print(f"ours / {name:<23} {ours / peers[name].cpu:.3f}{target}")


class Finished(Project):
    """A project that has been exported already."""

    def __init__(self, folder, sandbox):
        self.folder, self.env = folder, sandbox.credentials


if __name__ == "__main__":
    main()
