"""Definitions of ours, as source code that stands without us: a class, and all that it rests on in our modules.

What a definition names is followed through the modules by their syntax trees; what comes from other libraries becomes
an import. The code is the very code that trained, so what a script says is what was done.
"""

import ast
import importlib
import inspect
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

OURS = "skyulf"

REMARKS = re.compile(r"[ ]*# (type: ignore|noqa|fmt: skip)[^\n]*")
"""Remarks to our own tools, which mean nothing elsewhere."""

DRAWING = "Graph"
"""The type of a parameter that tells methods which draw ONNX graphs; a script has no need of them."""


@dataclass(frozen=True)
class _Module:
    """A module's name, its lines, and its top-level statements by the names that they define."""

    name: str
    lines: list[str]
    statements: dict[str, ast.stmt]


class Definitions:
    """Gathers imports and definitions, each after those that it rests on; no two have one name."""

    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.texts: list[str] = []
        self._names: dict[tuple[str, str], str] = {}
        self._taken: dict[str, str] = {}

    def name_of(self, thing: Any) -> str:
        """The name by which the script has a class or function of ours or of another library."""
        module, name = thing.__module__, thing.__qualname__
        if module.split(".")[0] == OURS:
            return self._define(_module(module), name)
        return self._import(_public(module, name), name)

    def _import(self, module: str, name: str) -> str:
        self.imports.add(f"from {module} import {name}")
        return name

    def _define(self, module: _Module, name: str) -> str:
        """Take a definition in, and return the name that it has here."""
        key = (module.name, name)
        if key in self._names:
            return self._names[key]
        statement = module.statements[name]
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self._names[key] = self._imported(statement, name)
            return self._names[key]
        plain = _text(module, statement, {})
        if self._taken.get(name) == plain:  # the same in both modules, as the name of a type is
            self._names[key] = name
            return name
        own = name if name not in self._taken else f"{name}_of_{module.name.rpartition('.')[2]}"
        self._names[key] = own
        self._taken[own] = plain
        renamed = {name: own} if own != name else {}
        first, later = _used(statement)
        self._take(module, first, renamed)
        place = len(self.texts)
        self.texts.append("")
        self._take(module, later, renamed)
        for node in _inner_imports(statement):
            for alias in node.names:
                self._imported(node, alias.name)
        self.texts[place] = _text(module, statement, renamed)
        return own

    def _take(self, module: _Module, names: list[str], renamed: dict[str, str]) -> None:
        """Take in what the names of a module mean; those that are others here are noted in ``renamed``."""
        for name in names:
            if name in module.statements and name not in renamed and (own := self._define(module, name)) != name:
                renamed[name] = own

    def _imported(self, statement: ast.Import | ast.ImportFrom, name: str) -> str:
        if isinstance(statement, ast.ImportFrom) and _is_ours(statement.module):
            return self._define(_module(str(statement.module)), name)
        self.imports.add(ast.unparse(_only(statement, name)))
        return name


def _is_ours(module: str | None) -> bool:
    return module is not None and module.split(".")[0] == OURS


def _only(statement: ast.Import | ast.ImportFrom, name: str) -> ast.Import | ast.ImportFrom:
    """Narrow an import to one of its names."""
    aliases = [alias for alias in statement.names if (alias.asname or alias.name.split(".")[0]) == name]
    if isinstance(statement, ast.Import):
        return ast.Import(names=aliases)
    return ast.ImportFrom(module=statement.module, names=aliases, level=statement.level)


@cache
def _module(name: str) -> _Module:
    source = inspect.getsource(importlib.import_module(name))
    statements: dict[str, ast.stmt] = {}
    for statement in ast.parse(source).body:
        for defined in _defined(statement):
            statements[defined] = statement
    return _Module(name, source.splitlines(), statements)


def _defined(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.ClassDef() | ast.FunctionDef():
            return [statement.name]
        case ast.Assign():
            targets = [target for each in statement.targets for target in ast.walk(each)]
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Import() | ast.ImportFrom():
            return [alias.asname or alias.name.split(".")[0] for alias in statement.names]
        case _:
            return []


def _parts(statement: ast.stmt) -> list[ast.stmt]:
    """Methods of a class that draw ONNX graphs, which are left out."""
    if not isinstance(statement, ast.ClassDef):
        return []
    return [
        member
        for member in statement.body
        if isinstance(member, ast.FunctionDef)
        and any(DRAWING in ast.dump(each.annotation) for each in member.args.args if each.annotation is not None)
    ]


def _used(statement: ast.stmt) -> tuple[list[str], list[str]]:
    """The names that a statement needs when it is run, and those that bodies of functions need when they are called."""
    left_out = {id(node) for part in _parts(statement) for node in ast.walk(part)}
    bodies = [node for node in ast.walk(statement) if isinstance(node, ast.FunctionDef)]
    called = {id(node) for each in bodies for line in each.body for node in ast.walk(line)}
    nodes = [node for node in ast.walk(statement) if isinstance(node, ast.Name) and id(node) not in left_out]
    nodes.sort(key=lambda node: (node.lineno, node.col_offset))
    now = [node.id for node in nodes if id(node) not in called]
    return list(dict.fromkeys(now)), list(dict.fromkeys(node.id for node in nodes if id(node) in called))


def _inner_imports(statement: ast.stmt) -> list[ast.ImportFrom]:
    """What bodies of functions import from our modules."""
    return [node for node in ast.walk(statement) if isinstance(node, ast.ImportFrom) and _is_ours(node.module)]


def _text(module: _Module, statement: ast.stmt, renamed: dict[str, str]) -> str:
    """A statement's lines, without what is left out, and with other names where ours are taken."""
    decorators = getattr(statement, "decorator_list", [])
    begin = min([statement.lineno, *(each.lineno for each in decorators)])
    end = statement.end_lineno or statement.lineno
    lines = {number: module.lines[number - 1] for number in range(begin, end + 1)}
    places = [
        (node.lineno, node.col_offset, node.id)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and node.id in renamed
    ]
    for number, offset, name in sorted(places, reverse=True):
        raw = lines[number].encode()  # offsets of syntax trees are in bytes
        lines[number] = (raw[:offset] + renamed[name].encode() + raw[offset + len(name.encode()) :]).decode()
    if isinstance(statement, ast.ClassDef | ast.FunctionDef) and statement.name in renamed:
        lines[statement.lineno] = lines[statement.lineno].replace(statement.name, renamed[statement.name], 1)
    for node in (*_parts(statement), *_inner_imports(statement)):
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            lines.pop(number, None)
    return REMARKS.sub("", "\n".join(lines.values())).rstrip()


def _public(module: str, name: str) -> str:
    """The shortest package from which a name can be imported: sklearn.impute, not sklearn.impute._base."""
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        package = ".".join(parts[:count])
        found = getattr(importlib.import_module(package), name, None)
        if found is not None and getattr(found, "__module__", None) == module:
            return package
    return module
