#!/usr/bin/env python3
"""Reads a lake with other programs, and compares with the store, value for value.

    check.py LAKE STORE VIEWS…

LAKE is its folder, and VIEWS are files with the output of `schema feed --sql duckdb` and `--sql spark`. With a second lake at an
address such as s3://…, DuckDB reads that one too: set LAKE_S3 and AWS_ENDPOINT_URL.
"""

import glob
import hashlib
import importlib.util
import json
import os
import shutil
import sqlite3
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

LAKE, STORE, VIEWS = Path(sys.argv[1]), sys.argv[2], {Path(path).stem: Path(path) for path in sys.argv[3:]}
MANIFEST = json.loads((LAKE / "_cratedigger.json").read_text())
ROOT = Path(__file__).resolve().parent.parent.parent
# Tables that are compared with the slow Spark.
FEW = ["playlist_items", "tracks", "runs", "playlist_changes"]


def in_utc(value):
    """Times as microseconds, everything else as it is."""
    if isinstance(value, datetime):
        value = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return (value - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)
    return value


def expected(table):
    """The rows of a table of the store, sorted."""
    columns = table["columns"]
    names = ", ".join(column["name"] for column in columns)
    rows = []
    for row in sqlite3.connect(f"file:{STORE}?mode=ro", uri=True).execute(f"SELECT {names}, max(row_version, 1) FROM {table['name']}"):
        values = []
        for column, value in zip(columns, row):
            if value is not None and column["type"] == "timestamp":
                value = in_utc(datetime.fromisoformat(value))
            elif value is not None and column["type"] == "boolean":
                value = bool(value)
            values.append(value)
        rows.append(tuple(values + [row[-1]]))
    return sorted(rows, key=repr)


def compare(program, table, rows):
    found = sorted((tuple(in_utc(value) for value in row) for row in rows), key=repr)
    wanted = expected(table)
    different = [pair for pair in zip(wanted, found) if pair[0] != pair[1]][:1]
    assert len(found) == len(wanted) and not different, f"{program} {table['name']}: {len(wanted)} here, {len(found)} there: {different}"
    return len(found)


def check_pyarrow():
    """Types, counts and hashes of each file, and the newest rows without SQL."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"string": pa.string(), "int64": pa.int64(), "boolean": pa.bool_(), "timestamp": pa.timestamp("us", tz="UTC")}
    rows = 0
    for table in MANIFEST["tables"]:
        newest = {}
        for file in (file for file in MANIFEST["files"] if file["table"] == table["name"]):
            path = LAKE / file["path"]
            assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"], path
            read = pq.ParquetFile(path)
            wanted = [(column["name"], types[column["type"]]) for column in table["columns"]]
            wanted += [("_op", pa.string()), ("_version", pa.int64())]
            assert list(zip(read.schema_arrow.names, read.schema_arrow.types)) == wanted, read.schema_arrow
            content = read.read().to_pylist()
            assert len(content) == file["rows"] + file["deleted"], path
            for row in content:
                key = tuple(row[part] for part in table["key"])
                if key not in newest or newest[key]["_version"] <= row["_version"]:
                    newest[key] = row
        live = [row for row in newest.values() if row["_op"] == "u"]
        names = [column["name"] for column in table["columns"]] + ["_version"]
        rows += compare("pyarrow", table, [[row[name] for name in names] for row in live])
    print(f"pyarrow: {len(MANIFEST['files'])} files, {rows} rows")


def duckdb_with(*extensions):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for extension in extensions:
        folder = importlib.util.find_spec(f"duckdb_extension_{extension}").submodule_search_locations[0]
        connection.execute(f"LOAD '{glob.glob(folder + '/extensions/*/*.duckdb_extension')[0]}'")
    return connection


def check_duckdb():
    connection = duckdb_with()
    connection.execute(VIEWS["duckdb"].read_text())
    rows = sum(compare("duckdb", table, connection.execute(f'SELECT * FROM "{table["name"]}"').fetchall()) for table in MANIFEST["tables"])
    print(f"duckdb: {rows} rows")


def check_ducklake():
    """Runs the page of SQL twice for an epoch, and for what a consumer of an earlier epoch has."""
    table = next(table for table in MANIFEST["tables"] if table["name"] == "playlist_items")
    page = (ROOT / "contrib" / "lake" / "ducklake.sql").read_text()
    connection = duckdb_with("ducklake")
    folder = LAKE.parent / "ducklake"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    connection.execute(f"ATTACH 'ducklake:{folder}/music.ducklake' AS music (DATA_PATH '{folder}/data')")
    connection.execute(f"SET VARIABLE lake = '{LAKE}'")
    names = ", ".join(column["name"] for column in table["columns"]) + ", _version"
    read = lambda: connection.execute(f"SELECT {names} FROM music.playlist_items").fetchall()
    # Only the baseline first, so that the next time brings changes and deletions.
    whole = (LAKE / "_cratedigger.json").read_text()
    first = json.loads(whole)
    first["files"] = [file for file in first["files"] if file["from"] == 0]
    first["version"] = max(file["to"] for file in first["files"] if file["table"] == "playlist_items")
    try:
        (LAKE / "_cratedigger.json").write_text(json.dumps(first))
        connection.execute(page)
        assert sorted(read(), key=repr) != sorted(expected(table), key=repr), "there is no change to check"
    finally:
        (LAKE / "_cratedigger.json").write_text(whole)
    for _ in range(2):
        connection.execute(page)
        rows = compare("ducklake", table, read())
    connection.execute("UPDATE music.lake_state SET epoch = 'before'; INSERT INTO music.playlist_items (playlist_id, position) VALUES ('gone', 1)")
    connection.execute(page)
    compare("ducklake", table, read())
    print(f"ducklake: {rows} rows")


def check_duckdb_on_s3():
    url = os.environ.get("LAKE_S3")
    if not url:
        return
    connection = duckdb_with("httpfs")
    endpoint = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID 'testing', SECRET 'testing', ENDPOINT '{endpoint}', URL_STYLE 'path', USE_SSL false, REGION 'us-east-1')"
    )
    text = VIEWS["s3"].read_text().replace("INSTALL httpfs; LOAD httpfs;", "")
    connection.execute(text)
    table = next(table for table in MANIFEST["tables"] if table["name"] == "playlist_items")
    print(f"duckdb from S3: {compare('duckdb from S3', table, connection.execute('SELECT * FROM playlist_items').fetchall())} rows")


def check_spark():
    if not shutil.which("java"):
        print("spark: java is missing, so it is not checked")
        return
    from pyspark.sql import SparkSession

    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC")
    spark = session.config("spark.sql.shuffle.partitions", "1").config("spark.sql.warehouse.dir", str(LAKE.parent / "spark")).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    few = [table for table in MANIFEST["tables"] if table["name"] in FEW]
    statements = VIEWS["spark"].read_text().split(";\n")
    for statement in statements:
        lines = [line for line in statement.splitlines() if not line.startswith("--")]
        if any(f"VIEW `{name}`" in statement or f"VIEW `{name}_files`" in statement for name in FEW):
            spark.sql("\n".join(lines))
    rows = 0
    for table in few:
        # Times as numbers: the rows that Spark returns have no zone.
        names = [f"unix_micros(`{c['name']}`)" if c["type"] == "timestamp" else f"`{c['name']}`" for c in table["columns"]]
        rows += compare("spark", table, [tuple(row) for row in spark.sql(f"SELECT {', '.join(names)}, row_version FROM `{table['name']}`").collect()])
    print(f"spark: {rows} rows of {len(few)} tables")
    spark.stop()


check_pyarrow()
check_duckdb()
check_ducklake()
check_duckdb_on_s3()
check_spark()
