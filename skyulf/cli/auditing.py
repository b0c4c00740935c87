"""The commands of ``skyulf audit``, their arguments and their help."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from skyulf.cli.options import AsOf, DataDir, Json, begun

audit = typer.Typer(no_args_is_help=True, help="Prove what the log holds, and find what was changed in it.")

Key = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="The log's public key, or a file with it. Default: the one that the ledger names.",
        show_default=False,
    ),
]
Witnesses = Annotated[
    list[str] | None,
    typer.Option("--witness", metavar="KEY", help="The public key of a witness, to be told when it cosigned."),
]
Held = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        readable=True,
        help="A checkpoint that was kept elsewhere; may be given several times.",
    ),
]


@audit.command("verify")
def verify(
    export: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, readable=True, metavar="FILE", help="Check what export wrote, offline."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, readable=True, metavar="FILE", help="Check a report, offline."),
    ] = None,
    key: Key = None,
    checkpoint: Held = None,
    witness: Witnesses = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Hold the log, an export or a report against checkpoints; ends with 1 for what was changed, 2 if none can tell."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.audit import verify_export, verify_log
        from skyulf.cli.screen import UsageError

        if export is not None and report is not None:
            raise UsageError("give --export FILE or --report FILE")
        if report is not None:
            from skyulf.cli.report import verify

            fine = verify(screen, report, key, checkpoint or [], witness or [])
        elif export is None:
            fine = verify_log(screen, settings, key, checkpoint or [], witness or [])
        else:
            fine = verify_export(screen, export, key, checkpoint or [], witness or [])
    if not fine:
        raise typer.Exit(1)


@audit.command("checkpoint")
def checkpoint(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, metavar="FILE", help="Keep the signed note there.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show the newest signed checkpoint; where no server runs, one is signed now."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.audit import show_checkpoint

        show_checkpoint(screen, settings, output)


@audit.command("proof")
def proof(
    position: Annotated[
        int | None, typer.Argument(min=1, help="Prove that the event there is under the newest checkpoint.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--from", min=1, metavar="SIZE", help="Prove that the log only grew since it had so many events."),
    ] = None,
    later: Annotated[
        int | None,
        typer.Option("--to", min=1, metavar="SIZE", help="Up to this size. Default: the newest checkpoint's."),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show a proof: of one event by its position, or of growth between two sizes."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.audit import show_consistency, show_inclusion
        from skyulf.cli.screen import UsageError

        if position is not None and size is None and later is None:
            show_inclusion(screen, settings, position)
        elif size is not None and position is None:
            show_consistency(screen, settings, size, later)
        else:
            raise UsageError("give the POSITION of an event, or --from SIZE with or without --to SIZE")


@audit.command("report")
def report(
    model: Annotated[
        str, typer.Argument(metavar="MODEL[:VERSION]", help="Its name, and a version or an alias. Default: the newest.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            dir_okay=False,
            metavar="FILE",
            help="HTML or JSON, by its name. Default: MODEL-VERSION-report.html; with --json none, and it is printed.",
            show_default=False,
        ),
    ] = None,
    as_of: AsOf = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write all that the log knows of a version of a model, with proofs, into one file; ends with 1 if one fails."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.report import run

        fine = run(screen, settings, model, output, as_of, printed=as_json and output is None)
    if not fine:
        raise typer.Exit(1)


class Noun(StrEnum):
    """What has a lineage."""

    dataset = "dataset"
    pipeline = "pipeline"
    job = "job"
    model = "model"
    deployment = "deployment"


class Told(StrEnum):
    """What has a history."""

    dataset = "dataset"
    pipeline = "pipeline"
    job = "job"
    model = "model"
    deployment = "deployment"
    webhook = "webhook"


NounArg = Annotated[Noun, typer.Argument(help="What kind of thing.")]
ToldArg = Annotated[Told, typer.Argument(help="What kind of thing.")]
ThingArg = Annotated[str, typer.Argument(metavar="NAME", help="Its name, or its id or the end of it.")]


@audit.command("history")
def history(noun: ToldArg, name: ThingArg, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show everything that happened to a thing: what it changed, before and after, who did it, when and why."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.history import show_history

        show_history(screen, settings, noun.value, name)


@audit.command("diff")
def diff(
    noun: ToldArg,
    name: ThingArg,
    begin: Annotated[int, typer.Option("--from", min=0, metavar="POSITION", help="0 is before everything.")],
    end: Annotated[
        int | None, typer.Option("--to", min=0, metavar="POSITION", help="Default: now.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show what is different of a thing from one position of the log to another."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.history import show_difference

        show_difference(screen, settings, noun.value, name, begin, end)


@audit.command("key")
def key(
    origin: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What a new log is called, such as example.org/skyulf.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show the public key that verifies checkpoints; where there is none, make the key that signs them."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.audit import show_key

        show_key(screen, settings, origin)


@audit.command("rotate-key")
def rotate_key(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            dir_okay=False,
            metavar="FILE",
            help="Write the new key there. Default: in place of the one that signs now.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Let a new key sign checkpoints, introduced by the one before: whoever has that one believes the new one, too."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.audit import change_key

        change_key(screen, settings, output)
