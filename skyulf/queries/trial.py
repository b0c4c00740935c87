"""Trials of tunings: as many of a job as its events told of, in order."""

import base64
import binascii
from typing import Any, ClassVar

import msgspec

from skyulf.errors import Fault, Invalid
from skyulf.projections.job import JOB_TRIALS, TrialsRow
from skyulf.projections.store import ReadStore
from skyulf.queries.base import LARGEST_PAGE, PageRequest, Repository, as_of, need_same

ORDERS = ("number", "-number", "best")


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a list of trials was left: its order, and how many were seen."""

    order: str
    seen: int


class TrialRepository(Repository[TrialsRow]):
    """Trials, by job. A row holds those that one event told of; a job has a few thousand at most."""

    noun = "trial"
    orders: ClassVar = {"told_version": "told_version"}

    def __init__(self, store: ReadStore) -> None:
        super().__init__(store, JOB_TRIALS)

    def of_job(self, job_id: str, request: PageRequest) -> dict[str, Any]:
        """A page of a job's trials: by ``number``, or the ``best`` first; pages hold still once the job has ended.

        Those of a nested cross-validation stand together by search, the one through all training rows before the outer
        folds, and of each of these that comes first which judges it.
        """
        order = request.order or "number"
        if order not in ORDERS:
            raise Invalid("trials cannot be ordered so", [Fault("order", f"one of {', '.join(ORDERS)}")])
        seen = _seen(need_same(self.past, request.cursor), order)
        rows = self._rows(job_id)
        trials = {
            _key(trial): {**trial, "attempt": row.attempt, "metric": row.metric} for row in rows for trial in row.trials
        }
        ordered = sorted(trials.values(), key=_key, reverse=order == "-number")
        if order == "best" and rows:
            ordered.sort(key=lambda trial: _rank(trial, -1 if rows[-1].higher_is_better else 1))
        items = ordered[seen : seen + request.limit]
        left = seen + len(items) < len(ordered)
        return {"items": items, "next_cursor": as_of(self.past, _cursor(order, seen + len(items))) if left else None}

    def _rows(self, job_id: str) -> list[TrialsRow]:
        rows: list[TrialsRow] = []
        cursor: str | None = None
        while True:
            page = self.page(PageRequest(limit=LARGEST_PAGE, cursor=cursor), {"job_id": job_id})
            rows += page.items
            if (cursor := page.next_cursor) is None:
                return rows


def _search(trial: dict[str, Any]) -> tuple[int, bool]:
    """The search of a trial: that through all training rows first, and of each outer fold first what judges it."""
    return -1 if trial["outer_fold"] is None else trial["outer_fold"], not trial["held_out"]


def _key(trial: dict[str, Any]) -> tuple[int, bool, int]:
    return *_search(trial), trial["number"]


def _rank(trial: dict[str, Any], sign: int) -> tuple[int, bool, int, float, float]:
    """Those tried to the end, on the most rows, the best first; then those given up; then those that failed."""
    state = ("finished", "pruned", "failed").index(trial["state"])
    return *_search(trial), state, -trial["share"], 0.0 if trial["mean"] is None else sign * trial["mean"]


def _cursor(order: str, seen: int) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(_Place(order, seen))).decode().rstrip("=")


def _seen(cursor: str | None, order: str) -> int:
    if cursor is None:
        return 0
    try:
        text = cursor.encode() + b"=" * (-len(cursor) % 4)
        place = msgspec.json.decode(base64.urlsafe_b64decode(text), type=_Place)
    except (ValueError, binascii.Error) as error:
        raise Invalid("the cursor is not one of ours", [Fault("cursor", "the next_cursor of a page")]) from error
    if place.order != order or place.seen < 0:
        raise Invalid("the cursor is of another list", [Fault("cursor", "begin the list again, or keep the order")])
    return place.seen
