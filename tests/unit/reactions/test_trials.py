"""Trials of a tuning get into the log as they end, at most one event a second, and an attempt goes on from them."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from builders import everything, trial
from installation import Child, Installation

from skyulf.errors import Unavailable
from skyulf.events.job import TrialsFinished
from skyulf.events.registry import decode
from skyulf.reactions import trials
from skyulf.reactions.sandbox import ChildDied
from skyulf.reactions.trainer import Task, Tried
from skyulf.reactions.trials import TrialsToTell

SEARCH = {"planned": 4, "metric": "roc_auc", "higher_is_better": True}
SHORT = 0.05


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setattr(trials, "SPACING", SHORT)
    made = Installation(tmp_path)
    yield made
    made.close()


def tries(*numbers: int, dies: bool = False) -> Any:
    def act(child: Child, task: Task) -> None:
        for number in numbers:
            child.progress(Tried(trial(number).model_dump(), SEARCH))
        if dies:
            raise ChildDied(-9)

    return act


def reported(site: Installation) -> list[TrialsFinished]:
    return [event for one in everything(site.log) if isinstance(event := decode(one), TrialsFinished)]


def test_every_trial_is_recorded_before_the_model(site: Installation) -> None:
    site.process().works(site.create(), tries(0, 1, 2, 3))
    told = reported(site)
    assert [one.number for event in told for one in event.trials] == [0, 1, 2, 3]
    assert [len(event.trials) for event in told] == [1, 3], "the first at once, the others when a moment has passed"
    assert (told[0].planned, told[0].metric, told[0].attempt) == (4, "roc_auc", 1)
    assert site.kinds()[-2:] == ["TrialsFinished", "ModelTrained"]


def test_a_later_attempt_is_given_what_is_recorded(site: Installation) -> None:
    given: list[Any] = []
    process, job = site.process(), site.create()
    process.works(job, tries(0, 1, dies=True))
    process.works(job, lambda child, task: given.extend(task.trials))
    assert given == [trial(number).model_dump() for number in (0, 1)]
    assert site.job().status == "succeeded"
    assert site.kinds().count("TrialsFinished") == 2


def test_what_is_recorded_already_is_not_recorded_again(site: Installation) -> None:
    process, job = site.process(), site.create()
    process.works(job, tries(0, 1, dies=True))
    process.works(job, tries(0, 1, 2))
    assert [one.number for event in reported(site) for one in event.trials] == [0, 1, 2]


def test_trials_outlive_a_log_that_was_away(site: Installation) -> None:
    process, job = site.process(), site.create()

    def act(child: Child, task: Task) -> None:
        process.bus.away = 3
        tries(0, 1)(child, task)

    process.works(job, act)
    assert [one.number for event in reported(site) for one in event.trials] == [0, 1]
    assert site.job().status == "succeeded"


def test_there_is_a_second_between_reports_and_nothing_waits_for_the_next_trial() -> None:
    told, sent = TrialsToTell(), []

    def send(report: Any) -> Future[Any]:
        sent.append((time.monotonic(), [one.number for one in report[0]]))
        answer: Future[Any] = Future()
        answer.set_result(None)
        return answer

    def look() -> None:
        told.tell(send, look)

    over = Event()
    for number in range(3):
        told.add(trial(number), SEARCH)
        look()
    assert [numbers for _, numbers in sent] == [[0]]
    while told.wait(over):
        look()
    assert [numbers for _, numbers in sent] == [[0], [1, 2]]
    assert sent[1][0] - sent[0][0] >= trials.SPACING


def test_what_was_not_taken_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "SPACING", 0.0)
    told = TrialsToTell()
    told.add(trial(0), SEARCH)

    def away(report: Any) -> Future[Any]:
        raise Unavailable("the log is away")

    with pytest.raises(Unavailable):
        told.tell(away, lambda: None)
    assert told.wait(Event())
    refused: Future[Any] = Future()
    refused.set_exception(Unavailable("away"))
    told.tell(lambda report: refused, lambda: None)
    assert told.wait(Event())
    over = Event()
    over.set()
    assert not told.wait(over), "nobody wants to know any more"
