"""``skyulf models``: what was trained under a name, version by version."""

from typing import Any

from skyulf.cli.naming import aim_of
from skyulf.cli.reader import Part, Reader, looking, moment, show_page
from skyulf.cli.screen import Screen, UsageError, number, table
from skyulf.cli.train_view import headline, labelled, metrics
from skyulf.settings import Settings


def show_all(screen: Screen, settings: Settings, part: Part) -> None:
    """List models."""
    with looking(screen, settings, part.as_of) as reader:
        page = reader.get("models", **part.params())
    made = table("model", "newest version", "aliases", "retired", "created (UTC)", right=("newest version",))
    for item in page["items"]:
        made.add_row(
            item["name"],
            number(item["model_version"]),
            aliases_of(item["aliases"]),
            ", ".join(map(str, item["retired"])),
            moment(item["created_at"]),
        )
    show_page(screen, page, made, "There are no models; skyulf train FILE --target COLUMN makes one.")


def show_one(screen: Screen, settings: Settings, text: str, part: Part) -> None:
    """Show a model and its versions, or one version of it."""
    name, version = parse(text)
    with looking(screen, settings, part.as_of) as reader:
        if version is not None:
            _version(screen, reader, name, version)
            return
        model = reader.get("models", name)
        versions = reader.get("models", name, "versions", **{**part.params(), "order": part.order or "-model_version"})
    screen.document({**model, "versions": versions["items"], "next_cursor": versions["next_cursor"]})
    screen.show(
        labelled("model", (model["name"], "bold"), f"  newest version {model['model_version']}"),
        labelled("aliases", aliases_of(model["aliases"]) or "none"),
    )
    made = table("version", "estimator", "task", "held-out rows", "created (UTC)", right=("version",))
    for item in versions["items"]:
        made.add_row(
            number(item["model_version"]),
            item["estimator"],
            aim_of(item),
            headline(item["metrics"]),
            f"{moment(item['created_at'])}{'  retired' if item['retired'] else ''}",
            style="dim" if item["retired"] else "",
        )
    screen.show(made)
    if versions["next_cursor"]:
        screen.note(f"there is more: --cursor {versions['next_cursor']}, or a higher --limit", style="dim")


def _version(screen: Screen, reader: Reader, name: str, version: str) -> None:
    number_ = version if version.isdecimal() else str(resolve(reader, name, version))
    shown = reader.get("models", name, "versions", number_)
    screen.document(shown)
    screen.show(
        labelled("model", (f"{name}:{shown['model_version']}", "bold"), "  retired" if shown["retired"] else ""),
        labelled("is", f"{shown['estimator']}, {aim_of(shown)}"),
        labelled("made by", f"{shown['job_id']}, {moment(shown['created_at'])} UTC"),
        labelled("print", shown["fingerprint"]),
        labelled("file", shown["artifact"]),
        "",
        metrics(shown["metrics"]),
    )


def resolve(reader: Reader, name: str, alias: str) -> int:
    """The version that an alias means."""
    aliases: dict[str, int] = reader.get("models", name)["aliases"]
    if alias not in aliases:
        known = f"its aliases are {', '.join(aliases)}" if aliases else "it has no aliases"
        raise UsageError(f"{name}:{alias}: give the number of a version, or an alias; {known}")
    return aliases[alias]


def parse(text: str) -> tuple[str, str | None]:
    """``NAME``, ``NAME:VERSION`` or ``NAME:ALIAS``."""
    name, colon, version = text.partition(":")
    if not name or (colon and not version):
        raise UsageError(f"{text}: write MODEL, MODEL:VERSION or MODEL:ALIAS")
    return name, version or None


def as_asked(name: str, version: str) -> dict[str, Any]:
    """A version by its number or by an alias, as requests have it."""
    return {"model": name, **({"model_version": int(version)} if version.isdecimal() else {"alias": version})}


def aliases_of(aliases: dict[str, int]) -> str:
    """Aliases and what they mean."""
    return ", ".join(f"{alias} → {version}" for alias, version in aliases.items())
