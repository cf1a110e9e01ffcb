#!/usr/bin/env python3
"""Runs a job of many made-up users as shards: one process each, with one state folder and one sandbox that has a rate limit.

Prints one table: the calls that the sandbox counted and those that the ledger has, calls and time of each shard, what a ban that
one shard hears does to the others, and what is left after each shard was killed once. Ends with an error if a figure is not
as it has to be.

    shards.py [--program FILE] [--shards 8] [--users 2000] [--albums 3] [--rate 20] [--ledger 5000000]
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench import PROGRAM, TARGET

SCOPES = ["user-library-read", "user-follow-read"]
JOB = 'users = "*"\n[[fetch]]\nstream = "saved_albums"\ncsv = false\n'


class Shards:
    """A sandbox with users, a project, and a process for each shard."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        # The pace is set below the limit, as an operator would do. The window is short, so that the limit is felt.
        command = [options.program, "sandbox", "--json", "--mode", "extended", "--rate-window", "3"]
        command += ["--rate-limit", str(int(options.rate * 3 * 1.5))]
        self.sandbox = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        info = json.loads(self.sandbox.stdout.readline())
        self.accounts = info["accounts_url"]
        self.env = {**os.environ, "SPOTIFY_CLIENT_ID": info["client_id"], "SPOTIFY_CLIENT_SECRET": info["client_secret"]}
        (folder / "jobs").mkdir(parents=True)
        (folder / "config").mkdir()
        (folder / "config" / "cratedigger.toml").write_text(
            f'[spotify]\napi_url = "{info["api_url"]}"\naccounts_url = "{info["accounts_url"]}"\napp_mode = "extended"\n'
            f'[state]\ndir = "{folder}/state"\n[limits]\nrequests_per_second = {options.rate}\nadaptive = false\n'
            'calls_per_day = "unlimited"\ncalls_per_family = "unlimited"\n'
        )
        (folder / "jobs" / "library.toml").write_text(JOB)

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.accounts + path, method=method, data=data)) as answer:
            return json.loads(answer.read() or b"null")

    def add_users(self):
        """Each user has a library and a sign-in."""
        albums = self.ask("GET", "/_sandbox/ids")["albums"]
        dice, lines = random.Random(1), []
        for number in range(self.options.users):
            user = f"made-up-{number}"
            for album in dice.sample(albums, self.options.albums):
                self.ask("POST", "/_sandbox/library", {"do": "save", "user": user, "shelf": "albums", "id": album})
            granted = self.ask("POST", "/_sandbox/grants", {"user": user, "scopes": SCOPES})
            lines.append(json.dumps({
                "user": f"user-{number}", "refresh_token": granted["refresh_token"], "scopes": SCOPES,
                "client_id": self.env["SPOTIFY_CLIENT_ID"], "flow": "code", "authorized_at": "2026-11-01T00:00:00Z",
            }))
        command = [self.options.program, "--project", self.folder, "auth", "import", "-"]
        subprocess.run([str(word) for word in command], env=self.env, input="\n".join(lines).encode(), check=True, capture_output=True)

    def start(self, shard):
        command = [self.options.program, "--project", self.folder, "run", "library", "--json", "--quiet", "--yes", "--shard", f"{shard}/{self.options.shards}"]
        # A pipe would be full before the end: the report has a line for each user.
        with self.report(shard).open("w") as report:
            return subprocess.Popen([str(word) for word in command], env=self.env, stdout=report, stderr=subprocess.DEVNULL)

    def report(self, shard):
        return self.folder / f"report-{shard}.json"

    def run(self):
        """Runs all shards at once. Returns the exit code, the report and the seconds of each."""
        began, running, ended = time.monotonic(), {n: self.start(n) for n in range(1, self.options.shards + 1)}, {}
        while running:
            for shard, process in list(running.items()):
                if process.poll() is not None:
                    text = self.report(shard).read_text().splitlines()
                    report = json.loads(text[-1]) if text else {}
                    ended[shard] = (process.returncode, report, time.monotonic() - began)
                    del running[shard]
            time.sleep(0.02)
        return [ended[shard] for shard in sorted(ended)]

    def counted(self):
        """The calls that the sandbox counted and those that it refused, without requests for tokens."""
        log = self.ask("GET", "/_sandbox/log")
        calls = [seen for seen in log if seen["path"].startswith("/v1/")]
        return len(calls), sum(seen["status"] == 429 for seen in calls)

    def booked(self):
        """The calls in the ledger that were sent."""
        with sqlite3.connect(f"file:{ledger(self.folder)}?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM calls WHERE outcome >= 0").fetchone()[0]

    def rows(self):
        total = []
        for shard in range(1, self.options.shards + 1):
            path = self.folder / "output" / f"shard-{shard}-of-{self.options.shards}" / "cratedigger.db"
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
                total.append(db.execute("SELECT count(*) FROM saved_albums").fetchone()[0])
        return total

    def verify(self):
        for shard in range(1, self.options.shards + 1):
            command = [self.options.program, "--project", self.folder, "--shard", f"{shard}/{self.options.shards}", "verify"]
            subprocess.run([str(word) for word in command], env=self.env, check=True, capture_output=True)

    def ban(self):
        """A ban while all shards run: how many calls are sent after the first of them has heard it."""
        running = [self.start(shard) for shard in range(1, self.options.shards + 1)]
        before = self.counted()[0]
        while self.counted()[0] < before + self.options.users // 3:
            time.sleep(0.05)
        self.ask("POST", "/_sandbox/ban", {"seconds": 80_000})
        codes = [process.wait() for process in running]
        refused = self.counted()[1]
        again = [process.wait() for process in [self.start(shard) for shard in range(1, self.options.shards + 1)]]
        return codes, refused, again, self.counted()[1] - refused

    def kill_each(self):
        """Kills each shard at a random moment of a run, and runs it again."""
        dice = random.Random(2)
        for shard in range(1, self.options.shards + 1):
            process, before = self.start(shard), self.counted()[0]
            goal = before + dice.randrange(1, 40)
            while process.poll() is None and self.counted()[0] < goal:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()


def ledger(folder):
    """The database of the calls in the state folder."""
    for path in (folder / "state").glob("*.db"):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'calls'").fetchone():
                return path
    sys.exit("there is no ledger")


def fill_ledger(options, folder):
    """Fills the ledger with the calls of one day. Returns its size in MiB."""
    path = ledger(folder)
    now = time.time_ns() // 1_000_000
    with sqlite3.connect(path) as db:
        scope, newest = db.execute("SELECT max(scope_id), max(at_ms) FROM calls").fetchone()
        db.execute("DELETE FROM calls")
        step = 86_000_000 / options.ledger
        db.executemany(
            "INSERT INTO calls (scope_id, at_ms, outcome) VALUES (?, ?, 200)",
            ((scope, int(now - 86_000_000 + n * step)) for n in range(options.ledger)),
        )
    return path.stat().st_size / 2**20


def measure(options, folder, *args):
    """Seconds, seconds of CPU and memory of a command."""
    command = [str(word) for word in [options.program, "--project", folder, *args]]
    env = {**os.environ, "SPOTIFY_CLIENT_ID": "sandbox-client", "SPOTIFY_CLIENT_SECRET": "sandbox-secret"}
    began = time.monotonic()
    child = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return f"{time.monotonic() - began:.2f} s, {usage.ru_utime + usage.ru_stime:.2f} s of CPU, {usage.ru_maxrss / 1024:,.0f} MiB"


def line(what, value):
    print(f"| {what} | {value} |", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--program", type=Path, default=PROGRAM)
    arguments.add_argument("--shards", type=int, default=8)
    arguments.add_argument("--users", type=int, default=2_000)
    arguments.add_argument("--albums", type=int, default=3, help="saved albums of each user")
    arguments.add_argument("--rate", type=float, default=20.0, help="calls per second of all shards together")
    arguments.add_argument("--ledger", type=int, default=5_000_000, help="calls of a day in the ledger")
    options = arguments.parse_args()
    options.program = options.program.resolve()
    TARGET.mkdir(exist_ok=True)
    wrong = []
    with tempfile.TemporaryDirectory(prefix="shards-", dir=TARGET) as name:
        shards = Shards(options, Path(name))
        try:
            shards.add_users()
            line("", "")
            line("---", "---")
            line("shards, users", f"{options.shards}, {options.users:,}")
            began = time.monotonic()
            first = shards.run()
            seconds = time.monotonic() - began
            (counted, refused), booked, rows = shards.counted(), shards.booked(), shards.rows()
            calls = [report["runs"][0]["calls"] for _, report, _ in first]
            speed = [n / took for n, (_, _, took) in zip(calls, first)]
            line("calls that the sandbox counted, and that the ledger has", f"{counted:,}, {booked:,}")
            line("refused calls", refused)
            line("seconds, calls per second of all", f"{seconds:,.0f}, {counted / seconds:.1f}")
            line("calls of a shard", f"{min(calls):,} to {max(calls):,}")
            line("calls per second of the slowest and of the fastest shard", f"{min(speed):.2f}, {max(speed):.2f}")
            if [code for code, _, _ in first] != [0] * options.shards:
                wrong.append(f"exit codes {[code for code, _, _ in first]}")
            if counted != booked:
                wrong.append("calls that are not booked")
            if refused:
                wrong.append("refused calls")
            if min(speed) * 3 < max(speed):
                wrong.append("the slowest shard has less than a third of the fastest")
            if sum(rows) != options.users * options.albums:
                wrong.append(f"{sum(rows)} rows instead of {options.users * options.albums}")

            shards.kill_each()
            again = shards.run()
            shards.verify()
            if [code for code, _, _ in again] != [0] * options.shards or shards.rows() != rows:
                wrong.append(f"after kills: {[code for code, _, _ in again]}, {shards.rows()} instead of {rows}")
            (counted, refused), booked = shards.counted(), shards.booked()
            line("shards that were killed with SIGKILL and run again", options.shards)
            line("rows before and after", f"{sum(rows):,}, {sum(shards.rows()):,}")
            line("calls that the sandbox counted, and that the ledger has", f"{counted:,}, {booked:,}")
            # A call that was booked a moment before the kill may not have been sent.
            if not counted <= booked <= counted + 2 * options.shards or refused:
                wrong.append(f"after kills: {counted} calls, {booked} booked, {refused} refused")

            codes, heard, later, unheard = shards.ban()
            line("a ban: calls that were under way, exit codes", f"{heard}, {sorted(set(codes))}")
            line("calls of all shards, started again during the ban", unheard)
            if set(codes) != {75} or set(later) != {75} or unheard or heard > 2 * options.shards:
                wrong.append(f"ban: {codes}, {heard} refused; later {later}, {unheard} refused")
        finally:
            shards.sandbox.terminate()
            shards.sandbox.wait()
        line(f"`auth list` with {options.users:,} users", measure(options, Path(name), "auth", "list"))
        if options.ledger:
            size = fill_ledger(options, Path(name))
            for command in ["quota", "plan --offline"]:
                measured = measure(options, Path(name), *command.split())
                line(f"`{command}` with {options.ledger:,} calls of a day in the ledger ({size:,.0f} MiB)", measured)
    if wrong:
        sys.exit("\n".join(wrong))


main()
