"""Writes trained pipelines as code, and draws evaluations, when somebody asks for it; nothing of it is kept."""

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from typing import Any

from skyulf.core.export import CodeForm, Trained
from skyulf.reactions.on_request import OnRequest
from skyulf.reactions.sandbox import SandboxServer

SECONDS = 60.0
MEMORY = 1 << 30
AT_ONCE = 2


class ExportService:
    """Writes and draws in a sandbox, which has the libraries for it; all follows from the log and its artifacts."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self._asked = OnRequest(sandbox, "exports", AT_ONCE, SECONDS, MEMORY)

    def close(self) -> None:
        """Begin no more, and wait for what is under way."""
        self._asked.close()

    def code(self, key: Hashable, trained: Trained, form: CodeForm) -> Future[str]:
        """The code of what ``key`` names; fails with `NotAllowed` naming the steps that cannot be written."""
        return self._asked.once((form, key), lambda: self._asked.in_sandbox(write_code, trained, form))

    def pictures(self, key: Hashable, evaluation: Mapping[str, Any]) -> Future[list[str]]:
        """The pictures of an evaluation that ``key`` names, each an element ``svg``; fails with `NotAllowed`."""
        return self._asked.once(("pictures", key), lambda: self._asked.in_sandbox(draw_pictures, evaluation))


def write_code(_: Callable[[Any], None], trained: Trained, form: CodeForm) -> str:
    """Write a script or a notebook, in this process."""
    from skyulf.core.export.script import notebook, script

    return script(trained) if form == "script" else notebook(trained)


def draw_pictures(_: Callable[[Any], None], evaluation: Mapping[str, Any]) -> list[str]:
    """Draw an evaluation, in this process."""
    from skyulf.core.plots.figure import draw_apart, svg_of

    return [svg_of(figure, f"picture-{at}") for at, figure in enumerate(draw_apart(evaluation), start=1)]
