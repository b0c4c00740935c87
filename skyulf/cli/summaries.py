"""Events in a few words: what a person reads in a list of them."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from skyulf.cli.naming import aim_of
from skyulf.cli.screen import counted

Data = Mapping[str, Any]


def _target(target: Data | None) -> str:
    return f"{target['model']}:{target['model_version']}" if target else "nothing"


def _dataset_version(data: Data) -> str:
    source = data["source"]["filename"]
    return f"version {data['dataset_version']}: {data['rows']:,} rows, {len(data['columns'])} columns, {source}"


def _job(data: Data) -> str:
    spec, name = data["spec"], data["model_name"]
    models = " or ".join(candidate["model"]["node"] for candidate in data["candidates"])
    return f"{aim_of(spec)}: {models}" + (f" → {name}" if name else "")


def _scoring(data: Data) -> str:
    by = f" as {data['deployment']} serves it" if data["deployment"] else ""
    return f"version {data['dataset_version']} of {short_id(data['dataset_id'])} with {_target(data['target'])}{by}"


def _reproduction(data: Data) -> str:
    of = f"{data['model_name']}:{data['model_version']}" if data["model_name"] else short_id(data["job_id"])
    return of if data["seed"] is None else f"{of} with the seed {data['seed']}"


def _reproduced(data: Data) -> str:
    causes = ", ".join(data["causes"])
    return f"{data['verdict']} ({causes})" if causes else str(data["verdict"])


def _warned(warnings: list[Data]) -> str:
    rules = Counter(warning["rule"].replace("_", " ") for warning in warnings)
    return ", ".join(f"{count} × {rule}" for rule, count in rules.most_common()) or "nothing to warn of"


def _trained(data: Data) -> str:
    metrics = [f"{name} {value:.4g}" for name, value in data["metrics"].items() if value is not None]
    version = f"version {data['model_version']}, " if data["model_version"] else ""
    return f"{version}{data['spec']['model']['node']}: {', '.join(metrics[:2])}"


def _trials(data: Data) -> str:
    trials = [trial for trial in data["trials"] if not trial.get("held_out")]
    means = [trial["mean"] for trial in trials if trial["state"] == "finished"]
    best = f", the best {(max if data['higher_is_better'] else min)(means):.4g}" if means else ""
    return f"{len(trials)} of {data['planned']} by {data['metric']}{best}"


def _specified(data: Data) -> str:
    spec = data["spec"]
    given = spec.get("steps") or ()
    parts = [step["node"] for step in given]
    if any(step.get("inputs") for step in given):
        parts = [f"a graph of {len(parts)} steps"]
    parts += [spec["model"]["node"]] if spec.get("model") else []
    return f"{data['name']}: {' → '.join(parts)}" if parts else str(data["name"])


def _denied(data: Data) -> str:
    by_status = Counter[int]()
    for denial in data["denials"]:
        by_status[denial["status"]] += denial["count"]
    return ", ".join(f"{count} × {status}" for status, count in sorted(by_status.items()))


def _wanted(data: Data) -> str:
    wanted = [", ".join(names) for names in data["filter"].values() if names]
    return f"{data['url']}: {'; '.join(wanted) or 'every event'}"


SUMMARIES: Mapping[str, Callable[[Data], str]] = {
    "DatasetCreated": lambda data: data["name"],
    "DatasetVersionAdded": _dataset_version,
    "ParkedEventPurged": lambda data: f"{data['projection']} goes on without position {data['position']}",
    "DatasetErased": lambda data: (
        f"{counted(len(data['artifacts']), 'artifact')}, {counted(len(data['models']), 'version')} of models"
    ),
    "DatasetErasureListed": lambda data: counted(sum(map(len, data.values())), "more thing"),
    "DatasetErasureFinished": lambda data: f"{counted(len(data['artifacts']), 'artifact')} destroyed",
    "DatasetProfiled": lambda data: f"version {data['dataset_version']}: {_warned(data['warnings'])}",
    "PipelineCreated": _specified,
    "PipelineRevised": _specified,
    "PipelineArchived": lambda _: "",
    "JobCreated": _job,
    "ScoringCreated": _scoring,
    "ReproductionCreated": _reproduction,
    "JobStarted": lambda data: f"attempt {data['attempt']}",
    "JobProgressed": lambda data: f"{data['stage']}, {data['fraction']:.0%}",
    "TrialsFinished": _trials,
    "ModelTrained": _trained,
    "ModelPackaged": lambda data: "has an ONNX copy" if data["onnx"] else f"no ONNX copy: {data['reason']}",
    "ModelExplained": lambda data: (
        f"columns weighed by {data['metric']}" if data["explanation"] else f"not explained: {data['reason']}"
    ),
    "DatasetScored": lambda data: f"{data['rows']:,} rows",
    "ModelReproduced": _reproduced,
    "JobFailed": lambda data: f"{data['problem']['title']}: {data['problem']['detail']}",
    "JobCancelRequested": lambda _: "",
    "JobCancelled": lambda _: "",
    "JobReclaimed": lambda data: f"attempt {data['attempt']}: {data['cause'].replace('_', ' ')}",
    "JobRetried": lambda _: "",
    "ModelVersionRegistered": lambda data: f"version {data['model_version']}: {data['estimator']}",
    "ModelAliasSet": lambda data: f"{data['alias']} → {data['after']}",
    "ModelAliasRemoved": lambda data: f"{data['alias']} meant {data['before']}",
    "ModelVersionRetired": lambda data: f"version {data['model_version']}",
    "DeploymentCreated": lambda _: "",
    "DeploymentRolledOut": lambda data: f"{_target(data['before'])} → {_target(data['after'])}",
    "DeploymentRolledBack": lambda data: f"{_target(data['before'])} → {_target(data['after'])}",
    "DeploymentRetired": lambda _: "",
    "PredictionLogSet": lambda data: f"{data['share']:.3g} of the requests, {data['keep_rows']:,} rows kept",
    "PredictionsLogged": lambda data: (
        f"{data['rows']:,} rows of {data['requests']:,} requests to {_target(data['target'])}"
    ),
    "DriftFound": lambda data: (
        f"{data['level']} in {', '.join(column['name'] for column in data['columns'])} of {data['rows']:,} rows"
    ),
    "DriftAcknowledged": lambda _: "",
    "PredictionsForgotten": lambda data: data["artifact"],
    "KeyIssued": lambda data: f"{data['name']} ({data['kind']})",
    "KeyRevoked": lambda _: "",
    "RoleGranted": lambda data: data["role"],
    "RoleRevoked": lambda data: data["role"],
    "CommandsDenied": _denied,
    "WebhookCreated": _wanted,
    "WebhookChanged": _wanted,
    "WebhookSecretReplaced": lambda _: "",
    "WebhookPaused": lambda _: "",
    "WebhookResumed": lambda _: "",
    "WebhookReplayed": lambda data: f"above position {data['after']}",
    "DeliveryRetried": lambda data: short_id(data["stream"]),
    "DeliverySkipped": lambda data: f"position {data['position']} of {short_id(data['stream'])}",
    "WebhookRemoved": lambda _: "",
}
"""What each type of event says of its data."""


def summarize(event_type: str, data: Data, reason: str | None = None) -> str:
    """What happened, and why if someone said so; no words for events of another version's making."""
    try:
        words = SUMMARIES[event_type](data)
    except (KeyError, TypeError, ValueError, AttributeError):
        words = ""
    return " · ".join(part for part in (words, f"“{reason}”" if reason else "") if part)


def short_id(text: str, kept: int = 8) -> str:
    """An id with the middle of its number left out: what differs from one to the next stands at its end."""
    noun, _, rest = text.partition("-")
    return f"{noun}-…{rest[-kept:]}" if len(rest) == 36 and rest.count("-") == 4 else text
