"""Thresholds and intervals, from the spec to every answer: JSON, CSV and Arrow, by the model and by its ONNX copy."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from command_line import answered, skyulf
from system import System

ARROW = "application/vnd.apache.arrow.stream"

STEPS = [{"node": "scale", "columns": "numeric"}, {"node": "one_hot", "columns": "categorical"}]
RARE = {
    "task": "classification", "target": "label", "model": {"node": "logistic_regression"},
    "steps": [{"node": "drop_columns", "columns": ["amount"]}, *STEPS],
    "thresholds": {"criterion": "cost", "false_negative_cost": 6}, "evaluation": {"slices": ["place"]},
}  # fmt: skip
AMOUNT = {
    "task": "regression", "target": "amount", "model": {"node": "ridge"},
    "steps": [{"node": "drop_columns", "columns": ["label"]}, *STEPS],
    "intervals": {"coverage": 0.8}, "evaluation": {"slices": ["x"]},
}  # fmt: skip


def rows_of(count: int, seed: int) -> list[dict[str, Any]]:
    """Rows in which the label and the amount follow from the others, with noise."""
    rng = np.random.default_rng(seed)
    x, place = rng.normal(size=count), rng.choice(["ubud", "yorkeys"], count)
    amount = 3 * x + (place == "ubud") + rng.standard_t(5, count)
    label = np.where(amount + rng.normal(size=count) > 3.5, "yes", "no")
    columns = {"x": x, "place": place, "amount": amount, "label": label}
    return [dict(zip(columns, row, strict=True)) for row in zip(*(c.tolist() for c in columns.values()), strict=True)]


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def deploy(system: System, name: str) -> None:
    system.send("PUT", f"/v1/deployments/{name}", {"model": name, "model_version": 1, "reason": "a test"})


def predicted(system: System, name: str, rows: list[dict[str, Any]], **query: str) -> tuple[Any, Any, Any]:
    """The answers in the three formats: a document, lines of cells, and a table."""
    answers = []
    for accept in ("application/json", "text/csv", ARROW):
        path = f"/v1/deployments/{name}/predict"
        answer = system.ask("POST", path, json={"rows": rows}, params=query, headers={"Accept": accept})
        assert answer.status_code == 200, answer.text
        answers.append(answer)
    lines = list(csv.DictReader(io.StringIO(answers[1].text)))
    return answers[0].json(), lines, pa.ipc.open_stream(answers[2].content).read_all()


def check_thresholds(system: System, rows: list[dict[str, Any]], threshold: float, chances: list[float]) -> None:
    """All answers decide by the threshold, and the probabilities are those of the model that has none."""
    document, lines, table = predicted(system, "rare", rows)
    said = document["predictions"]
    assert said == [line["prediction"] for line in lines] == table.column("prediction").to_pylist()
    assert [each["yes"] for each in document["probabilities"]] == pytest.approx(chances, abs=1e-9)
    assert said == ["yes" if chance >= threshold else "no" for chance in chances]
    assert said != ["yes" if chance > 0.5 else "no" for chance in chances]


def check_intervals(system: System, rows: list[dict[str, Any]], half_width: float) -> None:
    """All answers say the same intervals where they are asked for, and they hold about as many values as they say."""
    document, lines, table = predicted(system, "amount", rows, intervals="true")
    lower = [each["lower"] for each in document["intervals"]]
    upper = [each["upper"] for each in document["intervals"]]
    assert document["coverage"] == 0.8
    assert [high - low for low, high in zip(lower, upper, strict=True)] == pytest.approx([2 * half_width] * len(rows))
    assert [float(line["lower"]) for line in lines] == lower == table.column("lower").to_pylist()
    assert [float(line["upper"]) for line in lines] == upper == table.column("upper").to_pylist()
    assert table.schema.metadata[b"coverage"] == b"0.8"
    within = [low <= row["amount"] <= high for low, row, high in zip(lower, rows, upper, strict=True)]
    assert np.mean(within) == pytest.approx(0.8, abs=0.06)  # three standard deviations of 600 rows, and of the width
    plain, lines, table = predicted(system, "amount", rows)
    assert {"intervals", "coverage"}.isdisjoint(plain)
    assert list(lines[0]) == table.column_names == ["prediction"]


def test_a_model_decides_alike_everywhere(tmp_path: Path) -> None:
    learnt, new = rows_of(600, 1), rows_of(600, 2)
    with System(tmp_path) as system:
        system.start()
        dataset = system.upload(as_csv(learnt))
        rare = system.trained(dataset, RARE, model_name="rare")
        amount = system.trained(dataset, AMOUNT, model_name="amount")
        system.trained(dataset, {**RARE, "thresholds": None}, model_name="plain")
        evaluation = system.get(f"/v1/jobs/{rare['id']}/evaluation")
        (told,) = evaluation["thresholds"]["classes"]
        assert told["label"] == "yes"
        assert told["threshold"] < 0.4
        assert evaluation["thresholds"]["score"] < evaluation["thresholds"]["score_without"]
        matrix = evaluation["confusion_matrix"]
        assert rare["metrics"]["accuracy"] == pytest.approx((matrix[0][0] + matrix[1][1]) / 120)
        assert "yorkeys" not in json.dumps(evaluation)
        (slices,) = system.get(f"/v1/jobs/{rare['id']}/slices")["slices"]
        assert {part["value"] for part in slices["parts"]} == {"ubud", "yorkeys"}
        intervals = system.get(f"/v1/jobs/{amount['id']}/evaluation")["intervals"]
        assert intervals["observed"] == pytest.approx(0.8, abs=0.12)

        for name in ("rare", "amount", "plain"):
            deploy(system, name)
        chances = [each["yes"] for each in predicted(system, "plain", new)[0]["probabilities"]]
        check_thresholds(system, new, told["threshold"], chances)
        check_intervals(system, new, intervals["half_width"])
        system.settled()
        assert [system.job(job["id"])["onnx"]["reason"] for job in (rare, amount)] == [None, None]
        check_thresholds(system, new, told["threshold"], chances)
        check_intervals(system, new, intervals["half_width"])

        for name, query in (("rare", "true"), ("amount", "perhaps")):
            path = f"/v1/deployments/{name}/predict"
            assert system.ask("POST", path, json={"rows": new[:1]}, params={"intervals": query}).status_code == 422
        events = json.dumps(system.events())
        assert "ubud" not in events
        assert "yorkeys" not in events

        where = ("--data-dir", system.data_dir)
        shown = skyulf("jobs", "show", rare["id"], *where).stdout
        assert f"yes {told['threshold']:.4g}"[:9] in shown
        assert "yorkeys" in shown
        assert f"± {intervals['half_width']:.4g}"[:5] in skyulf("jobs", "show", amount["id"], *where).stdout
        (tmp_path / "new.csv").write_bytes(as_csv(new[:20]))
        document = answered("predict", "amount", tmp_path / "new.csv", "--intervals", *where)
        assert (document["coverage"], len(document["intervals"])) == (0.8, 20)
        done = skyulf("predict", "amount", tmp_path / "new.csv", "--intervals", "-o", tmp_path / "out.csv", *where)
        assert done.returncode == 0, done.stderr
        written = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
        assert [float(line["lower"]) for line in written] == [each["lower"] for each in document["intervals"]]
