"""``skyulf export``: a version of a model as a file that is of use without Skyulf."""

from pathlib import Path

from skyulf.cli.models import parse, resolve
from skyulf.cli.reader import looking
from skyulf.cli.screen import Screen, UsageError, number
from skyulf.cli.train_view import labelled
from skyulf.settings import Settings

FORMS = {
    "skops": ("artifact", ".skops"),
    "onnx": ("onnx", ".onnx"),
    "script": ("script", ".py"),
    "notebook": ("notebook", ".ipynb"),
    "card": ("card", ".md"),
}
"""By form: where it stands below the version's address, and the ending of its file."""


def run(screen: Screen, settings: Settings, text: str, form: str, output: Path | None) -> None:
    """Write the file."""
    name, asked = parse(text)
    part, ending = FORMS[form]
    if output is not None and not output.absolute().parent.is_dir():
        raise UsageError(f"--output: there is no folder {output.absolute().parent}")
    with looking(screen, settings) as reader:
        if asked is None:
            version = int(reader.get("models", name)["model_version"])
        else:
            version = int(asked) if asked.isdecimal() else resolve(reader, name, asked)
        file = output or Path(f"{name}-{version}{ending}")
        with screen.busy(f"writing {file.name}"):
            reader.download(file, "models", name, "versions", str(version), part)
    screen.document({"model": name, "model_version": version, "as": form, "file": str(file)})
    screen.show(labelled("exported", (str(file), "bold"), f"  {name}:{version}, {number(file.stat().st_size)} bytes"))
