"""Importing large libraries without the docstrings of their functions, of which children have no use: 12 MB.

As ``python -OO`` does, with which these libraries are tested by their makers; but asserts stay, and the bytecode that
is cached for everyone is used. numpy is not among them: it rewrites docstrings when imported, and insists on them.
"""

import inspect
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import CodeType

WITHOUT_DOCSTRINGS = frozenset({"joblib", "narwhals", "pandas", "pyarrow", "scipy", "skops", "sklearn"})
"""The packages that are imported so."""

_HAS_DOCSTRING = getattr(inspect, "CO_HAS_DOCSTRING", 0)
"""The flag of a function that has one; before Python 3.13, the first constant of a function tells."""


def import_without_docstrings() -> None:
    """From here on, have modules of those packages imported so."""
    extensions = (ExtensionFileLoader, EXTENSION_SUFFIXES)
    bytecode = (SourcelessFileLoader, BYTECODE_SUFFIXES)
    sys.path_hooks.insert(0, FileFinder.path_hook(extensions, (Loader, SOURCE_SUFFIXES), bytecode))
    sys.path_importer_cache.clear()


class Loader(SourceFileLoader):
    """Loads a module as ever, and takes away docstrings if it is of one of those packages."""

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code."""
        code = super().get_code(fullname)
        if code is None or fullname.partition(".")[0] not in WITHOUT_DOCSTRINGS:
            return code
        return without_docstrings(code)


def without_docstrings(code: CodeType) -> CodeType:
    """The same code without the docstrings of the functions in it; the code itself where there are none."""
    constants: Sequence[object] = code.co_consts
    kept = [without_docstrings(part) if isinstance(part, CodeType) else part for part in constants]
    if _has_docstring(code):
        kept[0] = None
    return code.replace(co_consts=tuple(kept)) if _differ(kept, constants) else code


def _has_docstring(code: CodeType) -> bool:
    if _HAS_DOCSTRING:
        return bool(code.co_flags & _HAS_DOCSTRING)
    is_function = code.co_flags & inspect.CO_NEWLOCALS and not code.co_name.startswith("<")
    return bool(is_function and code.co_consts and isinstance(code.co_consts[0], str))


def _differ(these: Iterable[object], those: Iterable[object]) -> bool:
    return any(this is not that for this, that in zip(these, those, strict=True))
