"""Commands about each noun: listing, showing and changing datasets, pipelines, jobs, models and deployments."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from skyulf.cli.options import AsOf, Cursor, DataDir, Json, Limit, Order, Reason, begun

datasets = typer.Typer(no_args_is_help=True, help="See what was taken in, and erase it.")
pipelines = typer.Typer(no_args_is_help=True, help="See the specs that were kept, and check others.")
jobs = typer.Typer(
    no_args_is_help=True, help="See jobs that train, score or reproduce; compare, cancel and retry them."
)
models = typer.Typer(no_args_is_help=True, help="See models, their versions and how good they are.")
keys = typer.Typer(no_args_is_help=True, help="Say who may call a server, and for what.")
deployments = typer.Typer(no_args_is_help=True, help="See and change what is served.")

artifacts = typer.Typer(no_args_is_help=True, help="Remove files that nothing names.")

GROUPS = {
    "artifacts": artifacts,
    "datasets": datasets,
    "pipelines": pipelines,
    "jobs": jobs,
    "models": models,
    "deployments": deployments,
    "keys": keys,
}

DatasetArg = Annotated[str, typer.Argument(metavar="DATASET", help="Its id, the end of it, or its name.")]
PipelineArg = Annotated[str, typer.Argument(metavar="PIPELINE", help="Its id, the end of it, or its name.")]
JobArg = Annotated[str, typer.Argument(metavar="JOB", help="Its id, or the end of it.")]
DeploymentArg = Annotated[str, typer.Argument(metavar="NAME", help="The deployment's name.")]
Named = Annotated[str | None, typer.Option(help="Only those of this name.", show_default=False)]


class JobStatus(StrEnum):
    """Where a job may stand."""

    created = "created"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"


class JobKind(StrEnum):
    """What a job does."""

    training = "training"
    scoring = "scoring"
    reproduction = "reproduction"


class DriftLevel(StrEnum):
    """How far a column may have moved before it is told."""

    none = "none"
    moderate = "moderate"
    major = "major"


class DeploymentStatus(StrEnum):
    """Where a deployment may stand."""

    active = "active"
    retired = "retired"


@datasets.command("list")
def list_datasets(
    name: Named = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Order = None,
    as_of: AsOf = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List datasets, the newest first."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import datasets as of
        from skyulf.cli.reader import Part

        of.show_all(screen, settings, Part(limit, cursor, order, as_of), name)


@datasets.command("show")
def show_dataset(dataset: DatasetArg, as_of: AsOf = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show a dataset and the columns of its newest version."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import datasets as of

        of.show_one(screen, settings, dataset, as_of)


@datasets.command("profile")
def profile_dataset(
    dataset: DatasetArg,
    version: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Which version. Default: the newest.", show_default=False)
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Say which columns tell nearly all of this one.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show what a dataset looks like: gaps, ranges, histograms, the commonest values, and what to be wary of."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import profiles as of

        of.show_profile(screen, settings, dataset, version, target)


@datasets.command("erase")
def erase_dataset(
    dataset: DatasetArg,
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit trail for ever.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Erase it without asking.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Erase a dataset's data for good: its files, and all that was trained or predicted with it."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import datasets as of

        of.erase(screen, settings, dataset, reason, yes)


@artifacts.command("collect")
def collect_artifacts(
    older_than: Annotated[int, typer.Option(min=1, metavar="HOURS", help="Only files put so long ago.")] = 24,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Remove files of artifacts that no event names; what one names is never removed, unless it was erased."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import artifacts as of

        of.collect(screen, settings, older_than, dry_run, yes)


@datasets.command("drift")
def drift_of_dataset(
    dataset: DatasetArg,
    reference: Annotated[int, typer.Option("--from", min=1, metavar="N", help="The version to compare with.")],
    current: Annotated[
        int | None,
        typer.Option("--to", min=1, metavar="N", help="The version compared. Default: the newest.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show how far the columns of a dataset have moved from one version to another."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import profiles as of

        of.show_drift(screen, settings, dataset, reference, current)


@pipelines.command("list")
def list_pipelines(
    name: Named = None,
    archived: Annotated[
        bool | None, typer.Option(help="Only archived ones, or only those in use.", show_default=False)
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Order = None,
    as_of: AsOf = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List pipelines, the newest first."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import pipelines as of
        from skyulf.cli.reader import Part

        of.show_all(screen, settings, Part(limit, cursor, order, as_of), name, archived)


@pipelines.command("show")
def show_pipeline(pipeline: PipelineArg, as_of: AsOf = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show a pipeline and its steps."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import pipelines as of

        of.show_one(screen, settings, pipeline, as_of)


@pipelines.command("check")
def check_pipeline(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A JSON file that holds a spec.", exists=True, dir_okay=False)
    ],
    dataset: Annotated[
        str | None,
        typer.Option(metavar="DATASET", help="Check it against this dataset: its id, or its name.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with a spec and what would be trained, step by step; nothing is run."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.check import run

        run(screen, settings, file, dataset)


@jobs.command("list")
def list_jobs(
    kind: Annotated[JobKind | None, typer.Option(help="Only those that do this.", show_default=False)] = None,
    status: Annotated[JobStatus | None, typer.Option(help="Only those that stand there.", show_default=False)] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this model.", show_default=False)] = None,
    dataset: Annotated[str | None, typer.Option(help="Only on this dataset.", show_default=False)] = None,
    pipeline: Annotated[str | None, typer.Option(help="Only of this pipeline.", show_default=False)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Order = None,
    as_of: AsOf = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List jobs, the newest first."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import jobs as of
        from skyulf.cli.reader import Part

        part = Part(limit, cursor, order, as_of)
        doing, standing = kind.value if kind else None, status.value if status else None
        of.show_all(screen, settings, part, doing, standing, model, dataset, pipeline)


@jobs.command("show")
def show_job(job: JobArg, as_of: AsOf = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show a job: what was asked, how far it is, and what came of it."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import jobs as of

        of.show_one(screen, settings, job, as_of)


@jobs.command("trials")
def list_trials(
    job: JobArg,
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Annotated[
        str | None, typer.Option(metavar="ORDER", help="best (the default), number or -number.", show_default=False)
    ] = None,
    as_of: AsOf = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List the trials of a job's tuning, the best first."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import jobs as of
        from skyulf.cli.reader import Part

        of.trials(screen, settings, job, Part(limit, cursor, order, as_of))


@jobs.command("cancel")
def cancel_job(job: JobArg, reason: Reason = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Cancel a job that waits or runs; one that has ended stays as it is."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import jobs as of

        of.cancel(screen, settings, job, reason)


@jobs.command("retry")
def retry_job(job: JobArg, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Let a failed or cancelled job wait again; a running server does it."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import jobs as of

        of.retry(screen, settings, job)


@jobs.command("shap")
def shap_of_job(job: JobArg, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show how much each column moves what a job's model says (needs the extra shap)."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import attribution as of

        of.show(screen, settings, job)


@jobs.command("compare")
def compare_jobs(
    jobs_: Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids, or the ends of them.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Set trainings side by side, the best of them marked for each metric."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.compare import run

        run(screen, settings, jobs_)


@models.command("list")
def list_models(
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Order = None,
    as_of: AsOf = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List models, by name."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import models as of
        from skyulf.cli.reader import Part

        of.show_all(screen, settings, Part(limit, cursor, order, as_of))


@models.command("show")
def show_model(
    model: Annotated[str, typer.Argument(metavar="MODEL[:VERSION]", help="A model, or a version (or alias) of it.")],
    limit: Limit = 50,
    cursor: Cursor = None,
    as_of: AsOf = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show a model and its versions, or one version and its metrics."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import models as of
        from skyulf.cli.reader import Part

        of.show_one(screen, settings, model, Part(limit, cursor, None, as_of))


@deployments.command("list")
def list_deployments(
    status: Annotated[
        DeploymentStatus | None, typer.Option(help="Only those that stand there.", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only those that serve it.", show_default=False)
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Order = None,
    as_of: AsOf = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List deployments, by name."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import deployments as of
        from skyulf.cli.reader import Part

        of.show_all(screen, settings, Part(limit, cursor, order, as_of), status.value if status else None, model)


@deployments.command("show")
def show_deployment(name: DeploymentArg, as_of: AsOf = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show what a deployment serves, and its history."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import deployments as of

        of.show_one(screen, settings, name, as_of)


@deployments.command("deploy")
def deploy(
    name: DeploymentArg,
    model: Annotated[
        str, typer.Argument(metavar="MODEL[:VERSION]", help="What to serve: a version, or an alias; else the newest.")
    ],
    reason: Annotated[str, typer.Option(metavar="WORDS", help="Why: it stays in the record.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Serve a version of a model under a name, from the next prediction on."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import deployments as of

        of.deploy(screen, settings, name, model, reason)


@deployments.command("rollback")
def roll_back(name: DeploymentArg, reason: Reason = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Serve again what was served before the last roll-out."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import deployments as of

        of.roll_back(screen, settings, name, reason)


@deployments.command("log")
def log_of_deployment(
    name: DeploymentArg,
    share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Log this share of the requests from now on; 0 for none.", show_default=False),
    ] = None,
    keep_rows: Annotated[int, typer.Option(min=1, help="With --share: how many of the newest rows.")] = 1_000_000,
    alert: Annotated[
        DriftLevel, typer.Option(help="With --share: tell by an event of drift from this level on.")
    ] = DriftLevel.major,
    reason: Reason = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Order = None,
    as_of: AsOf = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show what was logged of a deployment's predictions, or say with --share how much is to be."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import deployments as of
        from skyulf.cli.reader import Part
        from skyulf.cli.screen import UsageError

        if share is not None and as_of is not None:
            raise UsageError("--as-of shows what was logged by then; what is to be logged (--share) begins now")
        if share is None:
            of.show_log(screen, settings, name, Part(limit, cursor, order or "-position", as_of))
        else:
            body = {"share": share, "keep_rows": keep_rows, "alert": alert.value}
            of.set_log(screen, settings, name, {**body, "reason": reason or "skyulf deployments log"})


@deployments.command("drift")
def drift_of_deployment(
    name: DeploymentArg,
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="Say that the drift that was told of has been seen to.")
    ] = False,
    reason: Reason = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show how far what is asked of a deployment has moved from what its model was trained on."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import deployments, profiles

        if acknowledge:
            deployments.acknowledge(screen, settings, name, reason)
        else:
            profiles.show_served_drift(screen, settings, name)


@deployments.command("retire")
def retire(name: DeploymentArg, reason: Reason = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Serve nothing under the name any more."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import deployments as of

        of.retire(screen, settings, name, reason)


class RoleName(StrEnum):
    """What a key is good for."""

    viewer = "viewer"
    scientist = "scientist"
    operator = "operator"
    admin = "admin"
    auditor = "auditor"
    worker = "worker"


class KeyKind(StrEnum):
    """Who uses a key."""

    human = "human"
    service = "service"
    worker = "worker"


@keys.command("issue")
def issue_key(
    name: Annotated[str, typer.Argument(help="What the key is called, such as a person's or a program's name.")],
    role: Annotated[list[RoleName], typer.Option(help="What it is good for; may be given several times.")],
    kind: Annotated[KeyKind, typer.Option(help="Who uses it.")] = KeyKind.human,
    actor: Annotated[
        str | None,
        typer.Option(
            help="How events call who uses it; several keys may act as one. Default: its id.", show_default=False
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(min=1, max=36_500, help="It expires after so many days. Default: never.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Issue a key and show it, this once."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import keys as of

        of.issue(screen, settings, name, [one.value for one in role], kind.value, actor, of.expiry(days))


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id, the end of it, or its name.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Revoke a key for good."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import keys as of

        of.revoke(screen, settings, key)


@keys.command("list")
def list_keys(
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Order = None,
    as_of: AsOf = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List keys, the newest first; what they open with is kept nowhere."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import keys as of
        from skyulf.cli.reader import Part

        of.show_all(screen, settings, Part(limit, cursor, order, as_of))
