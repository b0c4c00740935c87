"""The reference page of all nodes, written from their declarations.

``python -m skyulf.core.reference > docs/nodes.md`` writes it; a test holds the page against what this gives.
"""

import inspect
import json
import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from skyulf.core.registry import describe_nodes
from skyulf.core.spec import PipelineSpec

HEAD = """# Nodes

Every step and model that a pipeline may name. Written by `python -m skyulf.core.reference > docs/nodes.md`; what is
said here is said by the classes themselves, in `skyulf/core/nodes/` and `skyulf/core/models/`.
"""


def reference() -> str:
    """Return the page as Markdown."""
    nodes = describe_nodes()
    lines = [HEAD]
    for kind, title in (("step", "Steps"), ("model", "Models")):
        lines.append(f"## {title}\n")
        for node in nodes:
            if node["kind"] == kind:
                lines += _section(node)
    lines += [
        "## The whole\n",
        f"{inspect.getdoc(PipelineSpec)}\n".replace("``", "`"),
        "| field | default |",
        "|---|---|",
    ]
    for name, field in PipelineSpec.model_fields.items():
        default = "" if field.is_required() else _literal(_plain(field.default))
        lines.append(f"| `{name}` | {default} |")
    return "\n".join(lines).rstrip() + "\n"


def _section(node: dict[str, Any]) -> Iterator[str]:
    yield f"### {node['name']}\n"
    if node["kind"] == "model":
        yield f"For {' and '.join(node['tasks'])}.\n"
    yield f"{node['doc'].replace('``', '`')}\n"
    properties = node["params"].get("properties", {})
    if properties:
        yield "| parameter | values | default |"
        yield "|---|---|---|"
        for name, schema in properties.items():
            yield f"| `{name}` | {_values(schema)} | {_default(schema, name in node['params'].get('required', ()))} |"
        yield ""


def _default(schema: dict[str, Any], needed: bool) -> str:
    """Say what a parameter is where it is left out."""
    if "default" in schema:
        return _literal(schema["default"])
    return "needed" if needed else "as said above"


_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def _values(schema: dict[str, Any]) -> str:
    """Say in words which values a parameter's JSON schema lets in."""
    if "anyOf" in schema:
        return " or ".join(_values(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(_literal(value) for value in schema.get("enum", [schema.get("const")]))
    if "$ref" in schema:
        return "a model: node, params"
    if schema.get("type") == "object" and "additionalProperties" in schema:
        return f"an object of: {_values(schema['additionalProperties'])}"
    if "prefixItems" in schema:
        return f"a list of: {', '.join(_values(one) for one in schema['prefixItems'])}"
    if schema.get("type") == "array":
        return f"a list of: {_values(schema['items'])}"
    words = [str(schema.get("type", "any"))]
    words += [f"{sign} {schema[key]:g}" for key, sign in _BOUNDS.items() if key in schema]
    return " ".join(words)


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else value


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_literal(one) for one in value)
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    sys.stdout.write(reference())
