"""Tells whether two fitted pipelines are the same, though files of them never are.

A fingerprint is a SHA-256 over the normalised fitted state and over predictions on a probe. What does not belong to
the model is left out: thread counts, addresses, the order of dictionaries, padding bytes in arrays of records.
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

NOT_THE_MODEL = frozenset({"n_jobs", "n_threads", "verbose", "_sklearn_version", "__sklearn_tags__", "_stop_words_id"})


def fingerprint(pipeline: Any, probe: Any, deciding: Any = None) -> str:
    """Return the hex SHA-256 of a fitted pipeline; ``probe`` is a small frame that it can predict.

    ``deciding`` is by what the model decides beside, where there is anything.

    The caller sees to it that prediction is single-threaded: threads sum in the order in which they finish.
    """
    digest = hashlib.sha256()
    for part in _tokens(pipeline, ()):
        digest.update(struct.pack(">Q", len(part)))
        digest.update(part)
    predict = pipeline.predict_proba if hasattr(pipeline, "predict_proba") else pipeline.predict
    for part in _tokens(np.asarray(predict(probe)), ()):
        digest.update(part)
    for part in () if deciding is None else _tokens(deciding, ()):
        digest.update(part)
    return digest.hexdigest()


def _tokens(thing: Any, above: tuple[int, ...]) -> Iterator[bytes]:
    """Yield the normal form of a thing; ``above`` are the ids of what it stands in, to end at a cycle."""
    if isinstance(thing, np.generic):
        thing = thing.item()
    if thing is None or isinstance(thing, bool | int | str | bytes):
        yield f"{type(thing).__name__}:{thing!r}".encode()
    elif isinstance(thing, float):
        yield b"float:" + (struct.pack(">d", thing) if thing == thing else b"nan")
    elif id(thing) in above:
        yield b"above:%d" % above.index(id(thing))
    else:
        yield from _structure(thing, (*above, id(thing)))


def _structure(thing: Any, above: tuple[int, ...]) -> Iterator[bytes]:
    if isinstance(thing, np.ndarray):
        yield from _array(thing, above)
    elif isinstance(thing, np.dtype):
        yield f"dtype:{thing.str}".encode()
    elif isinstance(thing, type) or (callable(thing) and hasattr(thing, "__qualname__")):
        yield f"named:{thing.__module__}.{thing.__qualname__}".encode()
    elif isinstance(thing, Mapping):
        yield from _pairs("mapping", thing, above)
    elif isinstance(thing, list | tuple):
        yield f"{type(thing).__name__}:{len(thing)}".encode()
        for item in thing:
            yield from _tokens(item, above)
    elif isinstance(thing, set | frozenset):
        yield f"set:{len(thing)}".encode()
        yield from sorted(b"".join(_tokens(item, above)) for item in thing)
    elif isinstance(thing, np.random.RandomState):
        yield from _pairs("random", thing.get_state(legacy=False), above)
    elif isinstance(thing, slice):
        yield repr(thing).encode()
    else:
        yield from _pairs(f"object:{type(thing).__module__}.{type(thing).__qualname__}", _state(thing), above)


def _array(array: np.ndarray[Any, Any], above: tuple[int, ...]) -> Iterator[bytes]:
    yield f"array:{array.dtype.str if array.dtype.names is None else array.dtype.names}:{array.shape}".encode()
    if array.dtype.names is not None:
        for name in array.dtype.names:
            yield from _array(array[name], above)
    elif array.dtype.hasobject:
        for item in array.ravel().tolist():
            yield from _tokens(item, above)
    else:
        yield np.ascontiguousarray(array).tobytes()


def _pairs(title: str, pairs: Mapping[Any, Any], above: tuple[int, ...]) -> Iterator[bytes]:
    yield f"{title}:{len(pairs)}".encode()
    keyed = [(b"".join(_tokens(key, above)), value) for key, value in pairs.items()]
    for key, value in sorted(keyed, key=lambda pair: pair[0]):
        yield key
        yield from _tokens(value, above)


def _state(thing: Any) -> Mapping[str, Any]:
    """Return what an object consists of; compiled objects (trees, losses) tell by way of ``__reduce__``."""
    if hasattr(thing, "__dict__"):
        state: Any = vars(thing)
    else:
        _, arguments, *rest = thing.__reduce__()
        state = {"arguments": arguments, "state": rest[0] if rest else None}
    return {key: value for key, value in state.items() if key not in NOT_THE_MODEL}
