"""Hyperband: who is given up, and that it is the same whenever and wherever trials are scored."""

import numpy as np
import pytest
from test_tuning_spec import document, space

from skyulf.core.pruning import Hyperband
from skyulf.core.spec import parse_spec
from skyulf.core.trial import Trial
from skyulf.errors import Invalid


def tried(number, *scores):
    return Trial(number, {}, "finished", scores, float(np.mean(scores)), 0.1)


def test_brackets_that_give_up_sooner_have_more_trials():
    nine = Hyperband(9, higher_is_better=True)
    assert [nine.bracket(number) for number in range(17)] == [0] * 9 + [1] * 5 + [2] * 3
    assert nine.bracket(17) == 0
    assert [Hyperband(2, True).bracket(number) for number in range(4)] == [0] * 4


@pytest.mark.parametrize(("higher", "good", "bad"), [(True, 0.9, 0.1), (False, 0.1, 0.9)])
def test_at_a_rung_the_best_third_goes_on(higher, good, bad):
    hyperband = Hyperband(9, higher)
    assert not hyperband.prunes(0, [bad]), "nothing to compare with"
    hyperband.tell([tried(number, good if number < 2 else bad, *[0.5] * 8) for number in range(6)])
    assert hyperband.prunes(6, [0.5])
    assert not hyperband.prunes(6, [good])
    assert not hyperband.prunes(6, [0.5, 0.5]), "between two rungs"
    assert hyperband.prunes(6, [0.5, 0.5, bad])


def test_later_brackets_look_later_and_the_last_not_at_all():
    hyperband = Hyperband(9, higher_is_better=True)
    hyperband.tell([tried(number, *[0.9] * 9) for number in range(17)])
    folds = range(1, 9)
    looked_at = [[count for count in folds if hyperband.prunes(number, [0.1] * count)] for number in (17, 26, 31)]
    assert looked_at == [[1, 3], [3], []]


def test_one_bracket_is_not_compared_with_another():
    hyperband = Hyperband(9, higher_is_better=True)
    hyperband.tell([tried(number, *[0.9] * 9) for number in range(9)])
    assert not hyperband.prunes(9, [0.1] * 3)


def test_trials_that_failed_are_compared_as_far_as_they_got():
    hyperband = Hyperband(9, higher_is_better=True)
    hyperband.tell([Trial(number, {}, "failed", (0.9,), None, 0.1) for number in range(3)])
    assert hyperband.prunes(3, [0.1])
    assert not hyperband.prunes(3, [0.1] * 3)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"pruner": "hyperband", "prune": False}, "do not go together"),
        ({"pruner": "median", "strategy": "halving"}, "gives no trial up"),
    ],
)
def test_a_pruner_with_nothing_to_prune_is_a_fault(more, words):
    with pytest.raises(Invalid) as caught:
        parse_spec(document(space(**more)))
    assert words in {fault.place: fault.message for fault in caught.value.faults}["tuning"]


def test_the_record_of_a_spec_names_a_pruner_only_where_one_was_asked_for():
    assert "pruner" not in parse_spec(document(space())).model_dump(mode="json")["tuning"]
    assert parse_spec(document(space(pruner="hyperband"))).model_dump(mode="json")["tuning"]["pruner"] == "hyperband"
