#!/usr/bin/env python3
"""Measures a project with many jobs when none is due: `run --due`, which a timer starts every few minutes,
and an idle `schedule`.

CPU time is user plus system time as the operating system reports it: for `run --due` that of the finished
child, and for `schedule` the nanoseconds that the Linux scheduler counts for each thread while nothing
happens. Memory is the peak of the process since its start. Neither command may send a call.

    idle.py [--jobs 200] [--starts 20] [--seconds 180]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

from bench import PROGRAM, TARGET, Sandbox, measure


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--jobs", type=int, default=200)
    arguments.add_argument("--starts", type=int, default=20, help="how often `run --due` is started")
    arguments.add_argument("--seconds", type=int, default=180, help="how long `schedule` is watched")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="idle-", dir=TARGET) as folder:
        sandbox = Sandbox(SimpleNamespace(tracks=2_000, playlists=[1], items=100))
        try:
            idle(options, sandbox, Path(folder))
        finally:
            sandbox.stop()


def idle(options, sandbox, folder):
    project(folder, sandbox, options.jobs)
    command = [PROGRAM, "--project", folder, "--quiet"]
    measure([*command, "run", "--due"], sandbox.credentials)
    before = sandbox.calls()

    starts = [measure([*command, "run", "--due"], sandbox.credentials) for _ in range(options.starts)]
    cpu = 1000 * sum(one.cpu for one in starts) / len(starts)
    print(f"{options.jobs} jobs, none due\n")
    print(f"run --due, CPU        {cpu:6.1f} ms   (mean of {len(starts)}; under 50)")
    print(f"run --due, peak       {max(one.mib for one in starts):6.1f} MiB")

    env = {"PATH": "/usr/bin:/bin", **sandbox.credentials}
    child = subprocess.Popen([str(word) for word in [*command, "schedule"]], env=env)
    try:
        # The first check of all jobs is not idle time.
        time.sleep(20)
        first, began = cpu_ns(child.pid), time.monotonic()
        time.sleep(options.seconds)
        if child.poll() is not None:
            sys.exit(f"schedule ended with {child.returncode}")
        minutes = (time.monotonic() - began) / 60
        spent, peak = cpu_ns(child.pid) - first, peak_mib(child.pid)
    finally:
        child.terminate()
        child.wait()
    print(f"schedule at rest, CPU {spent / 1e6 / minutes:6.2f} ms a minute   (over {minutes:.0f} minutes; at most 10)")
    print(f"schedule, peak        {peak:6.1f} MiB   (under 32)")
    sent = sandbox.calls() - before
    print(f"calls sent            {sent:6}")
    if sent:
        sys.exit("something was sent")


def project(folder, sandbox, jobs):
    """Writes the jobs, each on a day of the month that is neither yesterday, today nor tomorrow."""
    (folder / "config").mkdir()
    (folder / "jobs").mkdir()
    (folder / "config" / "cratedigger.toml").write_text(
        f'[spotify]\napi_url = "{sandbox.api}"\naccounts_url = "{sandbox.accounts}"\napp_mode = "extended"\n'
        f'[state]\ndir = "{folder}/state"\n[limits]\nrequests_per_second = 1000.0\n'
        '[schedule]\nfirst_run_share = "100%"\n'
    )
    near = {(date.today() + timedelta(days=days)).day for days in (-1, 0, 1)}
    days = [day for day in range(1, 29) if day not in near]
    for number in range(jobs):
        line = f"{number % 60} {number % 24} {days[number % len(days)]} * *"
        (folder / "jobs" / f"job-{number:03}.toml").write_text(
            f'schedule = "{line}"\ntimezone = "Europe/Berlin"\n[[fetch]]\nstream = "search"\nquery = "{number}"\n'
            'types = ["track"]\nmax_results = 10\n'
        )


def cpu_ns(pid):
    """CPU time of all threads in nanoseconds."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def peak_mib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) / 1024


if __name__ == "__main__":
    main()
