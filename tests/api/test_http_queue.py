"""No more jobs wait than may: the next is refused with 503, and what was taken keeps its answer."""

import threading
from pathlib import Path
from typing import Any

import pytest
from live import assert_problem, csv_of, serving, settings_for, spec_for, until

from skyulf.queries import queue


def test_a_full_queue_says_so_and_lets_in_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LOOK", 0.0)
    go_on = threading.Event()
    with serving(settings_for(tmp_path, queue_length=2)) as server, server.client() as client:
        worker = server.runtime.worker
        monkeypatch.setattr(worker, "_work_on_one", lambda _: go_on.wait(0.01) and False)  # nobody claims anything
        dataset = client.upload(csv_of(), name="colours").json()["id"]
        body: dict[str, Any] = {"dataset_id": dataset, "spec": spec_for()}

        def waiting(number: int) -> bool:
            listed = client.get("/v1/jobs", params={"status": "created"}).json()["items"]
            return len(listed) == number

        key = {"Idempotency-Key": "first"}
        first = client.post("/v1/jobs", json=body, headers=key)
        cancelled = client.post("/v1/jobs", json=body).json()["id"]
        assert client.post(f"/v1/jobs/{cancelled}/cancel").status_code == 202
        until(lambda: waiting(1))
        assert client.post("/v1/jobs", json=body).status_code == 202
        until(lambda: waiting(2))

        for path, sent in (("/v1/jobs", body), (f"/v1/jobs/{cancelled}/retry", None)):
            refused = client.post(path, json=sent)
            assert "SKYULF_QUEUE_LENGTH" in assert_problem(refused, 503, "unavailable")["detail"]
            assert int(refused.headers["Retry-After"]) >= 1
        again = client.post("/v1/jobs", json=body, headers=key)
        assert (again.status_code, again.json()) == (202, first.json())
        assert waiting(2)

        assert client.post(f"/v1/jobs/{first.json()['id']}/cancel").status_code == 202
        until(lambda: waiting(1))
        assert client.post(f"/v1/jobs/{cancelled}/retry").status_code == 202
        go_on.set()


def test_what_came_since_the_last_look_counts_and_what_was_refused_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "LOOK", 3_600.0)
    with serving(settings_for(tmp_path, queue_length=3), started=False) as server, server.client() as client:
        dataset = client.upload(csv_of(), name="colours").json()["id"]
        asked = ["dataset-none"] * 5 + [dataset] * 4
        answers = [client.post("/v1/jobs", json={"dataset_id": each, "spec": spec_for()}) for each in asked]
        assert [answer.status_code for answer in answers] == [404] * 5 + [202] * 3 + [503]
