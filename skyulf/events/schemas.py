"""JSON schemas of events: made whole and without prose, compared field by field, and examples of what they take."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from skyulf.events.base import DomainEvent

Schema = dict[str, Any]

MISSING = object()
"""In place of a default that there is not."""

SAID_ELSEWHERE = frozenset(
    {"type", "anyOf", "enum", "const", "default", "properties", "required", "additionalProperties"}
    | {"items", "prefixItems"}
)
"""Members of a schema that are compared by what they mean; any other is a rule that a value must keep."""


def schema_of(cls: type[DomainEvent]) -> Schema:
    """What data a stored event of the class may have; definitions stand where they are used."""
    return inlined(without_prose(cls.model_json_schema()))


def without_prose(schema: Any) -> Any:
    """The schema without titles and descriptions; fields that are called so are kept."""
    if isinstance(schema, list):
        return [without_prose(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, part in schema.items():
        if key in ("properties", "$defs"):
            kept[key] = {name: without_prose(field) for name, field in part.items()}
        elif key not in ("title", "description"):
            kept[key] = without_prose(part)
    return kept


def inlined(schema: Schema) -> Schema:
    """A schema with its definitions where they are used, so that it stands alone."""
    definitions = schema.get("$defs", {})

    def put(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return put(definitions[part["$ref"].rpartition("/")[2]])
            return {name: put(value) for name, value in part.items() if name != "$defs"}
        return [put(each) for each in part] if isinstance(part, list) else part

    whole: Schema = put(schema)
    return whole


@dataclass(frozen=True, slots=True)
class Difference:
    """What is different between two schemas at a place, such as ``columns[].type``; empty is the whole.

    ``readable`` says whether all that the first takes is taken by the second, as it was meant: a value that may be
    more than before, or a field that may be left out.
    """

    place: str
    what: str
    readable: bool


def differences(before: Schema, after: Schema, place: str = "") -> Iterator[Difference]:
    """How ``after`` differs from ``before``, field by field."""
    old, new = _kinds(before), _kinds(after)
    lost, gained = [kind for kind in old if kind not in new], [kind for kind in new if kind not in old]
    if "integer" in lost and "number" in gained:
        lost.remove("integer")
    if "any" in new:
        lost = []
    if lost and len(lost) == len(old) and gained:
        yield Difference(place, f"its type changed from {_said(old)} to {_said(new)}", readable=False)
        return
    if lost:
        yield Difference(place, f"it was narrowed: it takes no {_said(lost)} any more", readable=False)
    if gained:
        yield Difference(place, f"it was widened: it takes {_said(gained)} as well", readable=True)
    defaults = [each.get("default", MISSING) for each in (before, after)]
    if MISSING not in defaults and defaults[0] != defaults[1]:
        yield Difference(place, f"its default changed from {defaults[0]!r} to {defaults[1]!r}", readable=False)
    for kind in old:
        if kind in new:
            yield from _within(old[kind], new[kind], place)


def _kinds(schema: Schema) -> dict[str, list[Schema]]:
    """What a schema takes, by JSON types; ``any`` stands for all."""
    kinds: dict[str, list[Schema]] = {}
    for each in schema.get("anyOf", [schema]):
        kinds.setdefault(str(each.get("type", "any")), []).append(each)
    return kinds


def _said(kinds: Iterable[str]) -> str:
    return " or ".join(kinds)


def _within(before: list[Schema], after: list[Schema], place: str) -> Iterator[Difference]:
    """Differences between what is of one JSON type."""
    if len(before) > 1 or len(after) > 1:
        if before != after:
            yield Difference(place, "one of the forms that it may have changed", readable=False)
        return
    (old,), (new,) = before, after
    yield from _rules(old, new, place)
    if "properties" in old or "properties" in new:
        yield from _fields(old, new, place)
    elif "additionalProperties" in old or "additionalProperties" in new:
        yield from differences(_others(old), _others(new), f"{place}{{}}")
    if "prefixItems" in old or "prefixItems" in new:
        pairs = zip_longest(old.get("prefixItems", ()), new.get("prefixItems", ()))
        for number, (one, other) in enumerate(pairs):
            if one is None or other is None:
                yield Difference(place, "it has another number of parts", readable=False)
                return
            yield from differences(one, other, f"{place}[{number}]")
    elif "items" in old or "items" in new:
        yield from differences(old.get("items", {}), new.get("items", {}), f"{place}[]")


def _rules(old: Schema, new: Schema, place: str) -> Iterator[Difference]:
    """Differences in what is asked of a value beside its type."""
    before, after = _listed(old), _listed(new)
    if before is not None and after is not None:
        if gone := [each for each in before if each not in after]:
            yield Difference(place, f"it was narrowed: it takes no {_said(map(repr, gone))} any more", readable=False)
        if more := [each for each in after if each not in before]:
            yield Difference(place, f"it was widened: it takes {_said(map(repr, more))} as well", readable=True)
    elif before is not None:
        yield Difference(place, "it was widened: it takes more than its few values", readable=True)
    elif after is not None:
        yield Difference(place, f"it was narrowed to {_said(map(repr, after))}", readable=False)
    for rule in sorted({*old, *new} - SAID_ELSEWHERE):
        if old.get(rule) != new.get(rule):
            loosened = rule not in new
            said = f"its rule {rule} is gone" if loosened else f"it was narrowed: {rule} {new[rule]!r}"
            yield Difference(place, said, readable=loosened)


def _others(schema: Schema) -> Schema:
    """What an object of no fields of its own takes under any name."""
    others = schema.get("additionalProperties", True)
    return others if isinstance(others, dict) else {}


def _listed(schema: Schema) -> list[Any] | None:
    """The few values that a schema takes, where it lists them."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _fields(old: Schema, new: Schema, place: str) -> Iterator[Difference]:
    before, after = old.get("properties", {}), new.get("properties", {})
    needed, needs = set(old.get("required", ())), set(new.get("required", ()))
    gone, added = [name for name in before if name not in after], [name for name in after if name not in before]
    for name in gone:
        alike = [each for each in added if before[name] == after[each] and (name in needed) == (each in needs)]
        if len(alike) == 1:
            added.remove(alike[0])
            yield Difference(_at(place, name), f"it was renamed to {alike[0]}, as it seems", readable=False)
        else:
            yield Difference(_at(place, name), "it was removed", readable=False)
    for name in added:
        said = "it was added, and must be there" if name in needs else "it was added, and may be left out"
        yield Difference(_at(place, name), said, readable=name not in needs)
    for name in (name for name in before if name in after):
        if name in needs - needed:
            yield Difference(_at(place, name), "it was made required", readable=False)
        if name in needed - needs:
            yield Difference(_at(place, name), "it may be left out now", readable=True)
        yield from differences(before[name], after[name], _at(place, name))


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def examples(schema: Schema) -> list[Any]:
    """Values that a schema takes: together they leave out and put in each field, and take each value of each list."""
    if "anyOf" in schema:
        return [value for each in schema["anyOf"] for value in examples(each)]
    if (listed := _listed(schema)) is not None:
        return listed
    match schema.get("type"):
        case "object" if "properties" in schema:
            return _example_objects(schema)
        case "object":
            return [{}, *({"a": value} for value in examples(_others(schema)))]
        case "array" if "prefixItems" in schema:
            return [[examples(each)[0] for each in schema["prefixItems"]]]
        case "array":
            return [[], *([value] for value in examples(schema.get("items", {})))]
        case "string":
            return ["2026-03-03T12:30:15Z" if schema.get("format") == "date-time" else "a"]
        case "boolean":
            return [True, False]
        case kind:
            plain: dict[object, list[Any]] = {"integer": [1], "number": [0.5], "null": [None]}
            return plain.get(kind, ["a"])


def _example_objects(schema: Schema) -> list[Any]:
    values = {name: examples(field) for name, field in schema["properties"].items()}
    least = {name: values[name][0] for name in schema.get("required", ())}
    whole = {name: each[0] for name, each in values.items()}
    return [least, whole, *({**whole, name: value} for name, each in values.items() for value in each[1:])]
