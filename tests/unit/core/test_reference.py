"""The page of nodes says what the nodes say."""

from pathlib import Path

from skyulf.core.reference import reference
from skyulf.core.registry import models, steps
from skyulf.core.spec import PipelineSpec

PAGE = Path(__file__).parents[3] / "docs" / "nodes.md"


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == reference(), "run python -m skyulf.core.reference > docs/nodes.md"


def test_every_node_and_parameter_is_on_it():
    listed, whole = reference().split("\n## The whole\n")
    sections = {part.split("\n", 1)[0]: part for part in listed.split("\n### ")[1:]}
    nodes = {**steps(), **models()}
    assert sections.keys() == nodes.keys()
    for name, node in nodes.items():
        assert all(f"| `{parameter}` |" in sections[name] for parameter in node.model_fields)
    assert all(f"| `{field}` |" in whole for field in PipelineSpec.model_fields)
