"""The commands, their arguments and their help: one table of everything that ``skyulf`` can be asked."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from skyulf.cli.auditing import NounArg, ThingArg, audit
from skyulf.cli.exporting import export_model
from skyulf.cli.nouns import GROUPS, DatasetArg, JobArg
from skyulf.cli.options import AsOf, DataDir, Json, begun
from skyulf.cli.projecting import projections
from skyulf.cli.webhooking import webhooks

app = typer.Typer(
    name="skyulf",
    help="Machine learning on tables, whose database is its audit log.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
events = typer.Typer(no_args_is_help=True, help="Look at, save and restore the event log.")
app.add_typer(events, name="events")
app.add_typer(projections, name="projections")
app.add_typer(audit, name="audit")
app.add_typer(webhooks, name="webhooks")
app.command("export")(export_model)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)


class Task(StrEnum):
    """What a model predicts: one of some classes, or a number."""

    classification = "classification"
    regression = "regression"
    clustering = "clustering"


class Unfit(StrEnum):
    """What becomes of cells that are not of the type asked for."""

    refuse = "refuse"
    missing = "missing"


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"skyulf {version('skyulf')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Machine learning on tables, whose database is its audit log."""


class RoleName(StrEnum):
    """What a server process does: everything, or one of what several processes on one Postgres share out."""

    all = "all"
    api = "api"
    projector = "projector"
    relay = "relay"
    webhooks = "webhooks"
    worker = "worker"


@app.command()
def serve(
    data_dir: DataDir = None,
    role: Annotated[
        RoleName | None,
        typer.Option(
            help="Do this alone, beside other processes on one Postgres, as many of each as you like. "
            "Default: SKYULF_ROLE, else all",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on. Default: SKYULF_HOST, else 127.0.0.1", show_default=False),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port; 0 is a free one. Default: SKYULF_PORT, else 8000", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the whole system in this process, or one role of it, until Ctrl-C or SIGTERM."""
    from skyulf.cli.screen import speaking
    from skyulf.cli.serve import run
    from skyulf.settings import load_settings

    with speaking(as_json) as screen:
        run(screen, load_settings(role=role and role.value, data_dir=data_dir, host=host, port=port))


@app.command()
def migrate(
    role: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The database's user that Skyulf will work as, if another: it gets the rights that it needs, and none "
            "to change events.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make or upgrade the tables in the Postgres that SKYULF_DATABASE_URL names; as often and at once as you like."""
    with begun(None, as_json) as (screen, settings):
        from skyulf.cli.migrate import run

        run(screen, settings, role)


@app.command()
def train(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV, Parquet, JSON lines, Excel.")
    ],
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="The column to predict. Without one, clusters are found.", show_default=False
        ),
    ] = None,
    task: Annotated[
        Task | None, typer.Option(help="What kind of target it is; told from the column when left out.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The model's name. Default: the file's name.", show_default=False)
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, readable=True, metavar="FILE.json", help="A pipeline spec."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Rules every random choice.")] = 0,
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="COLUMN=TYPE", help="A column's type, in place of what the file shows."),
    ] = None,
    unfit: Annotated[Unfit, typer.Option(help="What becomes of cells that are not of such a type.")] = Unfit.refuse,
    deploy: Annotated[
        bool | None,
        typer.Option(
            "--deploy/--no-deploy",
            help="Serve this version under the model's name. Default: only the first version is.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Turn a file into an evaluated, registered model: ingest, train, compare, register, deploy."""
    from skyulf.cli.screen import speaking
    from skyulf.cli.train import Order, run
    from skyulf.settings import load_settings

    types = tuple(type_ or ())
    order = Order(file, target, task.value if task else None, name, spec, seed, deploy, types, unfit.value)
    with speaking(as_json) as screen:
        run(screen, load_settings(data_dir=data_dir), order)


@app.command()
def predict(
    name: Annotated[str, typer.Argument(help="The deployment's name.")],
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="Rows: CSV, JSON or JSON lines.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.csv", help="Write all rows and their predictions there."),
    ] = None,
    intervals: Annotated[bool, typer.Option("--intervals", help="Say the interval around each number, too.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Predict the rows of a file with what is deployed under a name."""
    from skyulf.cli.predict import run
    from skyulf.cli.screen import speaking
    from skyulf.settings import load_settings

    with speaking(as_json) as screen:
        run(screen, load_settings(data_dir=data_dir), name, file, output, intervals)


class OutputFormat(StrEnum):
    """What a file of predictions is."""

    parquet = "parquet"
    csv = "csv"


@app.command()
def score(
    dataset: DatasetArg,
    using: Annotated[
        str, typer.Argument(metavar="WITH", help="A deployment's name, or MODEL:VERSION, or MODEL:ALIAS.")
    ],
    version: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Which version. Default: the newest.", show_default=False)
    ] = None,
    form: Annotated[OutputFormat, typer.Option("--format", help="What the file is to be.")] = OutputFormat.parquet,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="A column to stand beside the predictions; may be given several times."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Save the predictions there.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Predict every row of a dataset that was taken in, by a job; its size is no matter."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.score import Order, run

        run(screen, settings, Order(dataset, using, version, form.value, tuple(keep or ()), output))


@app.command()
def reproduce(
    model: Annotated[
        str, typer.Argument(metavar="MODEL[:VERSION]", help="A model, MODEL:VERSION, MODEL:ALIAS, or a job's id.")
    ],
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**32 - 1, help="Train with another seed than the recorded.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train a model again from the log, and say whether it is the same; ends with 1 if it is not."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.reproduce import run

        same = run(screen, settings, model, seed)
    if not same:
        raise typer.Exit(1)


@app.command()
def plot(
    job: JobArg,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="PNG or SVG, by its name. Default: MODEL-VERSION.png",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Draw how good a job's model is: confusion matrix and curves, or predictions and residuals."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.plot import run

        run(screen, settings, job, output)


@app.command()
def lineage(
    noun: NounArg,
    name: ThingArg,
    version: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Only this version of a dataset or a model.", show_default=False),
    ] = None,
    as_of: AsOf = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show what a thing was made from and what was made from it, from the data to what is served."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.history import show_lineage

        show_lineage(screen, settings, noun.value, name, version, as_of)


@events.command("tail")
def tail(
    after: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Every event above this position.", show_default=False)
    ] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Only such events; may be given several times.")
    ] = None,
    stream: Annotated[str | None, typer.Option(metavar="ID", help="Only events of this thing.")] = None,
    count: Annotated[
        int | None,
        typer.Option("-n", min=0, metavar="N", help="Begin with the last N. Default: 20", show_default=False),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", "-f", help="Go on as things happen, until Ctrl-C.")
    ] = True,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show the newest events, and those to come; beside a running server or without one."""
    from skyulf.cli.screen import speaking
    from skyulf.cli.tail import Wanted, known, run
    from skyulf.settings import load_settings

    with speaking(as_json) as screen:
        wanted = Wanted(known(types or []), stream, after, count)
        run(screen, load_settings(data_dir=data_dir), wanted, follow)


@events.command("export")
def export(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where to; replaced once the export is complete.")],
    with_artifacts: Annotated[
        bool, typer.Option("--with-artifacts", help="Copy tables, models and evaluations into FILE.artifacts/ too.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Save every event as a line of JSON (a CloudEvent); beside a running server or without one."""
    from skyulf.cli.screen import speaking
    from skyulf.cli.transfer import export as run
    from skyulf.settings import load_settings

    with speaking(as_json) as screen:
        run(screen, load_settings(data_dir=data_dir), file, with_artifacts)


@events.command("replay")
def replay(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="What export wrote.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Fill an empty data directory with exported events, and with the artifacts beside them."""
    from skyulf.cli.screen import speaking
    from skyulf.cli.transfer import replay as run
    from skyulf.settings import load_settings

    with speaking(as_json) as screen:
        run(screen, load_settings(data_dir=data_dir), file)


def main() -> None:
    """Run the command that the arguments name."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign shows ? for it
    app()
