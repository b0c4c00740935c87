"""A version of a model described for people: a model card in Markdown, filled from the log and what is shown of it.

Its sections are those of Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019); what stands before them are
the metadata that Hugging Face's cards begin with. What nobody has recorded is said to be so, and nothing is made up.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from skyulf.events.base import Recorded
from skyulf.events.model import ModelAliasSet, ModelVersionRetired
from skyulf.events.registry import decode
from skyulf.projections.dataset import DatasetRow, DatasetVersionRow
from skyulf.projections.job import JobRow
from skyulf.projections.model import ModelRow, ModelVersionRow

MOST_CLASSES = 20
"""Classes up to which a confusion matrix is shown."""

MOST_COLUMNS = 100
"""Columns of the data, and of importance, that are listed."""

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$])")

NOTHING = "Nothing was recorded."


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card tells of: the version, the job that made it, its data, and the events of the job and of the model."""

    model: ModelRow
    version: ModelVersionRow
    job: JobRow
    dataset: DatasetRow
    table: DatasetVersionRow
    pipeline: str | None
    evaluation: Mapping[str, Any]
    job_events: Sequence[Recorded]
    model_events: Sequence[Recorded]

    @property
    def spec(self) -> dict[str, Any]:
        """The spec that the job trained."""
        assert self.job.spec is not None
        return self.job.spec


def model_card(facts: CardFacts) -> str:
    """Write the card; what people wrote is shown as text, whatever it holds."""
    sections: dict[str, Iterable[str]] = {
        "Model details": _details(facts),
        "Intended use": _use(facts),
        "Factors": _factors(facts),
        "Metrics": _metrics(facts),
        "Evaluation data": _evaluation_data(facts),
        "Training data": _training_data(facts),
        "Quantitative analyses": _analyses(facts),
        "Pipeline": _pipeline(facts),
        "Ethical considerations": [
            f"{NOTHING} Whoever puts the model to use should ask whom its errors meet, and look at the columns above.",
        ],
        "Caveats and recommendations": _caveats(facts),
        "Environment": _environment(facts),
        "Provenance": _provenance(facts),
    }
    body = "\n\n".join(f"## {title}\n\n" + "\n".join(lines) for title, lines in sections.items())
    version = facts.version
    return f"{_head(facts)}\n# {_text(version.model)}, version {version.model_version}\n\n{body}\n"


def _head(facts: CardFacts) -> str:
    task = f"tabular-{facts.version.task}"
    name = msgspec.json.encode(f"{facts.version.model}:{facts.version.model_version}").decode()  # is YAML, too
    clusters = facts.version.task == "clustering"  # for which there is no pipeline_tag
    tags = "".join(f"- {tag}\n" for tag in ("clustering" if clusters else task, "sklearn", "skops"))
    purpose = "" if clusters else f"pipeline_tag: {task}\n"
    return f"---\nlibrary_name: sklearn\n{purpose}tags:\n{tags}model_name: {name}\n---\n"


def _details(facts: CardFacts) -> Iterator[str]:
    version, job = facts.version, facts.job
    asked, trained = _event(facts, "JobCreated"), _event(facts, "ModelTrained")
    yield f"- **Model:** {_code(version.estimator)}, {_aim(version)}"
    yield f"- **Asked for by:** {_code(asked.metadata.actor.id)} ({asked.metadata.actor.kind}), {_moment(asked)}"
    yield f"- **Trained by:** {_code(trained.metadata.actor.id)}, {_moment(trained)}, attempt {job.attempt}"
    yield f"- **File:** skops, `{version.artifact}`"
    yield f"- **Fingerprint:** `{version.fingerprint}`"
    onnx = job.onnx
    if onnx is None:
        yield "- **ONNX copy:** not settled yet"
    elif onnx["digest"] is None:
        yield f"- **ONNX copy:** none: {_text(onnx['reason'])}"
    else:
        yield f"- **ONNX copy:** `{onnx['digest']}`, compared with the model on {onnx['probe_rows']} rows"
    aliases = [alias for alias, number in facts.model.aliases.items() if number == version.model_version]
    yield f"- **Aliases:** {', '.join(map(_code, aliases)) or 'none'}{'; **retired**' if version.retired else ''}"


def _aim(version: ModelVersionRow) -> str:
    return f"{version.task} of {_code(version.target)}" if version.target else version.task


def _use(facts: CardFacts) -> Iterator[str]:
    version = facts.version
    if version.target:
        yield f"Predicts {_code(version.target)} from the columns of a row ({version.task})."
    else:
        yield "Tells to which cluster a row belongs, by its columns. Clusters were found without labels, and have none."
    yield ""
    reasons = [line for recorded in facts.model_events if (line := _reason(recorded, version.model_version))]
    yield (
        "What was said of it when it was promoted or retired:"
        if reasons
        else (
            "No purpose was recorded: it was given no alias, nor a reason. Uses out of scope were not recorded either."
        )
    )
    yield from ["", *reasons] if reasons else []


def _reason(recorded: Recorded, number: int) -> str | None:
    """Why an alias was set to the version, or the version was retired; None of other events."""
    event = decode(recorded) if recorded.type in ("ModelAliasSet", "ModelVersionRetired") else None
    who = f"{_moment(recorded)}, {_code(recorded.metadata.actor.id)}"
    why = _text(recorded.metadata.reason or "no reason was given")
    match event:
        case ModelAliasSet(after=after) if after == number:
            return f"- {who} gave it the alias {_code(event.alias)}: {why}"
        case ModelVersionRetired(model_version=retired) if retired == number:
            return f"- {who} retired it: {why}"
    return None


def _factors(facts: CardFacts) -> Iterator[str]:
    importance = facts.evaluation.get("importance")
    if not importance:
        yield "How much each column matters is not known (yet)."
        return
    of = facts.evaluation["importance_of"]
    yield (
        f"How much {'' if facts.version.task == 'clustering' else 'worse '}{_code(of['metric'])} "
        f"{'grows' if facts.version.task == 'clustering' else 'gets'} when a column is shuffled, {of['repeats']} times "
        f"on {of['rows']} rows held out:"
    )
    yield ""
    rows = [(_code(each["column"]), _number(each["mean"]), _number(each["std"])) for each in importance[:MOST_COLUMNS]]
    yield from _table(("column", "mean", "spread"), rows)


def _metrics(facts: CardFacts) -> Iterator[str]:
    yield "Of the fit on the training rows, on rows that it had not seen. "
    if facts.job.candidate_scores and len(facts.job.candidate_scores) > 1:
        yield "The model was chosen among candidates by cross-validation on the training rows alone:"
        yield ""
        rows = [
            (_code(each["model"]), _code(each["metric"]), _number(each["mean"]), "yes" if each["chosen"] else "")
            for each in facts.job.candidate_scores
        ]
        yield from _table(("candidate", "metric", "mean score (higher is better)", "chosen"), rows)
    if facts.job.trials_over:
        yield ""
        yield f"Its parameters were found by {facts.job.trials_over} trials."
        if outer := (facts.evaluation.get("tuning") or {}).get("outer"):
            yield (
                f"Nested cross-validation in {len(outer['folds'])} outer folds, each tuned without the rows that judge"
                f" it: {_code(facts.evaluation['tuning']['metric'])} {_number(outer['mean'])}, with a standard"
                f" deviation of {_number(outer['std'])}."
            )
    yield from _decisions(facts.evaluation)


def _decisions(evaluation: Mapping[str, Any]) -> Iterator[str]:
    """By what the model decides beside its numbers."""
    if thresholds := evaluation.get("thresholds"):
        yield ""
        yield f"Classes are decided by thresholds, chosen by {_code(thresholds['criterion'])} on the training rows:"
        yield ""
        shown = thresholds["classes"][:MOST_CLASSES]
        yield from _table(
            ("class", "threshold"), [(_code(str(one["label"])), _number(one["threshold"])) for one in shown]
        )
    if intervals := evaluation.get("intervals"):
        yield ""
        yield (
            f"Intervals of ± {_number(intervals['half_width'])} around predictions are to hold the true value in"
            f" {intervals['coverage']:.1%} of rows; of those held out they hold {intervals['observed']:.1%}."
        )


def _evaluation_data(facts: CardFacts) -> Iterator[str]:
    split, rows = facts.spec["split"], facts.job.rows
    how = "drawn at random" if split["shuffle"] else "the last ones, in the table's order"
    yield f"{rows['test']:,} rows of the same table that the model was not fitted on, {how} ({split['test_size']:.0%})."
    stratified = facts.version.task == "classification" and split["shuffle"] and split["stratify"] is not False
    if stratified:
        yield "Classes keep their shares on both sides."


def _training_data(facts: CardFacts) -> Iterator[str]:
    table, rows = facts.table, facts.job.rows
    yield f"- **Dataset:** {_code(facts.dataset.name)} (`{table.dataset_id}`), version {table.dataset_version}"
    yield f"- **File:** {_code(table.filename)}, {table.size:,} bytes, `{table.digest}`"
    yield f"- **Rows:** {table.rows:,}; {rows['train']:,} to learn from, {rows['test']:,} held out"
    if (sample := facts.job.sample) is not None:
        yield f"- **Sample:** {sample['rows']:,} rows, drawn at random with the job's seed; all needed too much memory"
    if "piece" in rows:
        yield f"- **In pieces:** of {rows['piece']:,} rows, in {rows['passes']:,} passes over the table"
    if facts.version.target:
        yield f"- **Without a target, left out:** {rows['dropped']:,}"
    if facts.spec["refit"]:
        yield "- **Refit:** what is served was fitted on all rows, after evaluation"
    for name, reason in facts.job.set_aside:
        yield f"- **Left out:** {_code(name)}: {_text(reason)}"
    yield ""
    listed = table.columns[:MOST_COLUMNS]
    cells = [(_code(c["name"]), c["type"], f"{c['nulls']:,}", f"{c['distinct']:,}") for c in listed]
    yield from _table(("column", "type", "missing", "different values"), cells)
    if len(table.columns) > len(listed):
        yield f"\nAnd {len(table.columns) - len(listed):,} more."


def _analyses(facts: CardFacts) -> Iterator[str]:
    yield from _table(("metric", "value"), [(_code(n), _number(v)) for n, v in facts.version.metrics.items()])
    if partition := facts.evaluation.get("partition"):
        yield ""
        sizes = ", ".join(f"{size:,}" for size in partition["sizes"])
        yield f"Of the rows held out, the clusters hold {sizes}."
        if partition["reference"]:
            labelled = f"{partition['reference_rows']:,} rows"
            yield f"They were compared with the labels in {_code(partition['reference'])}, on {labelled} that have one."
    labels, matrix = facts.evaluation.get("labels"), facts.evaluation.get("confusion_matrix")
    if labels and matrix and len(labels) <= MOST_CLASSES:
        yield ""
        yield "Confusion matrix (rows: truth, columns: predicted):"
        yield ""
        names = [_code(str(label)) for label in labels]
        counts = [[name, *(f"{count:,}" for count in row)] for name, row in zip(names, matrix, strict=True)]
        yield from _table(("", *names), counts)


def _pipeline(facts: CardFacts) -> Iterator[str]:
    if facts.pipeline is not None:
        yield f"Kept as {_code(facts.pipeline)} (`{facts.job.pipeline_id}`).\n"
    yield "Every step and parameter, as it was trained:"
    yield ""
    text = msgspec.json.format(msgspec.json.encode(facts.spec), indent=2).decode()
    fence = "`" * (max(map(len, re.findall("`+", text)), default=2) + 1)
    yield f"{max(fence, '```')}json\n{text}\n{max(fence, '```')}"


def _caveats(facts: CardFacts) -> Iterator[str]:
    warnings = [f"- {_text(warning)}" for warning in facts.job.warnings]
    yield from warnings or ["The training gave no warnings."]
    if facts.version.retired:
        yield "- This version is retired."
    yield ""
    yield "Figures hold for rows like those of the table; whether what is served is like them, drift tells."


def _environment(facts: CardFacts) -> Iterator[str]:
    for name, value in facts.job.environment.items():
        if not isinstance(value, list | dict):
            yield f"- {_text(name)}: {_text(value)}"
    spent = sum(facts.job.timings.values())
    yield f"- training took {spent:.1f} s"


def _provenance(facts: CardFacts) -> Iterator[str]:
    yield f"- **Job:** `{facts.job.id}`, seed {facts.job.seed}"
    for name in ("JobCreated", "ModelTrained"):
        recorded = _event(facts, name)
        yield f"- **{name}:** position {recorded.position} of the log, `{recorded.id}`"
    yield "\n`skyulf audit proof POSITION` proves that the log held such an event."


def _event(facts: CardFacts, type_: str) -> Recorded:
    return next(recorded for recorded in reversed(facts.job_events) if recorded.type == type_)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _moment(recorded: Recorded) -> str:
    at: datetime = recorded.metadata.recorded_at
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _text(value: object) -> str:
    """Text as text, on one line: nothing in it is Markdown or HTML."""
    return SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def _code(value: object) -> str:
    """A name, set apart where that can be done."""
    text = " ".join(str(value).split())
    return f"`{text}`" if text and not set("`|") & set(text) else _text(value)
