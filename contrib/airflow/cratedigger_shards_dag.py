"""One job for many users: one mapped task per shard, never per user.

A shard has a store and files of its own and shares the state folder with the others, so all of them keep to one budget on
one host. More shards give isolation, not more calls.

Airflow's pool keeps the number of processes small. An exit code of 75 means deferred: the task is skipped, and the next run
continues. The codes 2 (a wrong file) and 77 (a user must sign in) are not retried, since a retry cannot help.
"""

from datetime import timedelta

import pendulum
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, task

PROJECT = "/srv/spotify"
JOB = "watched-playlists"
SHARDS = 16
# Create the pool first: airflow pools set cratedigger 4 "processes of cratedigger on this host"
POOL = "cratedigger"

with DAG(
    dag_id="cratedigger_shards",
    schedule="15 2 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Berlin"),
    catchup=False,
    max_active_runs=1,
) as dag:

    @task(
        pool=POOL,
        retries=2,
        retry_delay=timedelta(minutes=10),
        execution_timeout=timedelta(hours=20),
        map_index_template="{{ shard }}",
    )
    def run_shard(shard: str) -> str:
        from airflow.sdk import get_current_context

        get_current_context()["shard"] = shard
        done = SubprocessHook().run_command(
            ["cratedigger", "--project", PROJECT, "--json", "run", JOB, "--shard", shard],
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "CREDENTIALS_DIRECTORY": "/etc/cratedigger",
                "CRATEDIGGER__STATE__DIR": "/var/lib/cratedigger",
            },
        )
        if done.exit_code == 75:
            raise AirflowSkipException("deferred; the next run continues")
        if done.exit_code in (2, 77):
            raise AirflowFailException(f"exit code {done.exit_code}: {done.output}")
        if done.exit_code not in (0, 3):
            raise RuntimeError(f"exit code {done.exit_code}: {done.output}")
        # The last line: state, rows, calls and files as JSON.
        return done.output

    run_shard.expand(shard=[f"{number}/{SHARDS}" for number in range(1, SHARDS + 1)])
