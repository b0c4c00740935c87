"""Boosted trees of other libraries, kept as plain arrays: they say what their library says, and do without it."""

import builtins
import importlib.util
from typing import Any

import numpy as np
import pytest
from helpers import FULL, SMALL, spec, table, trained
from threadpoolctl import ThreadpoolController

from skyulf.core.applier import Applier
from skyulf.core.boosters import BoostedClassifier, BoostedRegressor
from skyulf.core.candidates import check_spec
from skyulf.core.formats import load_model, save_model
from skyulf.core.plan import check_alone
from skyulf.core.registry import BuildContext, models, steps
from skyulf.errors import TrainingFailed

ROWS = np.random.default_rng(0).normal(size=(400, 5))
GAPS = np.where(np.random.default_rng(1).random(ROWS.shape) < 0.2, np.nan, ROWS)
SIGNAL = ROWS[:, 0] + np.abs(ROWS[:, 1]) * 2 - ROWS[:, 2] * ROWS[:, 3]
TARGETS = {0: SIGNAL, 2: (SIGNAL > 1).astype(int), 3: np.digitize(SIGNAL, [0.5, 2.0])}


def booster(library: str, classes: int, **params: Any) -> Any:
    node = models()[library].model_validate({"n_estimators": 15, **params})
    return node.build(BuildContext(3, "classification" if classes else "regression"))


def theirs(library: str, classes: int, rows: Any, asked: Any) -> Any:
    """What the library's own scikit-learn class says, with the same parameters."""
    if library == "lightgbm":
        import lightgbm

        own = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
        model = own(n_estimators=15, verbosity=-1, deterministic=True, force_row_wise=True, n_jobs=1, random_state=3)
    else:
        import xgboost

        chosen = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
        model = chosen(n_estimators=15, max_depth=6, tree_method="hist", n_jobs=1, random_state=3)
    model.fit(rows, TARGETS[classes])
    return model.predict_proba(asked) if classes else model.predict(asked)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("classes", TARGETS)
@pytest.mark.parametrize("rows", [ROWS, GAPS], ids=["whole", "gaps"])
def test_they_say_what_their_library_says(library: str, classes: int, rows: Any) -> None:
    ours = booster(library, classes).fit(rows, TARGETS[classes])
    asked = np.vstack([rows, GAPS[:50], np.full((1, 5), np.nan), np.zeros((1, 5)), [[1e300, -1e300, 0, 1e-300, 5]]])
    if library == "xgboost":
        asked = asked[:-1]  # it takes none that single precision does not hold
    said = ours.predict_proba(asked) if classes else ours.predict(asked)
    wanted = theirs(library, classes, rows, asked)
    np.testing.assert_allclose(said, wanted, **({"atol": 1e-12} if library == "lightgbm" else {"rtol": 1e-4}))


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_a_rare_class_weighs_more_where_it_is_asked_for(library: str) -> None:
    rare = (np.quantile(SIGNAL, 0.95) < SIGNAL).astype(int)
    plain, even = (booster(library, 2, class_weight=weight).fit(ROWS, rare) for weight in (None, "balanced"))
    assert even.predict_proba(ROWS)[:, 1].mean() > plain.predict_proba(ROWS)[:, 1].mean()


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_columns_that_say_nothing_leave_the_mean(library: str) -> None:
    same = np.ones((60, 2))
    target = np.arange(60.0)
    assert booster(library, 0).fit(same, target).predict(same) == pytest.approx(29.5, abs=0.01)
    chances = booster(library, 2).fit(same, target > 39).predict_proba(same)
    assert chances[:, 1] == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_without_its_library_a_model_predicts_and_none_is_trained(
    library: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, facts = table()
    asked = spec(FULL, {"node": library, "params": SMALL[library]})
    state = trained(asked, frame=frame, facts=facts)
    save_model(state, tmp_path / "model.skops")
    wanted = Applier(state).predict(Applier(state).columns_of_frame(frame)).probabilities

    found, real = importlib.util.find_spec, builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == library:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == library else found(name, *rest)
    )
    monkeypatch.setattr(builtins, "__import__", without)
    answer = Applier(load_model(tmp_path / "model.skops"))
    assert answer.predict(answer.columns_of_frame(frame)).probabilities == wanted
    member = spec(FULL, {"node": "voting", "params": {"models": [{"node": "ridge"}, {"node": library}]}}, "regression")
    for each in (asked, member):
        (fault,) = check_spec(each, facts, len(frame))
        assert check_alone(each) == (fault,)
        assert fault.place == "model.node"
        assert f"pip install 'skyulf[{library}]'" in fault.message
    with pytest.raises(TrainingFailed, match="is not installed"):
        trained(asked, frame=frame, facts=facts)


def test_a_step_says_what_it_needs_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, facts = table()
    cells = {"node": "h3_cells", "params": {"latitude": "age", "longitude": "fare paid"}}
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    (fault,) = check_spec(spec([cells, *FULL], {"node": "ridge"}, "regression"), facts, len(frame))
    assert (fault.place, "pip install 'skyulf[h3]'" in fault.message) == ("steps.0.node", True)


def test_every_library_that_not_everyone_has_is_an_extra() -> None:
    import tomllib
    from pathlib import Path

    extras = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    needed = {node.needs for node in (*steps().values(), *models().values()) if node.needs}
    assert needed | {"shap", "dask"} == set(extras), "shap explains models, and dask scores trials; neither is a node"


def test_one_class_cannot_be_learnt() -> None:
    for library in ("lightgbm", "xgboost"):
        with pytest.raises(ValueError, match="only one class"):
            BoostedClassifier(library).fit(ROWS, np.zeros(len(ROWS)))
    assert isinstance(booster("lightgbm", 0), BoostedRegressor)


def test_no_more_threads_are_used_than_openmp_is_given() -> None:
    model = BoostedClassifier("lightgbm", n_jobs=2)
    with ThreadpoolController().limit(limits={"openmp": 1}):
        assert model.threads() == 1
    with ThreadpoolController().limit(limits={"openmp": 2}):
        assert 1 <= model.threads() <= 2
