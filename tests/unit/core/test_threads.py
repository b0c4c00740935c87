import pytest
from helpers import FULL, LOGISTIC, silent, spec, table
from threadpoolctl import threadpool_info

from skyulf.core.calculator import MANY_CELLS, fit, threads_of_libraries


@pytest.mark.parametrize(("cells", "openmp"), [(1, 1), (MANY_CELLS - 1, 1), (MANY_CELLS, 3)])
def test_small_tables_wake_no_threads_and_blas_never_does(cells, openmp):
    assert threads_of_libraries(cells, 3) == {"blas": 1, "openmp": openmp}


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


@pytest.mark.parametrize("many", [1, MANY_CELLS])
def test_the_number_of_threads_does_not_change_the_model(monkeypatch, many):
    monkeypatch.setattr("skyulf.core.calculator.MANY_CELLS", many)
    frame, facts = table()
    boosting = {"node": "hist_gradient_boosting"}
    states = [fit([spec(FULL, boosting)], frame, facts, 1, silent, threads) for threads in (1, 2, 4)]
    assert [state.environment["openmp_threads"] for state in states] == ([1, 2, 4] if many == 1 else [1, 1, 1])
    assert len({state.fingerprint for state in states}) == 1
