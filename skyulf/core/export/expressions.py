"""Objects as the expressions that make them: estimators by their parameters, and plain values."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from skyulf.core.export.definitions import Definitions
from skyulf.core.transformers import MedianImputer
from skyulf.errors import SkyulfError

WIDTH = 110
"""Columns of a line of a script."""

INDENT = "    "


class Unwritable(SkyulfError):
    """There is no expression that makes such an object; says of what type it is."""


class Expressions:
    """Writes expressions; what they name is gathered in ``definitions``."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions

    def of(self, thing: Any, depth: int = 0) -> str:
        """The expression, laid out over lines that are indented by ``depth``; raises `Unwritable`."""
        match thing:
            case float() if not math.isfinite(thing):
                return f'float("{float(thing)}")'
            case np.generic():
                return self.of(thing.item(), depth)
            case None | bool() | int() | float() | str():
                return repr(thing)
            case list():
                return self._laid_out("[", [("", item) for item in thing], "]", depth)
            case tuple():
                return self._laid_out("(", [("", item) for item in thing], ",)" if len(thing) == 1 else ")", depth)
            case Mapping():
                return self._laid_out("{", [(f"{key!r}: ", value) for key, value in thing.items()], "}", depth)
            case np.ndarray():
                self.definitions.imports.add("import numpy as np")
                return self._laid_out("np.array(", [("", thing.tolist())], ")", depth)
            case slice():
                return repr(thing)
            case type():
                return self.definitions.name_of(thing)
        return self._made(thing, depth)

    def _made(self, thing: Any, depth: int) -> str:
        """A call of the object's class, with the parameters that are not as they are by default."""
        kind = type(thing)
        if kind is MedianImputer:  # learns the same medians sooner, and is a SimpleImputer once it is fitted
            kind = MedianImputer.__base__
        if kind.__module__ == "builtins" or (kind.__init__ is object.__init__ and not hasattr(thing, "get_params")):
            raise Unwritable(f"there is no expression for a {type(thing).__name__}")
        given: list[tuple[str, Any]] = []
        for name, parameter in inspect.signature(kind).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or not hasattr(thing, name):
                raise Unwritable(f"{kind.__name__} does not keep its parameter {name}")
            value = getattr(thing, name)
            if not _same(value, parameter.default):
                first = parameter.default is parameter.empty and not given
                given.append(("" if first else f"{name}=", value))
        made = self._laid_out(f"{self.definitions.name_of(kind)}(", given, ")", depth)
        config = getattr(thing, "_sklearn_output_config", {})
        if kind.__name__ == "ColumnTransformer" and config.get("transform"):
            made += f".set_output(transform={config['transform']!r})"
        return made

    def _laid_out(self, begin: str, parts: list[tuple[str, Any]], end: str, depth: int) -> str:
        """All on one line where that is short enough, else a line for each part."""
        flat = [f"{prefix}{self.of(value, depth)}" for prefix, value in parts]
        one = f"{begin}{', '.join(flat)}{end}"
        if "\n" not in one and len(INDENT) * (depth + 1) + len(one) <= WIDTH:
            return one
        inner = INDENT * (depth + 1)
        lines = [f"{inner}{prefix}{self.of(value, depth + 1)}," for prefix, value in parts]
        return "\n".join([begin, *lines, f"{INDENT * depth}{end.removeprefix(',')}"])


def _same(value: Any, default: Any) -> bool:
    if value is default:
        return True
    if isinstance(value, float) and isinstance(default, float) and math.isnan(value):
        return math.isnan(default)
    return type(value) is type(default) and isinstance(value, bool | int | float | str | tuple) and value == default
