import pytest

from skyulf.reactions import cores
from skyulf.reactions.cores import Cores, Usage, free_between

START = Usage(1000.0, 400.0, 3.0)


def after(*, worked: float, own: float, seconds: float = 1.0, machine: int = 4) -> Usage:
    return Usage(START.passed + seconds * machine, START.worked + worked, START.own + own)


@pytest.mark.parametrize(
    ("worked", "own", "free"),
    [
        (0.0, 0.0, 4),
        (4.0, 4.0, 4),
        (1.2, 1.0, 4),
        (1.5, 1.0, 3),
        (2.0, 0.0, 2),
        (4.0, 0.0, 1),
        (4.0, 1.0, 1),
        (1.0, 1.5, 4),
    ],
    ids=[
        "nobody works",
        "this process alone works",
        "others work for a fifth of a core",
        "others work for half a core",
        "others use two cores",
        "others use all cores",
        "others would use more than there is",
        "the clocks differ a little",
    ],
)
def test_cores_are_free_that_others_do_not_use(worked, own, free):
    assert free_between(START, after(worked=worked, own=own), 4) == free


def test_what_others_did_counts_from_one_question_to_the_next(monkeypatch):
    looks = iter([START, after(worked=4.0, own=0.0), after(worked=4.0, own=0.0, seconds=2.0)])
    monkeypatch.setattr(cores, "usage", lambda: next(looks))
    monkeypatch.setattr(cores.os, "cpu_count", lambda: 4)
    asked = Cores()
    assert [asked.free(), asked.free()] == [1, 4]


def test_too_short_a_time_tells_nothing_and_is_kept_for_the_next_question(monkeypatch):
    looks = iter([START, after(worked=0.0, own=0.0, seconds=0.005), after(worked=0.0, own=0.0)])
    monkeypatch.setattr(cores, "usage", lambda: next(looks))
    monkeypatch.setattr(cores.os, "cpu_count", lambda: 4)
    asked = Cores()
    assert [asked.free(), asked.free()] == [1, 4]


def test_asked_again_at_once_it_is_the_answer_of_before(monkeypatch):
    looks = iter([START, after(worked=0.0, own=0.0), after(worked=0.0, own=0.0, seconds=1.005)])
    monkeypatch.setattr(cores, "usage", lambda: next(looks))
    monkeypatch.setattr(cores.os, "cpu_count", lambda: 4)
    asked = Cores()
    assert [asked.free(), asked.free()] == [4, 4]


def test_without_proc_one_core_is_free(monkeypatch, tmp_path):
    monkeypatch.setattr(cores, "STAT", tmp_path / "none")
    assert Cores().free() == 1
