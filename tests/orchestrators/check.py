#!/usr/bin/env python3
"""Loads the examples for Airflow and Dagster with the real programs, and materializes the assets against a sandbox.

    check.py PROGRAM
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(sys.argv[1]).resolve()


def check_airflow(folder):
    """Loads both examples, and looks at what the scheduler would see."""
    os.environ["AIRFLOW_HOME"] = str(folder / "airflow")
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(ROOT / "contrib" / "airflow"))
    assert not bag.import_errors, bag.import_errors
    assert sorted(bag.dags) == ["cratedigger", "cratedigger_shards"], sorted(bag.dags)
    mapped = bag.dags["cratedigger_shards"].get_task("run_shard")
    assert mapped.is_mapped and mapped.pool == "cratedigger", mapped
    print(f"airflow: {len(bag.dags)} DAGs load")


def check_dagster(folder):
    """Materializes each asset once, and one partition of the job of many users."""
    sandbox = subprocess.Popen([PROGRAM, "sandbox", "--json", "--mode", "extended"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        info = json.loads(sandbox.stdout.readline())
        project = folder / "project"
        (project / "jobs").mkdir(parents=True)
        (project / "config").mkdir()
        (project / "config" / "cratedigger.toml").write_text(
            f'[spotify]\napi_url = "{info["api_url"]}"\naccounts_url = "{info["accounts_url"]}"\n[state]\ndir = "{folder}/state"\n'
        )
        markets = '[[fetch]]\nstream = "markets"\n'
        for job in ["discography", "release-watch", "watched-playlists"]:
            (project / "jobs" / f"{job}.toml").write_text(markets)
        os.environ["SPOTIFY_CLIENT_ID"], os.environ["SPOTIFY_CLIENT_SECRET"] = info["client_id"], info["client_secret"]
        os.environ["CRATEDIGGER_PROJECT"] = str(project)
        os.environ["PATH"] = f"{PROGRAM.parent}:{os.environ['PATH']}"
        os.environ["DAGSTER_HOME"] = str(folder)
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(ROOT / "contrib" / "dagster"))
        import cratedigger_assets
        import dagster

        done = dagster.materialize(cratedigger_assets.assets)
        assert done.success, done
        for event in done.get_asset_materialization_events():
            assert event.materialization.metadata["exit_code"].value == 0, event
        partition = cratedigger_assets.shards.get_partition_keys()[0]
        assert dagster.materialize([cratedigger_assets.of_many_users], partition_key=partition).success
        print(f"dagster: {len(cratedigger_assets.assets)} assets and a partition are materialized")
    finally:
        sandbox.terminate()
        sandbox.wait()


with tempfile.TemporaryDirectory() as name:
    check_airflow(Path(name))
    check_dagster(Path(name))
