"""The page that sets what the published platform offers beside ours says what the catalogue says."""

import re
from pathlib import Path
from typing import get_args

import numpy as np
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from skyulf.core.cluster_quality import evaluate_clusters, judge_partition
from skyulf.core.evaluation import evaluate_classes, evaluate_numbers
from skyulf.core.registry import models, steps
from skyulf.core.tuning_spec import FoldKind, PrunerName, Strategy, TuningSpec

OURS_ALONE = {"drop_columns", "cluster"}
EVALUATION = Path(__file__).parents[3] / "docs" / "evaluation.md"
PAGE = Path(__file__).parents[3] / "docs" / "coverage.md"


def rows(title: str) -> list[list[str]]:
    """The cells of a table: number, theirs, ours, how."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in section.splitlines() if line[:1] == "|"]
    return [row for row in cells if row[0].isdigit()]


def test_every_step_and_model_of_theirs_is_on_it() -> None:
    for title, count in (("Steps", 62), ("Models", 38)):
        assert [row[0] for row in rows(title)] == [str(at) for at in range(1, count + 1)]
    named = [row[1] for title in ("Steps", "Models") for row in rows(title)]
    assert len(set(named)) == 100


def test_every_node_that_it_names_is_there_and_every_node_is_named() -> None:
    for title, nodes in (("Steps", steps()), ("Models", models())):
        cells = [row[2] for row in rows(title)]
        named = {name for cell in cells if "*" not in cell for name in re.findall(r"`(\w+)`", cell)}
        assert named <= set(nodes)
        assert set(nodes) - named <= OURS_ALONE
        for cell in cells:
            assert cell.startswith(("`", "*")), f"{cell} is neither a node, nor a part of the system, nor to come"


def test_every_metric_is_computed_and_told_of() -> None:
    truth, numbers = np.array([0, 1, 1]), np.array([1.0, 2.0, 4.0])
    classes, _ = evaluate_classes(truth, truth, np.eye(2)[truth], ["a", "b"])
    computed = {*classes, *evaluate_numbers(numbers, numbers)[0], *evaluate_clusters(numbers[:, None], truth, 2)[0]}
    ours_alone = {"brier", "median_ae"}
    for model in (KMeans(2), GaussianMixture(2)):
        found, _ = judge_partition(model.fit(numbers[:, None]), numbers[:, None], truth, 0)
        ours_alone |= found.keys() - computed
        computed |= found.keys()
    assert [row[0] for row in rows("Metrics")] == [str(at) for at in range(1, 24)]
    named = {name for row in rows("Metrics") if "*" not in row[2] for name in re.findall(r"`(\w+)`", row[2])}
    assert computed - named == ours_alone
    assert named <= computed
    table = EVALUATION.read_text(encoding="utf-8").split("## Metrics\n")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", table)) == computed


def test_what_each_is_by_is_a_parameter() -> None:
    for title, nodes in (("Steps", steps()), ("Models", models())):
        for row in rows(title):
            if found := re.match(r"`(\w+)` (\w+)$", row[3]):
                (name, *_) = re.findall(r"`(\w+)`", row[2])
                parameter, value = found.groups()
                schema = str(nodes[name].model_json_schema()["properties"][parameter])
                assert f"'{value}'" in schema, f"{name} has no {parameter} {value}"


def test_every_way_of_tuning_is_a_value_of_its_spec() -> None:
    known = {"strategy": Strategy, "pruner": PrunerName, "kind": FoldKind}
    named: dict[str, set[str]] = {name: set() for name in known}
    assert [row[0] for row in rows("Tuning")] == [str(at) for at in range(1, 14)]
    for row in rows("Tuning"):
        if found := re.fullmatch(r"`(\w+)` (\w+)", row[2]):
            named[found[1]].add(found[2])
        else:
            assert re.fullmatch(r"\*`(\w+)`\*", row[2])[1] in TuningSpec.model_fields  # type: ignore[index]
    ours_alone = {"kind": {"group"}}
    assert {name: set(get_args(values)) - ours_alone.get(name, set()) for name, values in known.items()} == named
