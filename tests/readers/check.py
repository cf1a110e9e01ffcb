"""Reads the files of cratedigger with common programs and compares them with the expected rows.

    check.py CRATEDIGGER VENV

It covers both quota modes and all edge cases of the sandbox, also after row 50,000, with the defaults of
pandas and DuckDB, with frictionless and Datasette, and with taplo for the job files; Parquet files also with pyarrow and
polars, and workbooks with openpyxl and, where it is installed, LibreOffice. It is not part of `make test`, which has its own
tests of the same files.
"""

import csv
import datetime
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

import duckdb
import openpyxl
import pandas
import polars
import pyarrow.parquet

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
        # An empty text says nothing: the program writes null, or what it knew before. The name of a track that never had another
        # one is an empty text.
        named = ("name", "album_name") if row["kind"] != "local" else ()
        clean = {k: None if v == "" and k not in named else v for k, v in clean.items()}
        joined = {k: v or None for k, v in joined.items()}
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


def plain(value):
    """A typed value as the expected rows have it."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None) if value.tzinfo is None else value.astimezone(datetime.UTC).replace(tzinfo=None)
    if hasattr(value, "__len__"):
        return "; ".join(value).replace("\0", "\ufffd")
    return value


def parquet(what, path, expected):
    """Reads a Parquet file with every program, and checks the rules of the strictest one."""
    file = pyarrow.parquet.ParquetFile(path)
    schema, groups = file.schema, file.metadata
    rules = all(schema.column(n).physical_type in ("BYTE_ARRAY", "INT64", "BOOLEAN", "DOUBLE") for n in range(len(schema)))
    rules &= str(file.schema_arrow.field("added_at").type) == "timestamp[us, tz=UTC]"
    rules &= str(file.schema_arrow.field("artist_names").type) == "list<element: string>"
    rules &= str(file.schema_arrow.field("explicit").type) == "bool" and str(file.schema_arrow.field("position").type) == "int64"
    rules &= all(0 < groups.row_group(n).num_rows <= 20_000 for n in range(groups.num_row_groups))
    check(rules, f"{what}: types that Spark also reads, at most 20,000 rows in a group")
    table = file.read()
    rows = zip(*(column.to_pylist() for column in table.columns))
    compare(f"{what}, pyarrow", table.column_names, [list(map(plain, row)) for row in rows], expected, set())
    frame = pandas.read_parquet(path)
    rows = [list(map(plain, row)) for row in frame.itertuples(index=False, name=None)]
    compare(f"{what}, pandas", list(frame.columns), rows, expected, set())
    frame = polars.read_parquet(path)
    compare(f"{what}, polars", frame.columns, [list(map(plain, row)) for row in frame.rows()], expected, set())
    connection = duckdb.connect()
    connection.sql("SET TimeZone = 'UTC'")
    found = connection.sql(f"SELECT * FROM '{path}'")
    compare(f"{what}, DuckDB", found.columns, [list(map(plain, row)) for row in found.fetchall()], expected, set())


def workbook(what, path, expected, folder, excel):
    """Reads a workbook with every program. Excel has no empty text: it is missing like null."""
    sheet = "playlist_items"
    book = openpyxl.load_workbook(path)
    check(book.sheetnames == ["about", sheet], f"{what}: sheets {book.sheetnames}")
    page = book[sheet]
    rows = [[unescaped(value) for value in row] for row in page.iter_rows(values_only=True)]
    columns = list(rows[0])
    compare(f"{what}, openpyxl", columns, rows[1:], expected, {""})
    ids = page.cell(2, columns.index("track_id") + 1)
    tables = list(page.tables.values())
    fine = page.freeze_panes == "A2" and ids.number_format == "@" and ids.data_type == "s"
    fine &= len(tables) == 1 and tables[0].ref == page.dimensions and tables[0].autoFilter.ref == page.dimensions
    check(fine, f"{what}: a table with filter buttons, a frozen header, ids as text ({tables and tables[0].ref})")
    formulas = sum(cell.data_type == "f" for row in page.iter_rows() for cell in row)
    check(formulas == 0, f"{what}: {formulas} formulas")
    frame = pandas.read_excel(path, sheet_name=sheet, keep_default_na=False, na_values=[""])
    rows = [[unescaped(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    compare(f"{what}, pandas", list(frame.columns), rows, expected, {""})
    columns, rows = read_xlsx(path, sheet, excel)
    compare(f"{what}, DuckDB", columns, [[unescaped(value) for value in row] for row in rows], expected, {""})
    office = shutil.which("soffice")
    if not office:
        print("note  LibreOffice is missing: apt-get install libreoffice-calc-nogui")
        return
    # Comma, quotes, UTF-8, cells as they are shown, every sheet into a file of its own.
    how = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    home = f"-env:UserInstallation={(folder / 'office').as_uri()}"
    subprocess.run([office, home, "--headless", "--convert-to", how, "--outdir", folder / "sheets", path], check=True, capture_output=True)
    with open(folder / f"sheets/{path.stem}-{sheet}.csv", newline="", encoding="utf-8") as file:
        shown = list(csv.reader(file))
    rows = [[shown_value(column, cell) for column, cell in zip(shown[0], row)] for row in shown[1:]]
    # It reads both ends of lines as one.
    expected = [[value.replace("\r\n", "\n") if isinstance(value, str) else value for value in row] for row in expected]
    compare(f"{what}, LibreOffice", shown[0], rows, expected, {""})


# Prints what `read_xlsx` finds. The extension is loaded from its package, without a request.
READ_XLSX = """
import duckdb, duckdb_extension_excel, json, pathlib, sys
package = pathlib.Path(duckdb_extension_excel.__file__).parent
connection = duckdb.connect()
connection.execute(f"LOAD '{next(package.glob('extensions/*/excel.duckdb_extension'))}'")
found = connection.sql(f"SELECT * FROM read_xlsx('{sys.argv[1]}', sheet = '{sys.argv[2]}', empty_as_varchar = true)")
json.dump([found.columns, found.fetchall()], sys.stdout, default=str)
"""


def read_xlsx(path, sheet, excel):
    """The columns and rows of a sheet as DuckDB reads it. Its newest version has no extension that can be installed without a
    request, so the one before it reads workbooks, in a process of its own."""
    said = subprocess.run([excel / "bin/python", "-c", READ_XLSX, path, sheet], capture_output=True, text=True)
    if said.returncode != 0:
        check(False, f"{path.name}: DuckDB's read_xlsx: {said.stderr[-500:]}")
        return COLUMNS, []
    columns, rows = json.loads(said.stdout)
    times = [column == "added_at" for column in columns]
    return columns, [[pandas.Timestamp(v) if is_time and v else v for is_time, v in zip(times, row)] for row in rows]


def unescaped(value):
    """A text without Excel's own escapes (_x000D_), which openpyxl does not undo."""
    return re.sub("_x([0-9A-F]{4})_", lambda m: chr(int(m[1], 16)), value) if isinstance(value, str) else value


def shown_value(column, cell):
    """A value as LibreOffice shows it."""
    if cell == "":
        return None
    if column == "added_at":
        return pandas.Timestamp(cell)
    if column == "explicit":
        return cell == "TRUE"
    return int(cell) if column in ("position", "disc_number", "track_number", "duration_ms") else cell


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
        (jobs / f"{job}.toml").write_text(f"xlsx = true\n{user}{fetch}parquet = true\n")
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
        parquet(f"{mode}: {job}.parquet", path.with_suffix(".parquet"), expected)
        workbook(f"{mode}: {job}.xlsx", path.parent / f"{job}.xlsx", expected, folder / job, venv / "excel")
        # It cannot compare the rows of Parquet files and workbooks with a package, and others read these above.
        package = path.parent / "csv-files.json"
        described = json.loads((path.parent / "datapackage.json").read_text())
        described["resources"] = [one for one in described["resources"] if one["format"] == "csv"]
        package.write_text(json.dumps(described))
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
