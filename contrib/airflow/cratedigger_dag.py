"""One task per job: Airflow starts it, and cratedigger paces its calls and keeps checkpoints.

Exit code 75 means deferred: the quota is used up or a cool-down is active, and checkpoints are kept. The task is then
skipped, not failed, and the next run continues. Jobs that Airflow starts need no `schedule`.
"""

from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

PROJECT = "/srv/spotify"
JOBS = ["discography", "release-watch"]

with DAG(
    dag_id="cratedigger",
    schedule="15 6 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Berlin"),
    catchup=False,
    # All jobs share one budget, so parallel tasks would only wait for each other.
    max_active_tasks=1,
    max_active_runs=1,
) as dag:
    for job in JOBS:
        BashOperator(
            task_id=job,
            bash_command=f"cratedigger --project {PROJECT} --json run {job}",
            skip_on_exit_code=75,
            # If Spotify was unreachable, a retry reads only what is missing.
            retries=2,
            retry_delay=timedelta(minutes=10),
            # SIGTERM stops a run within ten seconds and keeps its checkpoint.
            execution_timeout=timedelta(hours=12),
            env={
                "CREDENTIALS_DIRECTORY": "/etc/cratedigger",
                "CRATEDIGGER__STATE__DIR": "/var/lib/cratedigger",
            },
            append_env=True,
        )
