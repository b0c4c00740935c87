"""``skyulf export``: its arguments and its help."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from skyulf.cli.options import DataDir, Json, begun


class Form(StrEnum):
    """What a version of a model is exported as."""

    skops = "skops"
    onnx = "onnx"
    script = "script"
    notebook = "notebook"
    card = "card"


def export_model(
    model: Annotated[
        str, typer.Argument(metavar="MODEL[:VERSION]", help="Its name, and a version or an alias. Default: the newest.")
    ],
    form: Annotated[
        Form,
        typer.Option(
            "--as",
            help="The model's file, its ONNX copy, scikit-learn code that rebuilds the pipeline without Skyulf, or a "
            "model card.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to. Default: MODEL-VERSION and an ending.", show_default=False
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write a version of a model into a file that other programs, or people, can use without Skyulf."""
    with begun(data_dir, as_json) as (screen, settings):
        from skyulf.cli.export import run

        run(screen, settings, model, form.value, output)
