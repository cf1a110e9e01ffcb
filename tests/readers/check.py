"""Reads the files of cratedigger with common programs and compares them with the expected rows.

    check.py CRATEDIGGER VENV

It covers both quota modes and all edge cases of the sandbox, also after row 50,000, with the defaults of
pandas and DuckDB, with frictionless and Datasette, and with taplo for the job files. It is not part of
`make test`, which has its own tests of the same files.
"""

import csv
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import duckdb
import pandas

ODD, LARGE, EMPTY, HOME = (
    "0SandboxOddPlaylist000", "0SandboxBigPlaylist000", "0SandboxNilPlaylist000", "0SandboxHomePlaylist00",
)
# Texts that `read_csv` reads as missing by default. Tracks can have these names.
PANDAS_MISSING = {
    "", " ", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
}
COLUMNS = [
    "playlist_id", "position", "kind", "added_at", "added_by", "uri", "track_id", "track_name", "artist_ids",
    "artist_names", "album_id", "album_name", "album_type", "release_date", "release_date_precision", "disc_number",
    "track_number", "duration_ms", "explicit", "isrc", "episode_id", "episode_name", "show_id", "show_name",
]
failures = []


def check(fine, what):
    print(("ok    " if fine else "FAIL  ") + what, flush=True)
    if not fine:
        failures.append(what)


def undo(text):
    """Removes the formula guard (mode auto) by the rule in the data package."""
    if not isinstance(text, str) or not text.startswith("'"):
        return text
    bare = text[1:].lstrip("'")
    guarded = (bare[:1] in ("=", "＝") and len(bare) > 1) or bare[:1] in ("\t", "\r", "\n") or (
        bare[:1] in tuple("+-@＋－＠") and any(c in bare for c in "(|!（｜！"))
    return text[1:] if guarded and bare else text


def truth(base, playlist):
    with urllib.request.urlopen(f"{base}/_sandbox/truth/playlists/{playlist}") as answer:
        rows = json.load(answer)["rows"]
    for row in rows:
        clean = {k: v.replace("\0", "\ufffd") if isinstance(v, str) else v for k, v in row.items()}
        joined = {k: "; ".join(row[k]).replace("\0", "\ufffd") if row[k] else None for k in ("artist_ids", "artist_names")}
        track, episode = row["kind"] == "track", row["kind"] == "episode"
        if row["kind"] == "local":
            # The values that Spotify sends for unknown data of a local file.
            clean.update(disc_number=None, track_number=None, explicit=None)
        # An empty id means no user, like null.
        clean["added_by"] = clean["added_by"] or None
        yield [
            {"playlist_id": playlist, **clean, **joined,
             "track_id": clean["id"] if track else None,
             "track_name": None if episode else clean["name"],
             "episode_id": clean["id"] if episode else None,
             "episode_name": clean["name"] if episode else None}[column]
            for column in COLUMNS
        ]


def missing(value):
    return value is None or value is pandas.NaT or value is pandas.NA or (isinstance(value, float) and math.isnan(value))


def same(read, true, lost):
    """Whether a value is the expected one; `lost` are texts that the reader reads as missing."""
    if missing(read):
        return true is None or (isinstance(true, str) and true in lost)
    if isinstance(true, bool):
        return bool(read) == true
    if isinstance(true, int):
        return float(read) == float(true)
    if not isinstance(read, str):
        # A reader may convert texts to dates and times. They must be the same instant.
        return isinstance(true, str) and pandas.Timestamp(read).tz_localize(None) == pandas.Timestamp(true).tz_localize(None)
    return undo(read) == true


def compare(what, columns, rows, expected, lost):
    expected, wrong = list(expected), []
    if len(rows) != len(expected):
        wrong.append(f"{len(rows)} rows, not {len(expected)}")
    at = [columns.index(column) for column in COLUMNS]
    for row, true in zip(rows, expected):
        for column, place, value in zip(COLUMNS, at, true):
            if not same(row[place], value, lost):
                wrong.append(f"{true[0]}[{true[1]}].{column}: read {row[place]!r}, true {value!r}")
    check(not wrong, f"{what}: {len(expected)} rows" + "".join(f"\n        {w}" for w in wrong[:8]))


def play(cratedigger, venv, mode):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        sandbox = subprocess.Popen([cratedigger, "--json", "sandbox", "--mode", mode], stdout=subprocess.PIPE)
        try:
            where = json.loads(sandbox.stdout.readline())
            look(cratedigger, venv, mode, folder, where)
        finally:
            sandbox.terminate()
            sandbox.wait()


def look(cratedigger, venv, mode, folder, where):
    base = where["accounts_url"]
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder),
        "SPOTIFY_CLIENT_ID": where["client_id"], "SPOTIFY_CLIENT_SECRET": where["client_secret"],
        "CRATEDIGGER__SPOTIFY__API_URL": where["api_url"], "CRATEDIGGER__SPOTIFY__ACCOUNTS_URL": base,
        "CRATEDIGGER__LIMITS__REQUESTS_PER_SECOND": "100", "CRATEDIGGER__LIMITS__CALLS_PER_DAY": "unlimited",
        "CRATEDIGGER__LIMITS__CALLS_PER_FAMILY": "unlimited",
    }
    user = ""
    if mode == "development":
        ask = {"user": "sandbox-home", "scopes": ["playlist-read-private", "playlist-read-collaborative"]}
        with urllib.request.urlopen(f"{base}/_sandbox/grants", json.dumps(ask).encode()) as answer:
            environment["SPOTIFY_REFRESH_TOKEN"] = json.load(answer)["refresh_token"]
        user = 'user = "home"\n'
    names = json.dumps(COLUMNS)
    jobs = folder / "jobs"
    jobs.mkdir()
    for job, ids in (("odd", [ODD, HOME, EMPTY]), ("large", [LARGE])):
        fetch = f'[[fetch]]\nstream = "playlist_items"\nids = {json.dumps(ids)}\ncolumns = {names}\n'
        (jobs / f"{job}.toml").write_text(f"{user}{fetch}")
    run = subprocess.run([cratedigger, "-q", "run"], cwd=folder, env=environment, capture_output=True, text=True)
    check(run.returncode == 0, f"{mode}: run ends with 0" + run.stderr)
    if run.returncode != 0:
        return
    for job, ids in (("odd", [ODD, HOME, EMPTY]), ("large", [LARGE])):
        path = folder / f"output/csv/{job}/playlist_items.csv"
        expected = [row for playlist in ids for row in truth(base, playlist)]
        frame = pandas.read_csv(path)
        rows = list(frame.itertuples(index=False, name=None))
        compare(f"{mode}: {job}, pandas by default", list(frame.columns), rows, expected, PANDAS_MISSING)
        frame = pandas.read_csv(path, keep_default_na=False, dtype=str)
        with open(path, newline="", encoding="utf-8") as file:
            plain = list(csv.reader(file))
        check(frame.values.tolist() == plain[1:], f"{mode}: {job}, pandas and Python's csv read the same texts")
        for how, lost, options in (
            ("by default", {""}, ""), ("with allow_quoted_nulls = false", set(), ", allow_quoted_nulls = false"),
        ):
            found = duckdb.sql(f"SELECT * FROM read_csv('{path}'{options})")
            compare(f"{mode}: {job}, DuckDB {how}", found.columns, found.fetchall(), expected, lost)
        package = path.parent / "datapackage.json"
        said = subprocess.run([venv / "bin/frictionless", "validate", package], capture_output=True, text=True)
        check(said.returncode == 0, f"{mode}: {job}, frictionless" + (said.stdout[-2000:] if said.returncode else ""))
    store = folder / "output/cratedigger.db"
    answer = subprocess.run(
        [venv / "bin/datasette", store, "--get", "/cratedigger.json?sql=select+count(*)+from+csv_playlist_items&_shape=arrays"],
        capture_output=True, text=True)
    found = json.loads(answer.stdout)["rows"][0][0] if answer.returncode == 0 else answer.stderr
    check(isinstance(found, int) and found > 50_000, f"{mode}: Datasette reads the views ({found} rows)")


def editors(cratedigger, venv):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([cratedigger, "-q", "init", folder, "--app-mode", "extended"], check=True, capture_output=True)
        taplo = [venv / "bin/taplo", "check"]
        said = subprocess.run(taplo, cwd=folder, capture_output=True, text=True)
        check(said.returncode == 0, "taplo accepts what init writes" + (said.stderr if said.returncode else ""))
        job = pathlib.Path(folder) / "jobs/search.toml"
        job.write_text(job.read_text().replace("max_results", "max_result"))
        said = subprocess.run(taplo, cwd=folder, capture_output=True, text=True)
        check(said.returncode != 0 and "max_result" in said.stderr, "taplo refuses a misspelt key")


def main():
    cratedigger, venv = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
    for mode in ("extended", "development"):
        play(cratedigger, venv, mode)
    editors(cratedigger, venv)
    sys.exit(bool(failures))


main()
