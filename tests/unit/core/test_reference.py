"""The page of nodes says what the nodes say."""

from pathlib import Path

from skyulf.core.reference import reference
from skyulf.core.registry import models, steps

PAGE = Path(__file__).parents[3] / "docs" / "nodes.md"


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == reference(), "run python -m skyulf.core.reference > docs/nodes.md"


def test_every_node_and_parameter_is_on_it():
    sections = {part.split("\n", 1)[0]: part for part in reference().split("\n### ")[1:]}
    nodes = {**steps(), **models()}
    assert sections.keys() == nodes.keys()
    for name, node in nodes.items():
        assert all(f"| `{parameter}` |" in sections[name] for parameter in node.model_fields)
