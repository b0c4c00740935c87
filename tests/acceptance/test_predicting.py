"""Predictions outlive the process that makes them, where it is not the server itself."""

import threading
from pathlib import Path

import httpx
import psutil
from system import QUICK, ROWS, System, cpu_seconds, eventually

DEATHS = 5

WITHOUT_ONNX = {**QUICK, "model": {"node": "k_neighbors"}}
"""What the child serves, not the server itself."""


def busiest(system: System) -> psutil.Process:
    """The child that makes the predictions: of those there are, the one that works while nothing is trained."""
    before: dict[psutil.Process, float] = {}

    def one_that_worked() -> psutil.Process | None:
        now = {child: sum(cpu_seconds([child])) for child in system.server.children()}
        worked = [child for child, used in now.items() if used > before.get(child, used)]
        before.update(now)
        return worked[0] if len(worked) == 1 else None

    return eventually(one_that_worked, every=0.05)


def test_a_child_that_serves_models_is_there_once_something_is_deployed_and_before_it_is_asked(tmp_path: Path) -> None:
    with System(tmp_path) as system:
        system.start()
        system.trained(system.upload(), WITHOUT_ONNX, model_name="tiny")
        system.settled()
        waiting = eventually(lambda: len(found := system.server.children()) == 1 and found)
        system.send("PUT", "/v1/deployments/live", {"model": "tiny", "model_version": 1, "reason": "first"})
        eventually(lambda: len(found := system.server.children()) == 2 and set(waiting) < set(found))
        system.restart()
        eventually(lambda: len(system.server.children()) == 2)


def test_requests_succeed_or_are_told_to_come_again_when_the_serving_child_is_killed(tmp_path: Path) -> None:
    with System(tmp_path) as system:
        system.start().serve(spec=WITHOUT_ONNX)
        system.settled()
        pid, right = system.server.pid, system.predict().json()
        over = threading.Event()
        answers: list[httpx.Response] = []
        faults: list[Exception] = []

        def ask() -> None:
            try:
                while not over.is_set():
                    answers.append(system.predict(ROWS))
            except httpx.TransportError as fault:
                faults.append(fault)

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        try:
            for _ in range(DEATHS):
                busiest(system).kill()
                so_far = len(answers)
                eventually(lambda: any(answer.status_code == 200 for answer in answers[so_far + 8 :]))  # noqa: B023
        finally:
            over.set()
            for asker in askers:
                asker.join()

        assert not faults
        assert {answer.status_code for answer in answers} <= {200, 503}
        for answer in answers:
            if answer.status_code == 503:
                assert int(answer.headers["Retry-After"]) >= 1
                assert answer.headers["Content-Type"] == "application/problem+json"
            else:
                assert answer.json() == right
        assert (system.server.alive, system.server.pid) == (True, pid)
        assert system.predict().json() == right
