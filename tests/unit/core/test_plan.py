import pytest
from helpers import FULL, LOGISTIC, facts_of, spec, table, trained, wide

from skyulf.core.plan import check_alone, plan
from skyulf.core.spec import parse_spec
from skyulf.errors import Invalid


def planned(steps, **more):
    frame, facts = table()
    (candidate,) = plan(spec(steps, LOGISTIC, **more), facts, len(frame)).candidates
    return candidate.steps


def shown(step):
    return {column.name or column.description: (column.kind, column.nullable) for column in step.columns}


def test_after_each_step_it_shows_every_column_by_name_kind_and_nulls():
    fill, words, scale, codes = planned(FULL)
    assert shown(fill)["age"] == ("numeric", False)
    assert shown(fill)["deck"] == ("categorical", True)
    assert fill.acts_on == ("age", "fare paid", "member")
    assert shown(words)["deck"] == ("categorical", False)
    assert scale.params == {"method": "standard"}
    assert [column.name for column in codes.columns if column.name] == ["age", "fare paid", "member"]
    made = [column for column in codes.columns if column.name is None]
    assert [(column.of, column.most, column.count) for column in made] == [
        (("été \"x'",), 3, None),
        (("deck",), 5, None),
    ]
    assert made[1].description == "one for each category of deck, at most 5"


def test_columns_that_can_be_named_are():
    frame, facts = wide()
    steps = [
        {"node": "date_parts", "columns": "datetime", "params": {"parts": ["year", "day_of_year"]}},
        {"node": "missing_indicator", "columns": ["age"]},
        {"node": "drop_columns", "columns": "text"},
    ]
    (candidate,) = plan(spec(steps, LOGISTIC), facts, len(frame)).candidates
    names = [column.name for column in candidate.steps[-1].columns]
    dates = [column.name for column in facts if column.type in ("date", "datetime")]
    assert dates
    assert names[-1] == "age is missing"
    assert {f"{name} {part}" for name in dates for part in ("year", "day of year")} <= set(names)


@pytest.mark.parametrize(
    ("step", "count", "most"),
    [
        ({"node": "polynomial", "columns": "numeric"}, 9, 9),
        ({"node": "polynomial", "columns": "numeric", "params": {"interactions_only": True, "degree": 3}}, 7, 7),
        ({"node": "select_univariate", "columns": "numeric", "params": {"keep": 2}}, 2, 2),
        ({"node": "select_univariate", "columns": "numeric"}, 2, 2),
        ({"node": "select_variance", "columns": "numeric"}, None, 3),
        ({"node": "target_encode", "columns": ["deck"]}, 1, 1),
        ({"node": "one_hot", "columns": ["age"], "params": {"max_categories": 7}}, None, 7),
        ({"node": "text_vectors", "columns": ["deck"], "params": {"method": "hashing", "max_features": 16}}, 16, 16),
    ],
    ids=lambda value: value["node"] if isinstance(value, dict) else str(value),
)
def test_what_a_step_makes_is_counted_as_far_as_it_can_be(step, count, most):
    made = planned([FULL[0], step])[-1].columns[-1]
    assert (made.count, made.most) == (count, most)


def test_later_steps_act_on_what_earlier_ones_made():
    steps = planned([*FULL[:2], FULL[3], {"node": "select_univariate", "columns": "all", "params": {"keep": 4}}])
    assert steps[-1].acts_on_made
    (column,) = steps[-1].columns
    assert (column.count, column.most) == (None, 4)


def test_counts_are_what_a_fit_makes():
    frame, facts = table()
    for last in ({"node": "polynomial", "columns": "numeric"}, FULL[3]):
        use = [
            FULL[0],
            FULL[1],
            *([{"node": "ordinal", "columns": "categorical"}] if last is not FULL[3] else []),
            last,
        ]
        state = trained(spec(use, LOGISTIC), frame=frame, facts=facts)
        said = plan(spec(use, LOGISTIC), facts, len(frame)).candidates[0].steps[-1].columns
        assert state.pipeline[-1].n_features_in_ <= sum(column.most for column in said)
        if all(column.count is not None for column in said):
            assert state.pipeline[-1].n_features_in_ == sum(column.count for column in said)


def test_a_step_that_finds_no_column_says_so():
    assert planned([*FULL, {"node": "date_parts", "columns": "datetime"}])[-1].note


def test_steps_left_out_are_shown_as_they_would_be_trained_and_what_is_set_aside_with_the_reason():
    frame, facts = table()
    frame["same"] = 1.0
    frame["id"] = [f"name {row}" for row in range(len(frame))]
    facts = [*facts, *facts_of(frame, {"same": "number", "id": "string"})]
    made = plan(spec(), facts, len(frame))
    models = [candidate.model["node"] for candidate in made.candidates]
    assert models == ["logistic_regression", "hist_gradient_boosting", "hist_gradient_boosting"]
    assert {one.name: bool(one.reason) for one in made.set_aside} == {"same": True, "id": True}
    assert all(candidate.steps for candidate in made.candidates)
    assert made.candidates[0].model["params"]["C"] == 1.0


def test_without_the_target_nothing_is_planned():
    frame, facts = table()
    assert plan(parse_spec({"task": "regression", "target": "absent"}), facts, len(frame)).candidates == ()


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        ([{"node": "impute", "columns": ["age", "y"]}], "steps.0.columns.1"),
        ([{"node": "drop_columns", "columns": ["age"]}, {"node": "scale", "columns": ["age"]}], "steps.1.columns.0"),
        ([{"node": "one_hot", "columns": ["deck"]}, {"node": "ordinal", "columns": ["deck"]}], "steps.1.columns.0"),
        ([{"node": "scale", "columns": "categorical"}], "steps.0.columns"),
        ([{"node": "impute", "columns": {"kind": "text"}}], "steps.0.columns"),
    ],
)
def test_what_is_wrong_whatever_the_dataset_is_found_without_one(steps, place):
    assert [fault.place for fault in check_alone(spec(steps))] == [place]


def test_nothing_is_wrong_with_a_good_spec_by_itself():
    assert check_alone(spec(FULL)) == ()


def test_every_node_is_looked_at_though_other_fields_beside_it_are_wrong():
    document = {
        "task": "regression",
        "target": "y",
        "steps": [
            {"node": "imputee", "columns": 5},
            {"node": "impute", "columns": "some", "params": {"strategy": "x", "q": 1}},
            {"node": ["impute"]},
            7,
        ],
        "model": {"node": "logistic_regression", "params": {"C": -1}, "seed": -4},
    }
    with pytest.raises(Invalid) as caught:
        parse_spec(document)
    assert {fault.place for fault in caught.value.faults} == {
        "steps.0.columns", "steps.0.node", "steps.1.columns", "steps.1.params.strategy", "steps.1.params.q",
        "steps.2.node", "steps.3", "model.params.C", "model.seed", "model.node",
    }  # fmt: skip
