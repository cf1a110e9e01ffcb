#!/usr/bin/env python3
"""Kills and starves the program at many moments, and sees whether anything is lost.

After each blow: the store passes `verify`; after the next undisturbed run, every CSV is byte for byte
what a run that nobody disturbed writes, nothing stray lies beside it, and `verify` ends with 0.

    torture.py PROGRAM [--kills 500] [--points 40] [--seed N] [--keep]

Needs strace for the system calls. Ends with 1 at a violation, whose project is left for a look.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES = ["lists.csv", "releases.csv", "album_tracks.csv", "tracks.csv"]

# What is struck, and what the call then says; None kills.
SWEEP = [
    ("pwrite64", None), ("pwrite64", "EIO"), ("pwrite64", "ENOSPC"),
    ("fsync,fdatasync", None), ("fsync,fdatasync", "EIO"),
    ("rename,renameat,renameat2", None), ("rename,renameat,renameat2", "EIO"), ("rename,renameat,renameat2", "ENOSPC"),
    ("openat", None), ("openat", "EIO"), ("openat", "EMFILE"),
    ("write", None), ("write", "ENOSPC"),
    ("ftruncate,unlink,unlinkat", None), ("ftruncate,unlink,unlinkat", "EIO"),
]


class Violation(Exception):
    pass


class Sandbox:
    def __init__(self, program):
        command = [program, "sandbox", "--json", "--mode", "extended", "--playlists", "6", "--playlist-items", "430"]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.said = json.loads(self.child.stdout.readline())

    def ids(self):
        import urllib.request

        with urllib.request.urlopen(f"{self.said['accounts_url']}/_sandbox/ids") as answer:
            return json.loads(answer.read())


class Project:
    """A fresh project against the sandbox."""

    def __init__(self, program, sandbox, ids, root):
        self.program, self.root = program, Path(tempfile.mkdtemp(dir=root))
        self.env = {
            "SPOTIFY_CLIENT_ID": sandbox.said["client_id"], "SPOTIFY_CLIENT_SECRET": sandbox.said["client_secret"],
            "HOME": str(self.root), "PATH": os.environ["PATH"],
        }
        (self.root / "config").mkdir()
        (self.root / "jobs").mkdir()
        (self.root / "config/cratedigger.toml").write_text(
            f'[spotify]\napi_url = "{sandbox.said["api_url"]}"\naccounts_url = "{sandbox.said["accounts_url"]}"\n'
            'app_mode = "extended"\n[limits]\nrequests_per_second = 1000.0\n'
        )
        lists = json.dumps(ids["playlists"][-5:])
        artists, albums, tracks = (json.dumps(ids[kind][:6]) for kind in ("artists", "albums", "tracks"))
        (self.root / "jobs/x.toml").write_text(
            f'[[fetch]]\nname = "lists"\nstream = "playlist_items"\nids = {lists}\n'
            f'[[fetch]]\nname = "releases"\nstream = "artist_albums"\nids = {artists}\n'
            f'[[fetch]]\nstream = "album_tracks"\nids = {albums}\n'
            f'[[fetch]]\nstream = "tracks"\nids = {tracks}\n'
        )

    def command(self, *words):
        return [self.program, "--project", str(self.root), *words]

    def call(self, *words, before=(), **more):
        return subprocess.run([*before, *self.command(*words)], env=self.env, capture_output=True, text=True, **more)

    def files(self):
        folder = self.root / "output/csv/x"
        return {name: (folder / name).read_bytes() for name in FILES}

    def sound(self, what):
        """The store is whole, whatever has been done to it."""
        store = self.root / "output/cratedigger.db"
        if not store.exists() or store.stat().st_size == 0:
            return
        done = self.call("verify", "--json")
        if not done.stdout:
            # Killed before the schema was there.
            if "is not a cratedigger store" in done.stderr or "older version" in done.stderr:
                return
            raise Violation(f"{what}: verify said {done.stderr}")
        findings = json.loads(done.stdout)["store"]["findings"]
        if findings:
            raise Violation(f"{what}: {findings}")

    def heals(self, what, wanted):
        done = self.call("run")
        if done.returncode != 0:
            raise Violation(f"{what}: the next run ended with {done.returncode}: {done.stderr}")
        self.equals(what, wanted)
        done = self.call("verify")
        if done.returncode != 0:
            raise Violation(f"{what}: after the next run verify says {done.stdout}{done.stderr}")
        stray = [str(path) for path in self.root.rglob(".cratedigger-*")]
        if stray:
            raise Violation(f"{what}: {stray} lie about")

    def equals(self, what, wanted):
        for name, content in self.files().items():
            if content != wanted[name]:
                raise Violation(f"{what}: {name} is not what an undisturbed run writes")


class Torture:
    def __init__(self, options):
        self.options = options
        self.root = Path(tempfile.mkdtemp(prefix="cratedigger-torture-"))
        self.sandbox = Sandbox(options.program)
        self.ids = self.sandbox.ids()
        self.counts, self.ends = {}, {}
        calm = self.fresh()
        began = time.monotonic()
        done = calm.call("run")
        if done.returncode != 0:
            sys.exit(f"an undisturbed run ended with {done.returncode}: {done.stderr}")
        self.span, self.wanted = time.monotonic() - began, calm.files()
        self.calm = calm

    def fresh(self):
        return Project(self.options.program, self.sandbox, self.ids, self.root)

    def count(self, what, code):
        self.counts[what] = self.counts.get(what, 0) + 1
        ends = self.ends.setdefault(what, {})
        ends[code] = ends.get(code, 0) + 1

    def kills(self):
        """kill -9 at random moments: up to five in a row, each going on from the one before or reading anew."""
        dice = random.Random(self.options.seed)
        left = self.options.kills
        while left > 0:
            project = self.fresh()
            for _ in range(min(5, left)):
                words = dice.choice([["run"], ["run", "--full"]])
                moment = dice.uniform(0, self.span)
                child = subprocess.Popen(
                    project.command(*words), env=project.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                time.sleep(moment)
                if child.poll() is not None:
                    # It was quicker: no kill, and nothing to go on from.
                    break
                child.send_signal(signal.SIGKILL)
                child.wait()
                self.count("kill -9 at a random moment", child.returncode)
                project.sound(f"kill after {moment * 1000:.0f} ms of {' '.join(words)}")
                left -= 1
            project.heals("random kills", self.wanted)
            shutil.rmtree(project.root)

    def calls_of(self, calls):
        """How often one thread makes these calls in an undisturbed run."""
        project = self.fresh()
        log = project.root / "log"
        project.call("run", before=["strace", "-f", "-qq", "-o", str(log), "-e", f"trace={calls}"])
        threads = {}
        for line in log.read_text(errors="replace").splitlines():
            thread = line.split(" ", 1)[0]
            threads[thread] = threads.get(thread, 0) + 1
        shutil.rmtree(project.root)
        return max(threads.values(), default=0)

    def sweep(self):
        known = {}
        for calls, error in SWEEP:
            most = known.setdefault(calls, self.calls_of(calls) if calls not in known else 0)
            points = min(self.options.points, most)
            for number in range(points):
                nth = 1 + number * most // points
                how = f"error={error}" if error else "signal=KILL"
                # A disk that is full stays full; one that fails may fail once.
                when = f"{nth}+" if error == "ENOSPC" else str(nth)
                project = self.fresh()
                inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:{how}:when={when}"]
                done = project.call("run", before=inject)
                what = f"{error or 'kill -9'} at {calls} number {nth}"
                self.count(f"{error or 'kill -9'} at {calls}", done.returncode)
                project.sound(what)
                if done.returncode == 0:
                    project.equals(f"{what}, which ended with 0", self.wanted)
                project.heals(what, self.wanted)
                shutil.rmtree(project.root)

    def limits(self):
        """The largest file may be so long: a signal that kills, or an error where it is ignored."""
        for ignored in (False, True):
            for kib in [4, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048]:
                project = self.fresh()

                def bound(size=kib << 10):
                    signal.signal(signal.SIGXFSZ, signal.SIG_IGN if ignored else signal.SIG_DFL)
                    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

                done = project.call("run", preexec_fn=bound)
                what = f"files of at most {kib} KiB, {'an error' if ignored else 'a signal'}"
                self.count(f"a limit on the size of files, {'an error' if ignored else 'a signal'}", done.returncode)
                project.sound(what)
                project.heals(what, self.wanted)
                shutil.rmtree(project.root)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--points", type=int, default=40, help="at most so many places for each system call")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not shutil.which("strace"):
        sys.exit("strace is missing: apt-get install strace")
    torture = Torture(options)
    violation = None
    try:
        for part in (torture.kills, torture.sweep, torture.limits):
            part()
    except Violation as found:
        violation = found
    finally:
        torture.sandbox.child.kill()
    for what, count in torture.counts.items():
        ends = ", ".join(f"{code}: {n}" for code, n in sorted(torture.ends[what].items(), key=str))
        print(f"{count:5} {what:60} ended with {ends}")
    print(f"{sum(torture.counts.values()):5} blows, seed {options.seed}")
    if violation:
        sys.exit(f"VIOLATION: {violation}\nthe projects are in {torture.root}")
    shutil.rmtree(torture.root)
    print("    0 violations")


if __name__ == "__main__":
    main()
