"""Specs are completed and checked by the facts of the columns alone."""

import pytest
from helpers import FULL, LOGISTIC, spec, table

from skyulf.core.candidates import check_spec, choose_candidates
from skyulf.core.columns import ColumnFacts, kind_of

ROWS = 100


def column(name, type_="number", nulls=0, distinct=50, commonest=5, rarest=1):
    return ColumnFacts(name=name, type=type_, nulls=nulls, distinct=distinct, commonest=commonest, rarest=rarest)


Y = column("y", "string", distinct=2, commonest=60, rarest=40)
X = column("x")
COLOUR = column("colour", "string", distinct=4, commonest=40, rarest=10)
NAME = column("name", "string", distinct=99, commonest=2)
DAY = column("day", "date")


def faults(columns, *args, rows=ROWS, **more):
    return {fault.place: fault.message for fault in check_spec(spec(*args, **more), columns, rows)}


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        (X, "numeric"),
        (column("b", "boolean", distinct=2), "numeric"),
        (DAY, "datetime"),
        (COLOUR, "categorical"),
        (NAME, "text"),
        (column("few", "string", distinct=20), "categorical"),
        (column("sparse", "string", nulls=70, distinct=29), "text"),
    ],
)
def test_kinds(facts, kind):
    assert kind_of(facts, ROWS) == kind


def test_a_bare_spec_gets_a_linear_candidate_and_gradient_boosting():
    columns = [X, COLOUR, NAME, DAY, column("one", distinct=1), column("passenger_id", "integer", distinct=ROWS), Y]
    chosen = choose_candidates(spec(), columns, ROWS)
    assert {s.model.node for s in chosen.specs} == {"logistic_regression", "hist_gradient_boosting"}
    assert set(dict(chosen.set_aside)) == {"name", "one", "passenger_id"}
    for candidate in chosen.specs:
        assert candidate.steps[0].node == "drop_columns"
        assert set(candidate.steps[0].columns) == {"name", "one", "passenger_id"}
        assert (candidate.steps[1].node, candidate.steps[1].columns) == ("date_parts", ("day",))
        assert check_spec(candidate, columns, ROWS) == ()
    assert check_spec(spec(), columns, ROWS) == ()


def test_categories_of_many_values_are_encoded_by_the_target():
    town = column("town", "string", distinct=90, commonest=9)
    for asked, target in ((spec(), Y), (spec(task="regression"), column("y", distinct=900))):
        for candidate in choose_candidates(asked, [COLOUR, town, target], 1000).specs:
            used = {step.node: step.columns for step in candidate.steps}
            assert used["target_encode"] == ("town",)
            assert used.keys() & {"one_hot", "ordinal"}
            assert check_spec(candidate, [COLOUR, town, target], 1000) == ()
    classes = column("y", "string", distinct=30, rarest=20)
    for columns, rows in (([town, classes], 1000), ([column("town", "string", distinct=40), Y], 90)):
        nodes = {step.node for one in choose_candidates(spec(), columns, rows).specs for step in one.steps}
        assert nodes == {"one_hot", "ordinal"}


def texts(count, words=9.0):
    return [
        ColumnFacts(name=f"note {at}", type="string", distinct=990, commonest=2, rarest=1, mean_words=words)
        for at in range(count)
    ]


def test_free_text_is_tried_with_its_words_and_without():
    chosen = choose_candidates(spec(), [X, *texts(1), Y], 1000)
    assert chosen.set_aside == ()
    ways = {tuple(step.node for step in one.steps) for one in chosen.specs}
    assert any("text_vectors" in way and "drop_columns" not in way for way in ways)
    assert any("drop_columns" in way and "text_vectors" not in way for way in ways)
    for one in chosen.specs:
        assert check_spec(one, [X, *texts(1), Y], 1000) == ()
    # Text alone leaves nothing else to learn from.
    alone = choose_candidates(spec(), [*texts(1), Y], 1000)
    assert all(one.steps[-1].node == "text_vectors" for one in alone.specs)


def test_names_are_set_aside_and_of_forty_texts_those_of_most_words_are_used():
    assert set(dict(choose_candidates(spec(), [X, *texts(40, words=3.0), Y], 1000).set_aside)) == {
        f"note {at}" for at in range(40)
    }
    wordy = [c.model_copy(update={"mean_words": 5.0 + at}) for at, c in enumerate(texts(40))]
    for rows in (1000, 60_000):
        several = [c.model_copy(update={"distinct": rows - 10}) for c in wordy]
        chosen = choose_candidates(spec(), [X, *several, Y], rows)
        assert set(dict(chosen.set_aside)) == {f"note {at}" for at in range(35)}
        step = next(step for step in chosen.specs[0].steps if step.node == "text_vectors")
        assert step.columns == tuple(f"note {at}" for at in range(35, 40))
        assert step.params["max_features"] * len(step.columns) * rows <= 4_000_000


@pytest.mark.parametrize(
    ("rows", "classes", "rarest", "wanted"),
    [
        (30, 2, 14, {"logistic_regression", "hist_gradient_boosting"}),
        (50_000, 2, 3_000, {"logistic_regression", "hist_gradient_boosting"}),
        (60_000, 66, 12, {"hist_gradient_boosting"}),
    ],
)
def test_the_models_that_are_tried_suit_the_size_of_the_data(rows, classes, rarest, wanted):
    target = column("y", "string", distinct=classes, rarest=rarest)
    chosen = choose_candidates(spec(), [X, target], rows).specs
    assert {one.model.node for one in chosen} == wanted
    stopping = [one for one in chosen if one.model.params.get("early_stopping") is True]
    assert len(stopping) == (rows == 50_000)
    # Stopping early sets rows of every class aside, of which the rarest must have some in every fold.
    if rarest < 20:
        trees = [one for one in chosen if one.model.node == "hist_gradient_boosting"]
        assert all(one.model.params["early_stopping"] is False for one in trees)


def test_measurements_that_all_differ_are_kept():
    columns = [column("income", "integer", distinct=ROWS), column("paid", "integer", distinct=ROWS), Y]
    assert choose_candidates(spec(), columns, ROWS).set_aside == ()


def test_what_is_given_is_kept():
    assert choose_candidates(whole := spec(FULL, LOGISTIC), [X, COLOUR, Y], ROWS).specs == (whole,)
    only_model = choose_candidates(spec(None, {"node": "random_forest"}), [X, COLOUR, Y], ROWS).specs
    assert [s.model.node for s in only_model] == ["random_forest"]
    assert [s.node for s in only_model[0].steps] == ["ordinal"]
    assert only_model[0].steps[0].params == {"unknown_value": None}


def test_given_steps_rule_out_models_that_cannot_take_what_they_leave():
    gaps = column("gaps", nulls=5)
    assert [s.model.node for s in choose_candidates(spec([], None), [gaps, Y], ROWS).specs] == [
        "hist_gradient_boosting"
    ]
    assert faults([gaps, Y], [], None) == {}


@pytest.mark.parametrize(
    ("target", "more", "place"),
    [
        (column("z"), {}, "target"),
        (column("y", "string", nulls=ROWS, distinct=0, rarest=0), {}, "target"),
        (column("y", "string", distinct=1, rarest=ROWS), {}, "target"),
        (column("y", "string", distinct=ROWS), {}, "target"),
        (column("y", "string", distinct=4), {"task": "regression"}, "target"),
        (column("y", "date", distinct=4), {}, "target"),
        (column("y", "string", distinct=4, rarest=1), {"split": {"stratify": True}}, "target"),
        (column("y", "string", distinct=30, rarest=2), {"split": {"stratify": True}}, "split.test_size"),
    ],
)
def test_targets_that_cannot_be_learnt(target, more, place):
    found = faults([X, target], **more)
    assert list(found) == [place]


def test_a_class_with_one_row_is_refused_unless_it_may_be_on_one_side_only():
    lonely = column("y", "string", distinct=4, rarest=1)
    for left_to_us in (faults([X, lonely]), faults([X, lonely], FULL, LOGISTIC)):
        assert list(left_to_us) == ["target"]
    assert faults([X, lonely], split={"stratify": False}) == {}


def test_more_classes_than_rows_to_test_on_are_not_stratified_by_default():
    rare = column("y", "string", distinct=30, rarest=2)
    assert faults([X, rare]) == {}
    assert {one.split.stratify for one in choose_candidates(spec(), [X, rare], ROWS).specs} == {False}
    assert {one.split.stratify for one in choose_candidates(spec(), [X, Y], ROWS).specs} == {None}


def test_many_classes():
    assert faults([X, column("y", "integer", distinct=1001, rarest=20)], rows=100_000).keys() == {"target"}
    assert faults([X, column("y", "integer", distinct=1000, rarest=20)], rows=100_000) == {}


@pytest.mark.parametrize(
    ("columns", "steps", "places"),
    [
        ([Y], [], ["target"]),
        ([X, COLOUR, Y], FULL, []),
        ([X, Y], FULL, []),
        ([X, COLOUR, Y], [], ["steps"]),
        ([X, NAME, Y], FULL, ["steps"]),
        ([X, DAY, Y], FULL, ["steps"]),
        ([X, DAY, Y], [{"node": "drop_columns", "columns": "datetime"}], []),
        ([X, Y], [{"node": "drop_columns", "columns": "all"}], ["steps"]),
        ([X, Y], [{"node": "scale", "columns": ["w"]}], ["steps.0.columns.0"]),
        ([X, Y], [{"node": "scale", "columns": ["y"]}], ["steps.0.columns.0"]),
        ([X, COLOUR, Y], [*FULL, {"node": "scale", "columns": ["colour"]}], ["steps.4.columns.0"]),
        ([X, COLOUR, Y], [{"node": "scale", "columns": "all"}], ["steps.0.columns"]),
        ([X, COLOUR, Y], [{"node": "impute", "columns": ["colour"]}], ["steps.0.columns"]),
        ([X, NAME, Y], [{"node": "one_hot", "columns": ["name"]}], []),
        ([column("g", nulls=3), Y], [], ["steps"]),
        ([column("g", nulls=3), Y], FULL, []),
    ],
)
def test_steps_are_followed(columns, steps, places):
    assert list(faults(columns, steps, LOGISTIC)) == places


def test_columns_of_earlier_steps_are_objected_to_as_those_of_the_data():
    text = {"strategy": "constant", "fill_value": "none"}
    steps = [{"node": "one_hot", "columns": "all"}, {"node": "impute", "columns": "numeric", "params": text}]
    found = faults([X, COLOUR, Y], steps, LOGISTIC)
    assert list(found) == ["steps.1.columns"]
    assert "columns of earlier steps" in found["steps.1.columns"]


def test_too_few_rows():
    assert faults([X, column("y", distinct=2)], rows=2, task="regression").keys() == {"split.test_size"}
    assert faults([X, column("y", distinct=3)], rows=3, task="regression") == {}


def test_the_check_agrees_with_a_real_table():
    frame, facts = table()
    assert check_spec(spec(FULL, LOGISTIC), facts, len(frame)) == ()
