"""From a spec to one standard scikit-learn Pipeline, in which cross-validation refits everything per fold."""

from typing import Any

from skyulf.core.flow import Flow, Stage
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
    """
    if spec.model is None:
        raise ValueError("a spec without a model cannot be built; choose candidates first")
    steps: list[tuple[str, Any]] = [
        (f"{number}_{stage.step.name}", _transformer(stage, context))
        for number, stage in enumerate(flow.stages, start=1)
    ]
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
