"""The commands of ``skyulf projections``, their arguments and their help."""

from typing import Annotated

import typer

from skyulf.cli.options import DataDir, Json, Reason, begun

projections = typer.Typer(no_args_is_help=True, help="See how far the read models are, and rebuild them.")
parked = typer.Typer(
    invoke_without_command=True, help="See what projections and reactions could not take, and deal with it."
)
projections.add_typer(parked, name="parked")

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Default: all.", show_default=False)]
NameArg = Annotated[str, typer.Argument(metavar="NAME", help="The projection.")]
PositionArg = Annotated[int, typer.Argument(min=1, metavar="POSITION", help="The position of the event.")]


@projections.command("list")
def list_projections(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show how far each projection is, and whether anything is parked."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.projections import show

        show(screen, settings)


@projections.command("rebuild")
def rebuild_projections(names: Names = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Build projections anew from the log, beside those that are read meanwhile; goes on with what was stopped."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.projections import rebuild

        rebuild(screen, settings, names or [])


@projections.command("stop")
def stop_rebuilds(names: Names = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Leave rebuilds where they are; asked for again, they go on from there."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.projections import stop

        stop(screen, settings, names or [])


@parked.callback()
def parked_events(context: typer.Context, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show the events that a projection could not take, and those that wait behind them."""
    if context.invoked_subcommand is not None:
        if data_dir is not None or as_json:
            raise typer.BadParameter(f"options stand after {context.invoked_subcommand}")
        return
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.parking import show_all

        show_all(screen, settings)


@parked.command("show")
def show_parked(name: NameArg, position: PositionArg, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show one event that waits: as it stands in the log, why it waits, and what waits behind it."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.parking import show_one

        show_one(screen, settings, name, position)


@parked.command("retry")
def retry_parked(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The projection, or the reaction.")],
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="Only what waits under this key.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Fold again what is parked, in order, up to what fails again."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.parking import retry

        retry(screen, settings, name, key)


@parked.command("purge")
def purge_parked(
    name: NameArg, position: PositionArg, reason: Reason = None, data_dir: DataDir = None, as_json: Json = False
) -> None:
    """Have a projection go on without an event that it cannot fold, for good; it stays in the log."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.parking import purge

        purge(screen, settings, name, position, reason)


@parked.command("purged")
def purged_events(name: NameArg, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show which events a projection goes without, who decided that, and why."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.parking import show_purged

        show_purged(screen, settings, name)


@parked.command("forget")
def forget_parked(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The reaction.")],
    place: Annotated[
        str | None, typer.Argument(metavar="[PLACE]", help="Only the message there.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show messages that a reaction could not read no longer; nothing is lost with them."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.parking import forget

        forget(screen, settings, name, place)
