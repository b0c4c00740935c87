import pytest
from helpers import FULL, LOGISTIC, silent, spec, table
from threadpoolctl import threadpool_info

from skyulf.core.calculator import SOME_CELLS, fit, learnt, threads_of_openmp


@pytest.mark.parametrize(
    ("cells", "free", "openmp"), [(1, 3, 1), (SOME_CELLS - 1, 3, 1), (SOME_CELLS, 3, 3), (SOME_CELLS, 0, 1)]
)
def test_threads_of_openmp_are_woken_for_more_than_a_few_cells_and_on_free_cores(cells, free, openmp):
    assert threads_of_openmp(cells, free) == openmp


def test_the_limits_hold_while_it_fits_and_are_recorded():
    frame, facts = table()
    seen = []

    def look(stage, fraction, metrics):
        seen.append({pool["num_threads"] for pool in threadpool_info()})

    state = fit([spec(FULL, LOGISTIC)], frame, facts, 1, look, 4)
    assert {1} in seen
    assert seen[1] == {1}
    recorded = {name: state.environment[name] for name in ("threads", "blas_threads", "openmp_threads")}
    assert recorded == {"threads": 4, "blas_threads": 1, "openmp_threads": 1}


def test_each_fit_takes_the_cores_that_are_free_when_it_begins(monkeypatch):
    monkeypatch.setattr("skyulf.core.calculator.SOME_CELLS", 1)
    frame, facts = table()
    seen, free = [], iter([1, 4, 2])

    def watched(*arguments):
        seen.append(max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"))
        return learnt(*arguments)

    monkeypatch.setattr("skyulf.core.calculator.learnt", watched)
    state = fit([spec(FULL, {"node": "hist_gradient_boosting"})], frame, facts, 1, silent, 3, free=lambda: next(free))
    assert seen == [3, 2]
    assert state.environment["openmp_threads"] == 2


def test_the_number_of_threads_does_not_change_the_model(monkeypatch):
    monkeypatch.setattr("skyulf.core.calculator.SOME_CELLS", 1)
    frame, facts = table()
    boosting = {"node": "hist_gradient_boosting"}
    states = [fit([spec(FULL, boosting)], frame, facts, 1, silent, 4, free=lambda: free) for free in (1, 2, 4)]  # noqa: B023
    assert [state.environment["openmp_threads"] for state in states] == [1, 2, 4]
    assert len({state.fingerprint for state in states}) == 1
