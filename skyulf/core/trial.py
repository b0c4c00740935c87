"""One trial of a tuning: a combination of parameters, and how it did on each fold."""

import math
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import ValidationError

from skyulf.core.assemble import assemble
from skyulf.core.columns import ColumnFacts
from skyulf.core.evaluation import aligned, codes_of, evaluate_classes, evaluate_numbers
from skyulf.core.flow import follow
from skyulf.core.folds import Fold
from skyulf.core.registry import BuildContext
from skyulf.core.spec import PipelineSpec
from skyulf.core.tuning_space import with_parameters
from skyulf.errors import TrainingFailed

Array = np.ndarray[Any, Any]
TrialState = Literal["finished", "failed", "pruned"]
Key = tuple[int | None, int, bool]
"""What a trial of a job is known by: its outer fold, its number, and whether it is the one that judges the fold."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that is over.

    ``scores`` are those of the folds in their order, as many as were tried, in the metric's own unit; ``mean`` is
    theirs. ``share`` of the rows of each fold were fitted on. ``seconds`` is the time of its fits and scores together.
    ``reason`` says why it failed or was given up, without data values.

    ``outer_fold`` is that of a nested cross-validation whose search it belongs to, None for the search through all
    training rows. With ``held_out`` it is the one that was chosen there, fitted on all training rows of its outer fold
    and scored once, on the rows that the fold holds out.
    """

    number: int
    parameters: dict[str, Any]
    state: TrialState
    scores: tuple[float, ...]
    mean: float | None
    seconds: float
    share: float = 1.0
    reason: str | None = None
    outer_fold: int | None = None
    held_out: bool = False

    @property
    def key(self) -> Key:
        """What it is known by among the trials of its job."""
        return self.outer_fold, self.number, self.held_out


@dataclass(frozen=True, slots=True)
class FoldScore:
    """How a combination did on one fold, or why it has no score there."""

    score: float | None
    seconds: float
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """All that is needed to try a combination on a fold, wherever that is done: it can be sent to another process.

    ``features`` and ``target`` hold the training rows alone, ``folds`` positions in them; ``rows`` counts those of the
    whole dataset, by which columns are judged as they are when the spec is checked.
    """

    spec: PipelineSpec
    columns: tuple[ColumnFacts, ...]
    rows: int
    features: pd.DataFrame
    target: Array
    folds: list[Fold]
    metric: str
    seed: int

    def score(self, parameters: Mapping[str, Any], share: float, fold: int) -> FoldScore:
        """Fit the whole pipeline on a fold's training part, or the first ``share`` of it, and score it on the rest.

        Whatever a library raises is a result. The model has one thread: a forest's predictions on several are summed
        in the order in which they finish.
        """
        begun = time.perf_counter()
        score, reason = None, None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the model that is chosen warns again
                score = self._score(with_parameters(self.spec, parameters), share, fold)
            if not math.isfinite(score):
                score, reason = None, f"its {self.metric} is not finite on a fold"
        except TrainingFailed as error:
            reason = error.detail
        except ValidationError as error:
            told = error.errors(include_url=False, include_input=False)[0]
            reason = f"the parameters do not go together: {str(told['msg']).removeprefix('Value error, ')}"
        except Exception as error:  # noqa: BLE001 -- one combination that a library fails on is no end of the search
            reason = f"{type(error).__name__} while it was fitted or scored"
        return FoldScore(score, time.perf_counter() - begun, reason)

    def _score(self, spec: PipelineSpec, share: float, fold: int) -> float:
        train, test = self.folds[fold]
        if share < 1.0:
            train = train[: math.ceil(share * len(train))]
        flow = follow(spec, self.columns, self.rows)
        pipeline = assemble(spec, flow, BuildContext(self.seed, spec.task, 1))
        pipeline.fit(self.features.iloc[train], self.target[train])
        features, truth = self.features.iloc[test], self.target[test]
        if spec.task == "regression":
            predicted = np.asarray(pipeline.predict(features), dtype=np.float64)
            value = evaluate_numbers(truth, predicted)[0][self.metric]
        else:
            classes = np.array(sorted(set(self.target.tolist())), dtype=self.target.dtype)
            chances = aligned(pipeline.predict_proba(features), pipeline.classes_, classes)
            labels = list(range(len(classes)))
            value = evaluate_classes(codes_of(truth, classes), chances.argmax(axis=1), chances, labels)[0][self.metric]
        if value is None:
            raise TrainingFailed(
                f"{self.metric} cannot be computed on fold {fold}, where a class is missing, or the target is constant"
                " or zero; use fewer or stratified folds, or another metric"
            )
        return value
