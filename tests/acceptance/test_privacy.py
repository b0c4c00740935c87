"""No value of anyone's data gets into an event, whatever becomes of it."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from system import QUICK, System

ROWS = 120


def cells() -> tuple[list[dict[str, str]], set[str]]:
    """Rows in which every value can be told from anything else, and those values."""
    dice = random.Random(7)

    def word() -> str:
        return "q" + "".join(dice.choices("bcdfghjkmnpqrstvwxz", k=11))

    labels, cities = [word() for _ in range(3)], [word() for _ in range(8)]
    rows = [
        {
            "amount": f"{dice.uniform(10_000, 99_999):.5f}",
            "number": str(dice.randrange(10**9, 10**10)),
            "huge": f"{dice.uniform(1.0, 1.7):.7f}e308",
            "city": dice.choice(cities),
            "person": word(),
            "verdict": labels[0] if n == 0 else labels[1 + n % 2],
        }
        for n in range(ROWS)
    ]
    values = {value.removesuffix("e308") for row in rows for value in row.values()}
    return rows, values


def csv_of(rows: list[dict[str, str]]) -> bytes:
    return "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]).encode() + b"\n"


def spec(target: str = "verdict", task: str = "classification", **more: Any) -> dict[str, Any]:
    """Of the columns, `city` and `amount` are learnt from, unless more is said."""
    dropped = {"node": "drop_columns", "columns": [c for c in ("person", "number", "huge") if c != target]}
    found = {**QUICK, "target": target, "task": task, "steps": [dropped, *QUICK["steps"]], **more}
    return found if task == "classification" else {**found, "model": {"node": "ridge"}}


def test_no_value_of_a_dataset_stands_in_an_event(tmp_path: Path) -> None:
    rows, values = cells()
    with System(tmp_path) as system:
        system.start()
        dataset = system.upload(csv_of(rows), "private")
        unstratified = {"split": {"stratify": False}}
        jobs = [
            system.submit(dataset, spec(**unstratified), model_name="secret"),
            system.submit(dataset, spec("amount", "regression")),
            system.submit(dataset, {"task": "classification", "target": "verdict", **unstratified}),
            # Numbers so large that their variance is infinite: no linear model can be fitted on them.
            system.submit(dataset, {**QUICK, "target": "verdict", **unstratified, "steps": everything_kept()}),
            system.submit(dataset, spec("huge", "regression")),
            # Classes that are only ever tested, or only ever trained on.
            *(system.submit(dataset, spec("city", **unstratified), seed=seed) for seed in range(2)),
        ]
        ended = [system.wait(job)["status"] for job in jobs]
        assert ended[0] == "succeeded"
        assert "failed" in ended

        system.send("PUT", "/v1/deployments/live", {"model": "secret", "model_version": 1, "reason": "a try"})
        asked = [{"amount": float(row["amount"]), "city": row["city"]} for row in rows[:10]]
        predicted = system.predict([{**row, **others(rows[0])} for row in asked])
        assert predicted.status_code == 200, predicted.text
        assert set(predicted.json()["predictions"]) <= values

        profile = system.get(f"/v1/datasets/{dataset}/profile", target="verdict")
        assert leaked(values, [str(profile)]), "a profile holds values; what is recorded of it must not"
        second = system.send("POST", f"/v1/datasets/{dataset}/versions", files={"file": ("p.csv", csv_of(rows[:60]))})
        compared = {"from": 1, "to": 2, "min_position": second["position"]}
        assert not leaked(values, [str(system.get(f"/v1/datasets/{dataset}/drift", **compared))])

        complaints = [
            system.predict([{"amount": rows[0]["person"], **others(rows[0]), "city": rows[0]["city"]}]),
            system.predict([{"amount": 1.0}]),
            system.ask("POST", "/v1/datasets", files={"file": ("x.csv", csv_of(rows) + rows[0]["person"].encode())}),
            system.ask("POST", "/v1/jobs", json={"dataset_id": dataset, "spec": spec()}),
            system.ask("POST", "/v1/jobs", json={"dataset_id": dataset, "spec": spec("person")}),
        ]
        for complaint in complaints:
            assert complaint.status_code == 422, complaint.text
        texts = [complaint.text for complaint in complaints] + [str(system.job(job)["error"]) for job in jobs]
        assert not leaked(values, texts)
        assert system.server.stop() == 0
        with closing(sqlite3.connect(system.data_dir / "events.db")) as database:
            stored = [" ".join(map(str, row)) for row in database.execute("SELECT * FROM events")]
        assert any("JobFailed" in text for text in stored)
        assert any("DatasetProfiled" in text for text in stored)
        assert not leaked(values, stored)
        assert not leaked(values, [system.server.said()])


def others(row: dict[str, str]) -> dict[str, Any]:
    """The cells that the model drops, but wants to see."""
    return {"number": int(row["number"]), "huge": float(row["huge"]), "person": row["person"]}


def everything_kept() -> list[dict[str, Any]]:
    return [{"node": "drop_columns", "columns": ["person"]}, {"node": "scale", "columns": "numeric"}, *QUICK["steps"]]


def leaked(values: set[str], texts: list[str]) -> list[str]:
    return [text for text in texts if any(value in text for value in values)]
