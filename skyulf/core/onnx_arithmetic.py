"""Arithmetic that ONNX has no operator for: dates, and powers that are exact near nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skyulf.core.graph import DOUBLE, Graph

LIMIT = 1e30
DAY = 86_400.0


def date_parts(graph: Graph, seconds: str, parts: Sequence[str]) -> dict[str, str]:
    """Return a matrix for each part of the moments in a matrix (seconds since 1970, UTC); missing stays missing.

    Dates are computed in the civil calendar, after Hinnant (chrono-compatible low-level date algorithms): whole
    numbers throughout, far below 2**53.
    """
    whole = graph.add("Floor", seconds)
    days = _floor_of(graph, whole, DAY)
    rest = graph.add("Sub", whole, graph.add("Mul", days, DAY))
    made = {
        "days": lambda: days,
        "hour": lambda: _floor_of(graph, rest, 3600.0),
        "minute": lambda: _modulo(graph, _floor_of(graph, rest, 60.0), 60.0),
        "second": lambda: _modulo(graph, rest, 60.0),
        "weekday": lambda: graph.add("Add", _modulo(graph, graph.add("Add", days, 3.0), 7.0), 1.0),
    }
    answer = {part: made[part]() for part in parts if part in made}
    if set(parts) - set(made):
        answer.update(_civil(graph, days))
    return answer


def _civil(graph: Graph, days: str) -> dict[str, str]:
    shifted = graph.add("Add", days, 719_468.0)  # years begin in March, so that leap days come last
    era = _floor_of(graph, shifted, 146_097.0)
    day_of_era = graph.add("Sub", shifted, graph.add("Mul", era, 146_097.0))
    leaps = graph.add("Sub", _floor_of(graph, day_of_era, 36_524.0), _floor_of(graph, day_of_era, 1_460.0))
    leaps = graph.add("Sub", leaps, _floor_of(graph, day_of_era, 146_096.0))
    year_of_era = _floor_of(graph, graph.add("Add", day_of_era, leaps), 365.0)
    before = graph.add("Add", graph.add("Mul", year_of_era, 365.0), _floor_of(graph, year_of_era, 4.0))
    before = graph.add("Sub", before, _floor_of(graph, year_of_era, 100.0))
    day_of_year = graph.add("Sub", day_of_era, before)
    month_from_march = _floor_of(graph, graph.add("Add", graph.add("Mul", day_of_year, 5.0), 2.0), 153.0)
    begun = _floor_of(graph, graph.add("Add", graph.add("Mul", month_from_march, 153.0), 2.0), 5.0)
    day = graph.add("Add", graph.add("Sub", day_of_year, begun), 1.0)
    late = graph.add("Cast", graph.add("GreaterOrEqual", month_from_march, 10.0), to=DOUBLE)  # January, February
    month = graph.add("Sub", graph.add("Add", month_from_march, 3.0), graph.add("Mul", late, 12.0))
    year = graph.add("Add", graph.add("Add", year_of_era, graph.add("Mul", era, 400.0)), late)
    past = graph.add("Sub", year, 1.0)
    until = graph.add("Add", graph.add("Mul", past, 365.0), _floor_of(graph, past, 4.0))
    until = graph.add("Add", graph.add("Sub", until, _floor_of(graph, past, 100.0)), _floor_of(graph, past, 400.0))
    ordinal = graph.add("Add", graph.add("Sub", days, until), 719_163.0)
    return {"year": year, "month": month, "day": day, "day_of_year": ordinal}


def powered(graph: Graph, matrix: str, fitted: Any) -> str:
    """Return what a fitted ``Power`` makes of a matrix: Yeo-Johnson or Box-Cox, then mean 0 and variance 1."""
    powers = fitted.powers_[None, :]
    if fitted.method == "box_cox":
        logarithm = graph.add("Log", graph.add("Max", matrix, fitted.floors_[None, :]))
        raised = _raised(graph, logarithm, powers, 1e-19)
    else:
        above = graph.add("GreaterOrEqual", matrix, 0.0)
        power = graph.add("Where", above, powers, 2.0 - powers)
        size = _raised(graph, _log1p(graph, graph.add("Abs", matrix)), power, float(np.finfo(np.float64).eps))
        raised = graph.add("Where", above, size, graph.add("Neg", size))
    limited = graph.add("Clip", raised, -LIMIT, LIMIT)
    scaled = graph.add("Div", graph.add("Sub", limited, fitted.means_[None, :]), fitted.scales_[None, :])
    return graph.add("Clip", scaled, -LIMIT, LIMIT)


def _raised(graph: Graph, logarithm: str, power: "str | Any", smallest: float) -> str:
    """Return (exp(power · logarithm) - 1) / power, or the logarithm where the power is nothing."""
    raised = graph.add("Div", _expm1(graph, graph.add("Mul", logarithm, power)), power)
    nothing = graph.add("Less", graph.add("Abs", power), smallest)
    return graph.add("Where", nothing, logarithm, raised)


def _log1p(graph: Graph, matrix: str) -> str:
    """log(1 + x), exact for small x (Kahan)."""
    more = graph.add("Add", matrix, 1.0)
    gained = graph.add("Sub", more, 1.0)
    exact = graph.add("Div", graph.add("Mul", graph.add("Log", more), matrix), gained)
    return graph.add("Where", graph.add("Equal", gained, 0.0), matrix, exact)


def _expm1(graph: Graph, matrix: str) -> str:
    """exp(x) - 1, exact for small x (Kahan)."""
    raised = graph.add("Exp", matrix)
    gained = graph.add("Sub", raised, 1.0)
    exact = graph.add("Div", graph.add("Mul", gained, matrix), graph.add("Log", raised))
    plain = graph.add("GreaterOrEqual", graph.add("Abs", matrix), 1.0)
    near = graph.add("Where", graph.add("Equal", gained, 0.0), matrix, exact)
    return graph.add("Where", plain, gained, near)


def _floor_of(graph: Graph, matrix: str, divisor: float) -> str:
    return graph.add("Floor", graph.add("Div", matrix, divisor))


def _modulo(graph: Graph, matrix: str, divisor: float) -> str:
    return graph.add("Sub", matrix, graph.add("Mul", _floor_of(graph, matrix, divisor), divisor))


def function(graph: Graph, matrix: str, name: str) -> str:
    """Return what a fitted ``Function`` makes of a matrix."""
    size = graph.add("Abs", matrix)
    below = graph.add("Less", matrix, 0.0)

    def signed(of_size: str) -> str:
        return graph.add("Where", below, graph.add("Neg", of_size), of_size)

    made = {
        "log1p": lambda: signed(_log1p(graph, size)),
        "sqrt": lambda: signed(graph.add("Sqrt", size)),
        "square": lambda: graph.add("Mul", matrix, matrix),
        "reciprocal": lambda: graph.add("Where", graph.add("Equal", matrix, 0.0), 0.0, graph.add("Div", 1.0, matrix)),
        "exp": lambda: graph.add("Exp", matrix),
        "absolute": lambda: size,
        "sin": lambda: graph.add("Sin", matrix),
        "cos": lambda: graph.add("Cos", matrix),
    }
    return graph.add("Clip", made[name](), -LIMIT, LIMIT)


def operation(graph: Graph, columns: Sequence[str], name: str) -> str:
    """Return what a fitted ``Arithmetic`` makes of columns, which are rows by 1 each."""
    if name == "ratio":
        first, second = columns
        nothing = graph.add("Equal", second, 0.0)
        result = graph.add("Where", nothing, np.nan, graph.add("Div", first, second))
        return graph.add("Clip", result, -LIMIT, LIMIT)
    operators = {"sum": "Add", "mean": "Add", "difference": "Sub", "product": "Mul", "minimum": "Min", "maximum": "Max"}
    result = columns[0]
    for column in columns[1:]:
        result = graph.add(operators[name], result, column)
    if name == "mean":
        result = graph.add("Div", result, float(len(columns)))
    return graph.add("Clip", result, -LIMIT, LIMIT)
