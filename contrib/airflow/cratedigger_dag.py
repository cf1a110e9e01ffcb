"""One task a job: Airflow's clock starts it, cratedigger paces it and remembers where it stopped.

Exit code 75 means deferred: the quota is spent or a ban holds, and checkpoints are kept. The task is then skipped,
not failed, and the next run goes on. Jobs that Airflow starts have no `schedule` of their own.
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
    # One budget for all of them: side by side they would only wait for each other.
    max_active_tasks=1,
    max_active_runs=1,
) as dag:
    for job in JOBS:
        BashOperator(
            task_id=job,
            bash_command=f"cratedigger --project {PROJECT} --json run {job}",
            skip_on_exit_code=75,
            # Spotify was unreachable: what was read is kept, so a retry only asks for the rest.
            retries=2,
            retry_delay=timedelta(minutes=10),
            # SIGTERM ends a run within ten seconds, with its checkpoint.
            execution_timeout=timedelta(hours=12),
            env={
                "CREDENTIALS_DIRECTORY": "/etc/cratedigger",
                "CRATEDIGGER__STATE__DIR": "/var/lib/cratedigger",
            },
            append_env=True,
        )
