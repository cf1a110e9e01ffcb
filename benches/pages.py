#!/usr/bin/env python3
"""Measures report pages, a workbook of a million cells, and Parquet files against the CSVs of the same rows.

The pages of a demo, then a store that is filled from the sandbox. `report` and `export` run offline, and their output is
deleted before each step, so everything is rendered. CPU seconds are the user and system time of the whole process. With
`perf`, the instructions of the process are counted too, which other programs on the machine do not change.

    pages.py [--program PATH] [--playlists 1000] [--items 5000] [--tracks 50000] [--rows 1000000]
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import bench
from bench import TARGET, Project, Sandbox, measure

# A workbook of this many rows has about a million cells.
CELLS = 1_000_000
COLUMNS = 25


def instructions(command, env):
    """The instructions of a command in user space, or None without `perf`."""
    if not shutil.which("perf"):
        return None
    command = ["perf", "stat", "-x", ",", "-e", "instructions:u", *(str(word) for word in command)]
    done = subprocess.run(command, env={**bench.os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    counts = [line.split(",")[0] for line in done.stderr.splitlines() if "instructions" in line]
    return int(counts[0]) if done.returncode == 0 and counts and counts[0].isdigit() else None


def show(name, one, count, more=""):
    count = f"{count / 1e9:>8.2f}" if count else " " * 8
    print(f"{name:<44}  {one.cpu:>7.3f}  {count}  {one.mib:>7.1f}  {one.seconds:>7.2f}  {more}".rstrip(), flush=True)


def twice(program, folder, env, words, before):
    """Measures a command, and counts its instructions in a second run."""
    command = [program, "--project", folder, "--quiet", *words]
    before()
    one = measure(command, env)
    before()
    return one, instructions(command, env)


def pages_of_demo(program, folder):
    demo = folder / "demo"
    measure([program, "--quiet", "demo", "--dir", demo], {})
    output = demo / "output" / "csv"

    def remove():
        for page in [*output.glob("index.html"), *output.glob("*/report*.html")]:
            page.unlink()

    one, count = twice(program, demo, {}, ["report"], remove)
    sizes = [page.stat().st_size for page in [*output.glob("index.html"), *output.glob("*/report*.html")]]
    show(f"report, the {len(sizes)} pages of the demo", one, count, f"largest page {max(sizes) >> 10} KiB (at most 50 ms)")


class Filled(Project):
    """A project with one job a purpose. All read from the same playlists, so only the first run costs much."""

    def __init__(self, folder, sandbox, options):
        super().__init__(folder, sandbox, max(options.playlists))
        ids = sandbox.playlists
        few = max(1, options.rows // options.items)
        tiny = max(1, CELLS // COLUMNS // options.items)
        (folder / "jobs" / "crates.toml").unlink()
        self.job("page", ids, "csv = false", top="[report]")
        self.job("csv", ids[:few], 'csv = "rows.csv"')
        self.job("parquet", ids[:few], 'csv = false\nparquet = "rows.parquet"')
        self.job("xlsx", ids[:tiny], 'csv = "rows.csv"', top="xlsx = true")

    def job(self, name, ids, files, top=""):
        text = f'schedule = "15 6 1 1 *"\n{top}\n[[fetch]]\nstream = "playlist_items"\n{files}\nids = {json.dumps(ids)}\n'
        (self.folder / "jobs" / f"{name}.toml").write_text(text)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--program", type=Path, default=bench.PROGRAM, help="the program to measure")
    arguments.add_argument("--playlists", default="1000", help="number of playlists in the store")
    arguments.add_argument("--items", type=int, default=5_000, help="items in each playlist")
    arguments.add_argument("--tracks", type=int, default=50_000, help="distinct tracks in the catalog")
    arguments.add_argument("--rows", type=int, default=1_000_000, help="rows of the CSV and of the Parquet file")
    options = arguments.parse_args()
    options.playlists = [int(options.playlists)]
    bench.PROGRAM = options.program
    with tempfile.TemporaryDirectory(prefix="pages-", dir=TARGET) as folder:
        sandbox = Sandbox(options)
        try:
            pages(options, sandbox, Path(folder))
        finally:
            sandbox.stop()


def pages(options, sandbox, folder):
    program = options.program
    print(f"{'':<44}  {'CPU s':>7}  {'G instr':>8}  {'MiB':>7}  {'wall s':>7}")
    pages_of_demo(program, folder)
    project = Filled(folder / "filled", sandbox, options)
    measure([program, "--project", project.folder, "--quiet", "run"], project.env)
    output = project.folder / "output" / "csv"
    remove = lambda: shutil.rmtree(output)
    page = output / "page" / "report.html"
    items = max(options.playlists) * options.items
    one, count = twice(program, project.folder, project.env, ["report", "page"], remove)
    show(f"report, {items:,} items", one, count, f"page {page.stat().st_size >> 10} KiB (at most 1 MiB and 1 s)")
    took = {}
    for job in ("csv", "parquet", "xlsx"):
        one, took[job] = twice(program, project.folder, project.env, ["export", job], remove)
        size = sum(f.stat().st_size for f in (output / job).iterdir()) >> 20
        show(f"export {job}", one, took[job], f"{size:,} MiB")
        took[job] = took[job] or one.cpu
    print(f"\nParquet / CSV of the same rows {took['parquet'] / took['csv']:.2f}   (at most 1)")


if __name__ == "__main__":
    sys.exit(main())
