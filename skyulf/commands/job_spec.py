"""What the spec of a job comes to on a dataset: what is wrong with it, or the candidates that it stands for. Pure.

People send the same spec many times over, and to follow it through a dataset's columns takes longer than to record
the job: so what came of it is remembered, by the very text of the spec and the very facts of the columns.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from skyulf.core.candidates import Candidates, check_spec, choose_candidates
from skyulf.core.columns import ColumnFacts
from skyulf.core.memory import FEWEST, bytes_needed, rows_that_fit, scaled
from skyulf.core.spec import StreamingSpec, parse_spec
from skyulf.core.streaming_check import streamed_bytes, streaming_faults
from skyulf.errors import Fault
from skyulf.events.dataset import Column
from skyulf.events.job import Sample

REMEMBERED = 256
"""Specs on datasets that are remembered; one of many columns takes some hundred kilobytes at most."""


@dataclass(frozen=True, slots=True)
class SpecOnDataset:
    """Faults, or else complete specs as documents and the columns that were set aside, each with the reason.

    ``sample`` is what they are trained on where the table does not fit into the job's memory. It is shared: nobody
    changes the documents in it.
    """

    faults: tuple[Fault, ...]
    candidates: tuple[dict[str, Any], ...] = ()
    set_aside: tuple[tuple[str, str], ...] = ()
    sample: Sample | None = None


def on_dataset(document: dict[str, Any], columns: tuple[Column, ...], rows: int, memory_bytes: int) -> SpecOnDataset:
    """What a spec, as it was sent, comes to on a dataset of so many rows within a limit of memory.

    Raises `Invalid` when it is no spec.
    """
    return _followed(json.dumps(document), columns, rows, memory_bytes)


@lru_cache(maxsize=REMEMBERED)
def _followed(document: str, columns: tuple[Column, ...], rows: int, memory_bytes: int) -> SpecOnDataset:
    """Follow a spec through columns; texts that differ in the order of their keys only are followed each by itself."""
    spec = parse_spec(json.loads(document))
    facts = [ColumnFacts(**column.model_dump()) for column in columns]
    faults = check_spec(spec, facts, rows)
    if faults:
        return SpecOnDataset(faults)
    chosen = choose_candidates(spec, facts, rows)
    if spec.streaming is not None:
        needed = streamed_bytes(spec, facts, rows)
        if needed <= memory_bytes:
            return _complete(chosen)
        message = f"even in pieces, training on {rows:,} rows needs about {_mib(needed)} of memory, and the job may "
        message += f"use {_mib(memory_bytes)}; allow more, or leave this out and have a sample trained on"
        return SpecOnDataset((Fault("streaming", message),))
    whole = bytes_needed(chosen.specs, facts, rows)
    if whole <= memory_bytes:
        return _complete(chosen)
    too_much = f"training on all {rows:,} rows needs about {_mib(whole)} of memory, and the job may use "
    too_much += _mib(memory_bytes)
    if not spec.allow_sampling:
        ways = "allow more memory, or a sample of the rows"
        if not streaming_faults(spec.model_copy(update={"streaming": StreamingSpec()})):
            ways += ", or ask for streaming"
        return SpecOnDataset((Fault("allow_sampling", f"{too_much}; {ways}"),))
    kept, needed = rows, whole
    while needed > memory_bytes:  # of fewer rows there may be other candidates, which need more for each
        kept = min(kept - 1, rows_that_fit(kept, needed, memory_bytes))
        if kept < FEWEST:
            message = (
                f"{too_much}, in which not even a sample of {FEWEST:,} rows fits; allow more, or use fewer columns"
            )
            return SpecOnDataset((Fault("", message),))
        fewer = scaled(facts, rows, kept)
        if faults := check_spec(spec, fewer, kept):
            why = f"of a sample of {kept:,} rows, which is what fits: {too_much}"
            return SpecOnDataset(tuple(Fault(fault.place, f"{fault.message} ({why})") for fault in faults))
        chosen = choose_candidates(spec, fewer, kept)
        needed = bytes_needed(chosen.specs, fewer, kept)
    return _complete(chosen, Sample(rows=kept, of=rows, needed_bytes=whole))


def _complete(chosen: Candidates, sample: Sample | None = None) -> SpecOnDataset:
    candidates = tuple(candidate.model_dump(mode="json") for candidate in chosen.specs)
    return SpecOnDataset((), candidates, tuple(chosen.set_aside), sample)


def _mib(count: int) -> str:
    return f"{-(-count // (1 << 20)):,} MiB"
