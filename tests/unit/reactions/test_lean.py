"""Code without its docstrings does what it did."""

import asyncio
import inspect
from types import CodeType
from typing import Any

import pytest

from skyulf.reactions.sandbox.lean import without_docstrings

SOURCE = '''
"""Of the module."""

def told():
    """Of a function."""
    return "told"

def untold():
    return "untold"

def only_told():
    """Of a function that does nothing."""

def checked(value):
    """Of a function with an assert."""
    assert value, "an assert"

def outer():
    def inner():
        """Of a function within."""
        return inner.__doc__
    return inner()

class Kind:
    """Of a class."""

    def method(self):
        """Of a method."""
        return "method"

async def later():
    """Of a coroutine."""
    return "later"

def steps():
    """Of a generator."""
    yield "step"

short = lambda: "short"
words = list("a" + letter for letter in "bc")
pairs = {letter: "value" for letter in "de"}
'''


def run(code: CodeType) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_functions_lose_their_docstrings_and_nothing_else() -> None:
    whole = compile(SOURCE, "invented.py", "exec")
    ran = run(without_docstrings(whole))
    assert ran["__doc__"] == "Of the module."
    assert inspect.getdoc(ran["Kind"]) == "Of a class."
    functions = [value for value in ran.values() if inspect.isfunction(value)] + [ran["Kind"].method]
    assert len(functions) == 9
    assert all(function.__doc__ is None for function in functions)
    assert (ran["told"](), ran["untold"](), ran["only_told"](), ran["short"]()) == ("told", "untold", None, "short")
    assert (ran["outer"](), ran["Kind"]().method(), list(ran["steps"]())) == (None, "method", ["step"])
    assert (ran["words"], ran["pairs"]) == (["ab", "ac"], {"d": "value", "e": "value"})
    assert asyncio.run(ran["later"]()) == "later"
    with pytest.raises(AssertionError, match="an assert"):
        ran["checked"](0)
    assert run(whole)["told"].__doc__ == "Of a function.", "the code that was given is left as it is"


def test_code_without_docstrings_is_left_as_it_is() -> None:
    plain = compile("def f(): return 'a'\ng = lambda: 'b'\n", "invented.py", "exec")
    assert without_docstrings(plain) is plain
