"""From a spec to one standard scikit-learn Pipeline, in which cross-validation refits everything per fold."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from skyulf.core.flow import Flow, Stage
from skyulf.core.joining import DATASET_STAGE, Intake
from skyulf.core.registry import Address, BuildContext, RowStep
from skyulf.core.spec import PipelineSpec


def assemble(spec: PipelineSpec, flow: Flow, context: BuildContext) -> Any:
    """Build the unfitted Pipeline of a complete spec: a transformer or sampler for each step that acts, then the model.

    With samplers it is imbalanced-learn's Pipeline, which lets them change rows when it is fitted and passes them by
    when it predicts.

    A step on some columns stands in a ColumnTransformer; one on all of them, where all are numbers, stands alone.
    Columns go by their names, in frames, until a step generates columns or stands alone; from there on they go by
    position, in arrays. Generated names can clash (a column "a_b" beside a column "a" with a category "b"), positions
    cannot.

    Where columns part, what lies between the steps through which all of them go is one transformer, `Branches`.
    """
    if spec.model is None:
        raise ValueError("a spec without a model cannot be built; choose candidates first")
    steps = list(_steps(flow, context))
    seed = context.seed if spec.model.seed is None else spec.model.seed
    model = spec.model.use().build(BuildContext(seed, context.task, context.threads))
    if spec.transform is not None:
        from sklearn.compose import TransformedTargetRegressor

        from skyulf.core.target_transforms import TargetTransform

        turn = TargetTransform(spec.transform)
        model = TransformedTargetRegressor(regressor=model, transformer=turn, check_inverse=False)
    if flow.changes_rows:
        from imblearn.pipeline import Pipeline

        from skyulf.core.sampling import CountRows

        steps.append(("rows", CountRows()))
    else:
        from sklearn.pipeline import Pipeline
    return Pipeline([*steps, ("model", model)])


def _steps(flow: Flow, context: BuildContext) -> Iterator[tuple[str, Any]]:
    """Yield the pipeline's steps before the model, with branches where columns part or come in another order."""
    intakes = [*(stage.intake for stage in flow.stages), flow.intake]
    passed = _passed_by(intakes)
    before = DATASET_STAGE
    for number, intake in enumerate(intakes):
        if number in passed:
            continue
        inside = range(before + 1, number)
        if inside or not _is_all(intake, before, flow):
            yield f"{number + 1}_branches", _branches(inside, intake, before, flow, context)
        if number < len(flow.stages):
            yield _named(number, flow), _transformer(flow.stages[number], context)
        before = number


def _passed_by(intakes: Sequence[Intake]) -> set[int]:
    """Return the stages that some columns go past."""
    return {
        passed
        for reader, intake in enumerate(intakes)
        for passed in range(min(intake.stages, default=reader) + 1, reader)
    }


def _named(number: int, flow: Flow) -> str:
    return f"{number + 1}_{flow.stages[number].step.name}"


def _is_all(intake: Intake, before: int, flow: Flow) -> bool:
    """Whether what is read is what the stage before leaves, as it leaves it."""
    width, generated = _width(before, flow)
    tails = (before,) if generated else ()
    return intake.tails == tails and intake.columns == tuple((before, at) for at in range(width))


def _width(stage: int, flow: Flow) -> tuple[int, bool]:
    """Return how many known columns a stage leaves, and whether it leaves generated ones."""
    if stage == DATASET_STAGE:
        return len(flow.inputs), False
    return flow.stages[stage].leaves, flow.stages[stage].leaves_generated


def _branches(inside: Sequence[int], outcome: Intake, before: int, flow: Flow, context: BuildContext) -> Any:
    from skyulf.core.branches import Branches

    parts = []
    for number in inside:
        stage = flow.stages[number]
        parts.append((_named(number, flow), _transformer(stage, context), *_pieces(stage.intake, before, flow)))
    return Branches(parts, *_pieces(outcome, before, flow))


def _pieces(intake: Intake, before: int, flow: Flow) -> tuple[list[Any], bool]:
    """Say where columns are found in branches, whose parts follow the stage ``before``, and if all are numbers."""
    known = [
        (stage - before - 1, [at for _, at in group]) for stage, group in groupby(intake.columns, key=itemgetter(0))
    ]
    tails = [(stage - before - 1, slice(_width(stage, flow)[0], None)) for stage in intake.tails]
    return [*known, *tails], intake.plain


def _transformer(stage: Stage, context: BuildContext) -> Any:
    from sklearn.compose import ColumnTransformer

    if isinstance(stage.step, RowStep):
        return stage.step.sampler(context, _whereabouts(stage))
    estimator = stage.step.build_on(context, stage.selected)
    if stage.whole:
        return estimator
    name = stage.step.name
    selected = _address(stage, [c for c in stage.known if c in set(stage.selected)])
    kept = _address(stage, [c for c in stage.known if c not in set(stage.selected)])
    if stage.takes_generated:
        # Generated columns have no names before fitting, but they are always the ones that remain.
        return ColumnTransformer([("kept", "passthrough", kept)], remainder=estimator)
    if stage.step.output == "added":
        kept = _address(stage, list(stage.known))
    if stage.step.output in ("generated", "added"):
        rest = "passthrough" if stage.generated else "drop"
        return ColumnTransformer([("kept", "passthrough", kept), (name, estimator, selected)], remainder=rest)
    if stage.by_position:
        return ColumnTransformer([(name, estimator, selected)], remainder="passthrough")
    by_name = ColumnTransformer([(name, estimator, selected)], remainder="passthrough", verbose_feature_names_out=False)
    return by_name.set_output(transform="pandas")


def _whereabouts(stage: Stage) -> Address:
    places: dict[str, str | int] = dict(zip(stage.known, _address(stage, list(stage.known)), strict=True))
    made_from = len(stage.known) if stage.takes_generated else None
    return Address(places, _address(stage, list(stage.selected)), made_from)


def _address(stage: Stage, names: list[str]) -> list[str] | list[int]:
    return [stage.known.index(name) for name in names] if stage.by_position else names
