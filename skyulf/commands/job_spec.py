"""What the spec of a job comes to on a dataset: what is wrong with it, or the candidates that it stands for. Pure.

People send the same spec many times over, and to follow it through a dataset's columns takes longer than to record
the job: so what came of it is remembered, by the very text of the spec and the very facts of the columns.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from skyulf.core.candidates import check_spec, choose_candidates
from skyulf.core.columns import ColumnFacts
from skyulf.core.spec import parse_spec
from skyulf.errors import Fault
from skyulf.events.dataset import Column, DatasetVersionAdded

REMEMBERED = 256
"""Specs on datasets that are remembered; one of many columns takes some hundred kilobytes at most."""


@dataclass(frozen=True, slots=True)
class SpecOnDataset:
    """Faults, or else complete specs as documents and the columns that were set aside, each with the reason.

    It is shared: nobody changes the documents in it.
    """

    faults: tuple[Fault, ...]
    candidates: tuple[dict[str, Any], ...] = ()
    set_aside: tuple[tuple[str, str], ...] = ()


def on_dataset(document: dict[str, Any], version: DatasetVersionAdded) -> SpecOnDataset:
    """What a spec, as it was sent, comes to on a dataset's version; raises `Invalid` when it is no spec."""
    return _followed(json.dumps(document), version.columns, version.rows)


@lru_cache(maxsize=REMEMBERED)
def _followed(document: str, columns: tuple[Column, ...], rows: int) -> SpecOnDataset:
    """Follow a spec through columns; texts that differ in the order of their keys only are followed each by itself."""
    spec = parse_spec(json.loads(document))
    facts = [ColumnFacts(**column.model_dump()) for column in columns]
    faults = check_spec(spec, facts, rows)
    if faults:
        return SpecOnDataset(faults)
    chosen = choose_candidates(spec, facts, rows)
    return SpecOnDataset(
        (), tuple(candidate.model_dump(mode="json") for candidate in chosen.specs), tuple(chosen.set_aside)
    )
