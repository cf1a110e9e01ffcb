"""One asset per job, and a partitioned asset with one partition per shard for a job of many users.

All runs of cratedigger share one budget of calls, so the pool `cratedigger` limits how many run at the same time:
`dagster instance concurrency set cratedigger 1`. An exit code of 75 means deferred: the quota is spent or a cool-down is
active, checkpoints are kept, and the next materialization continues. The codes 2 and 77 are not retried.
"""

import json
import os
import subprocess

import dagster as dg

PROJECT = os.environ.get("CRATEDIGGER_PROJECT", "/srv/spotify")
JOBS = ["discography", "release-watch"]
JOB_OF_MANY_USERS = "watched-playlists"
SHARDS = 16

POOL = "cratedigger"
RETRIES = dg.RetryPolicy(max_retries=2, delay=600)


def run_job(*arguments: str) -> dg.MaterializeResult:
    command = ["cratedigger", "--project", PROJECT, "--json", "run", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    lines = done.stdout.strip().splitlines()
    report = json.loads(lines[-1]) if lines else {}
    if done.returncode in (2, 77):
        raise dg.Failure(f"exit code {done.returncode}: {report.get('error')}", allow_retries=False)
    if done.returncode not in (0, 3, 75):
        raise RuntimeError(f"exit code {done.returncode}: {report.get('error')}")
    run = next(iter(report.get("runs", [])), {})
    return dg.MaterializeResult(
        metadata={"exit_code": done.returncode, **{key: run[key] for key in ("state", "rows", "calls") if key in run}}
    )


def asset_of(job: str) -> dg.AssetsDefinition:
    @dg.asset(name=job.replace("-", "_"), group_name="spotify", pool=POOL, retry_policy=RETRIES)
    def exported() -> dg.MaterializeResult:
        return run_job(job)

    return exported


shards = dg.StaticPartitionsDefinition([f"{number}-of-{SHARDS}" for number in range(1, SHARDS + 1)])


@dg.asset(
    name=JOB_OF_MANY_USERS.replace("-", "_"),
    group_name="spotify",
    partitions_def=shards,
    pool=POOL,
    retry_policy=RETRIES,
)
def of_many_users(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return run_job(JOB_OF_MANY_USERS, "--shard", context.partition_key.replace("-of-", "/"))


assets = [asset_of(job) for job in JOBS]
nightly = dg.define_asset_job("nightly", selection=dg.AssetSelection.assets(*assets))
defs = dg.Definitions(
    assets=[*assets, of_many_users],
    jobs=[nightly],
    schedules=[dg.ScheduleDefinition(job=nightly, cron_schedule="15 6 * * *", execution_timezone="Europe/Berlin")],
)
