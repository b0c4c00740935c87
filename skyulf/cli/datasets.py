"""``skyulf datasets``: what was taken in."""

from typing import Any

from skyulf.cli.reader import Part, looking, moment, show_page, shown_id
from skyulf.cli.screen import Screen, number, table
from skyulf.cli.train_view import cautions, labelled
from skyulf.settings import Settings


def show_all(screen: Screen, settings: Settings, part: Part, name: str | None) -> None:
    """List datasets."""
    with looking(screen, settings, part.as_of) as reader:
        page = reader.get("datasets", **part.params(), name=name)
    made = table("name", "id", "version", "rows", "columns", "created (UTC)", right=("version", "rows", "columns"))
    for item in page["items"]:
        made.add_row(
            item["name"],
            shown_id(screen, item["id"]),
            number(item["dataset_version"]),
            number(item["rows"]),
            number(item["column_count"]),
            moment(item["created_at"]),
        )
    show_page(screen, page, made, "There are no such datasets; skyulf train FILE --target COLUMN takes one in.")


def show_one(screen: Screen, settings: Settings, text: str, as_of: str | None) -> None:
    """Show a dataset and the columns of its newest version."""
    with looking(screen, settings, as_of) as reader:
        dataset = reader.get("datasets", reader.id_of("datasets", text))
    screen.document(dataset)
    rows = dataset["rows"]
    screen.show(
        labelled("dataset", (dataset["name"], "bold"), f"  {dataset['id']}"),
        labelled("created", f"{moment(dataset['created_at'])} UTC"),
        labelled("version", number(dataset["dataset_version"])),
        labelled("file", f"{dataset['filename']}, {number(dataset['size'])} bytes, {number(rows)} rows"),
        labelled("digest", dataset["digest"]),
        _columns(dataset["columns"], rows),
    )
    cautions(screen, dataset)


def _columns(columns: list[dict[str, Any]], rows: int) -> Any:
    made = table("column", "type", "missing", "different values", right=("missing", "different values"))
    for column in columns:
        share = f"{number(column['nulls'])} ({column['nulls'] / rows:.1%})" if rows and column["nulls"] else "–"
        made.add_row(column["name"], column["type"], share, number(column["distinct"]))
    return made
