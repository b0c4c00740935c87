"""The commands of ``skyulf webhooks``, their arguments and their help."""

from typing import Annotated

import typer

from skyulf.cli.options import AsOf, Cursor, DataDir, Json, Limit, Order, Reason, begun

webhooks = typer.Typer(no_args_is_help=True, help="Tell other systems of events, over HTTP, and see what they took.")

WebhookArg = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Its id, or the end of it.")]
StreamArg = Annotated[str, typer.Argument(metavar="STREAM", help="The thing whose events wait, such as job-0199….")]
After = Annotated[int, typer.Option(min=0, metavar="N", help="Everything above this position; 0 for all there is.")]


@webhooks.command("list")
def list_webhooks(
    removed: Annotated[
        bool | None, typer.Option(help="Only removed ones, or only the others.", show_default=False)
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Order = None,
    as_of: AsOf = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List webhooks, the newest first, and how far each has got."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import webhooks as of
        from skyulf.cli.reader import Part

        of.show_all(screen, settings, Part(limit, cursor, order, as_of), removed)


@webhooks.command("add")
def add_webhook(
    url: Annotated[str, typer.Argument(help="Where events are posted to.")],
    types: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Only such events; may be given several times.")
    ] = None,
    nouns: Annotated[
        list[str] | None,
        typer.Option("--noun", metavar="NOUN", help="Only what happens to these, such as model; the same."),
    ] = None,
    streams: Annotated[
        list[str] | None, typer.Option("--stream", metavar="ID", help="Only events of these things; the same.")
    ] = None,
    after: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Begin with the events above this position. Default: from now on.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Have events posted to a URL, and show the secret that they are signed with, this once."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import webhooks as of

        wanted = {"types": types or [], "nouns": nouns or [], "streams": streams or []}
        of.add(screen, settings, {"url": url, **wanted, "after": after})


@webhooks.command("show")
def show_webhook(
    webhook: WebhookArg, limit: Limit = 50, as_of: AsOf = None, data_dir: DataDir = None, as_json: Json = False
) -> None:
    """Show a webhook, how far it has got, and what waits, and why."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import webhooks as of

        of.show_one(screen, settings, webhook, limit, as_of)


@webhooks.command("remove")
def remove_webhook(webhook: WebhookArg, reason: Reason = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Deliver nothing to it any more, and forget its secret."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import webhooks as of

        of.remove(screen, settings, webhook, reason)


@webhooks.command("replay")
def replay_webhook(
    webhook: WebhookArg, after: After, reason: Reason = None, data_dir: DataDir = None, as_json: Json = False
) -> None:
    """Deliver everything above a position, again where it had been delivered."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import webhooks as of

        of.replay(screen, settings, webhook, after, reason)


@webhooks.command("pause")
def pause_webhook(webhook: WebhookArg, reason: Reason = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Let what happens wait until the webhook is resumed."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import webhooks as of

        of.pause(screen, settings, webhook, True, reason)


@webhooks.command("resume")
def resume_webhook(webhook: WebhookArg, reason: Reason = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Deliver what has happened since the webhook was paused, and go on."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import webhooks as of

        of.pause(screen, settings, webhook, False, reason)


@webhooks.command("secret")
def replace_secret(webhook: WebhookArg, reason: Reason = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Sign deliveries with a new secret from now on, and show it, this once."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import webhooks as of

        of.replace_secret(screen, settings, webhook, reason)


@webhooks.command("retry")
def retry_delivery(
    webhook: WebhookArg, stream: StreamArg, reason: Reason = None, data_dir: DataDir = None, as_json: Json = False
) -> None:
    """Try what waits of a stream now."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import webhooks as of

        of.retry(screen, settings, webhook, stream, reason)


@webhooks.command("skip")
def skip_delivery(
    webhook: WebhookArg,
    stream: StreamArg,
    position: Annotated[int, typer.Option(min=1, metavar="N", help="That of the event that waits.")],
    reason: Annotated[str, typer.Option(metavar="WORDS", help="Why: it stays in the record.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Never deliver the event that waits, so that those behind it can be."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli import webhooks as of

        of.skip(screen, settings, webhook, stream, position, reason)
