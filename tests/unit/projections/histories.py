"""Histories of everything that can happen, made by commands and their deciders, so that each is a possible one."""

from collections.abc import Callable
from typing import Any

from builders import (
    COLUMNS,
    FOUND,
    LIMITS,
    NOW,
    PROBLEM,
    RESULT,
    SCORES,
    SPEC,
    metadata,
    predictions_logged,
    target,
    trial,
)
from hypothesis import strategies as st

from skyulf.commands import COMMANDS
from skyulf.commands.access import GrantRole, IssueKey, RecordDenials, RevokeKey, RevokeRole
from skyulf.commands.base import Command, Streams
from skyulf.commands.dataset import (
    NAMED_AT_ONCE,
    AddDatasetVersion,
    CreateDataset,
    EraseDataset,
    FinishErasure,
    ProfileDataset,
)
from skyulf.commands.deployment import Deploy, RetireDeployment, RollBackDeployment
from skyulf.commands.drift import AcknowledgeDrift, TellDrift
from skyulf.commands.job import (
    CancelJob,
    CompleteJob,
    ConfirmCancelled,
    CreateJob,
    ExplainModel,
    FailJob,
    PackageModel,
    ReclaimJob,
    ReportProgress,
    ReportTrials,
    RetryJob,
    StartJob,
)
from skyulf.commands.model import RemoveModelAlias, RetireModelVersion, SetModelAlias
from skyulf.commands.pipeline import ArchivePipeline, CreatePipeline, RevisePipeline
from skyulf.commands.prediction_log import RecordPredictions, SetPredictionLog
from skyulf.commands.projection import PurgeParkedEvent
from skyulf.commands.reproduction import CompleteReproduction, CreateReproduction
from skyulf.commands.scoring import CompleteScoring, CreateScoring
from skyulf.commands.webhook import (
    ChangeWebhook,
    CreateWebhook,
    RemoveWebhook,
    ReplaceWebhookSecret,
    ReplayWebhook,
    RetryDelivery,
    SkipDelivery,
)
from skyulf.errors import SkyulfError
from skyulf.events.access import Denial
from skyulf.events.base import noun_of
from skyulf.events.dataset import Source
from skyulf.events.deployment import LEVELS, ColumnDrift, Target
from skyulf.events.log import Append, EventLog, Write
from skyulf.events.registry import EVOLVE
from skyulf.events.webhook import Filter

INGESTED: dict[str, Any] = {
    "digest": "sha256:digest",
    "artifact": "sha256:table",
    "rows": 100,
    "source": Source(filename="irises.csv", size=4_000),
    "columns": COLUMNS,
}

NAMES = ("irises", "roses")

HOOK = "https://example.org/hook"


class Historian:
    """Writes down what becomes of one command after the other; what is refused leaves no trace."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.states: dict[str, Any] = {}
        self.versions: dict[str, int] = {}
        self.sent = 0

    def do(self, command: Command) -> None:
        self.sent += 1
        handler = COMMANDS[type(command)]
        reads = handler.reads(command)
        try:
            decided = handler.decide(command, Streams({stream: self.states.get(stream) for stream in reads}))
        except SkyulfError:
            return
        writes = tuple(
            Write(stream, self.versions.get(stream, 0), tuple(event for at, event in decided if at == stream))
            for stream in dict.fromkeys(at for at, _ in decided)
        )
        if not writes:
            return
        at = NOW.replace(microsecond=self.sent % 1_000_000)
        (result,) = self.log.append([Append(writes, metadata(f"sent-{self.sent}", recorded_at=at, reason="why"))])
        assert isinstance(result, tuple), result
        for stream, event in decided:
            self.states[stream] = EVOLVE[noun_of(stream)](self.states.get(stream), event)
            self.versions[stream] = self.versions.get(stream, 0) + 1

    def attempt(self, job: str) -> int:
        """The job's present attempt."""
        return self.states[job].attempt if job in self.states else 0

    def serves(self, deployment: str) -> Target | None:
        """What is active."""
        active: Target | None = self.states[deployment].active if deployment in self.states else None
        return active

    def model_of(self, job: str) -> str | None:
        name: str | None = self.states[job].created.model_name if job in self.states else None
        return name


Step = tuple[str, int, int]


def command(historian: Historian, step: Step) -> Command:
    """The command that a step stands for: what, to which of a few things, and one more number."""
    what, which, more = step
    job, name = f"job-{which}", NAMES[which % 2]
    attempt = historian.attempt(job)
    spec = {**SPEC, "target": "y", "split": {"test_size": 0.1 + more / 10}}
    made: dict[str, Callable[[], Command]] = {
        "dataset": lambda: CreateDataset(id=f"dataset-{which}", name=f"data {more}", **INGESTED),
        "data": lambda: AddDatasetVersion(id=f"dataset-{which}", **INGESTED),
        "profile": lambda: ProfileDataset(
            id=f"dataset-{which}", dataset_version=more, profile=f"sha256:profile-{more}", sampled=10
        ),
        "erase": lambda: EraseDataset(
            id=f"dataset-{which}", artifacts=("sha256:table",), models=(target(),), deployments=("shop",)
        ),
        "erased": lambda: FinishErasure(id=f"dataset-{which}", artifacts=("sha256:table",), shared=()),
        "erased in parts": lambda: FinishErasure(
            id=f"dataset-{which}", artifacts=tuple(f"sha256:{n}" for n in range(NAMED_AT_ONCE + 1)), shared=()
        ),
        "pipeline": lambda: CreatePipeline(id=f"pipeline-{which}", name=f"flow {more}", spec=spec),
        "revise": lambda: RevisePipeline(id=f"pipeline-{which}", name=f"flow {more}", spec=spec),
        "archive": lambda: ArchivePipeline(id=f"pipeline-{which}"),
        "job": lambda: CreateJob(
            id=job,
            dataset_id="dataset-1",
            spec=SPEC,
            seed=more,
            model_name=name if which != 3 else None,
            limits=LIMITS,
        ),
        "start": lambda: StartJob(id=job, worker=f"worker-{more}", attempt=attempt + 1),
        "progress": lambda: ReportProgress(
            id=job, attempt=attempt, stage="fit", fraction=more / 5, metrics={"loss": 0.5} if more > 2 else {}
        ),
        "tried": lambda: ReportTrials(
            id=job, attempt=attempt, planned=5, metric="roc_auc", higher_is_better=True, trials=(trial(more),)
        ),
        "complete": lambda: CompleteJob(
            id=job,
            attempt=attempt,
            fingerprint_of_model=f"f{more}",
            model_name=historian.model_of(job),
            **RESULT,
        ),
        "score": lambda: CreateScoring(id=job, dataset_id="dataset-1", model=name, model_version=more, limits=LIMITS),
        "scored": lambda: CompleteScoring(id=job, attempt=attempt, **SCORES),
        "reproduce": lambda: CreateReproduction(id=job, training=f"job-{more}", dataset_id="dataset-1", limits=LIMITS),
        "reproduced": lambda: CompleteReproduction(id=job, attempt=attempt, fingerprint_of_model="f2", **FOUND),
        "package": lambda: PackageModel(id=job, attempt=attempt, onnx="sha256:onnx" if more > 2 else None),
        "explain": lambda: ExplainModel(id=job, attempt=attempt, explanation="sha256:why" if more > 2 else None),
        "fail": lambda: FailJob(id=job, attempt=attempt, problem=PROBLEM),
        "reclaim": lambda: ReclaimJob(
            id=job, attempt=attempt, cause=("worker_lost", "sandbox_died", "handed_back")[more % 3]
        ),
        "cancel": lambda: CancelJob(id=job),
        "stopped": lambda: ConfirmCancelled(id=job, attempt=attempt),
        "retry": lambda: RetryJob(id=job),
        "alias": lambda: SetModelAlias(id=f"model-{name}", alias="best", model_version=more),
        "unalias": lambda: RemoveModelAlias(id=f"model-{name}", alias="best"),
        "retire": lambda: RetireModelVersion(id=f"model-{name}", model_version=more),
        "deploy": lambda: Deploy(id="deployment-shop", model=name, model_version=more),
        "back": lambda: RollBackDeployment(id="deployment-shop"),
        "undeploy": lambda: RetireDeployment(id="deployment-shop"),
        "log": lambda: SetPredictionLog(id="deployment-shop", share=more / 5, keep_rows=10),
        "logged": lambda: RecordPredictions(
            id="deployment-shop", **predictions_logged(which * 10 + more, rows=5).model_dump()
        ),
        "drift": lambda: TellDrift(
            id="deployment-shop",
            target=historian.serves("deployment-shop") or target(),
            rows=300,
            columns=(ColumnDrift(name="x", level=LEVELS[more % 3], psi=0.3),),
        ),
        "seen": lambda: AcknowledgeDrift(id="deployment-shop"),
        "key": lambda: IssueKey(id=f"access-{which}", name=f"key {more}", roles=("viewer",), hash="ab" * 32),
        "lock": lambda: RevokeKey(id=f"access-{which}"),
        "grant": lambda: GrantRole(id=f"access-{which}", role=("viewer", "admin")[more % 2]),
        "ungrant": lambda: RevokeRole(id=f"access-{which}", role=("viewer", "admin")[more % 2]),
        "hook": lambda: CreateWebhook(
            id=f"webhook-{which}", url=HOOK, filter=Filter(nouns=("job",)), after=more or None, secret_hash="ab" * 32
        ),
        "rehook": lambda: ChangeWebhook(
            id=f"webhook-{which}", url=f"{HOOK}/{more // 2}", filter=Filter(), paused=more % 2 == 1
        ),
        "resign": lambda: ReplaceWebhookSecret(id=f"webhook-{which}", secret_hash=f"{more}" * 64),
        "replay": lambda: ReplayWebhook(id=f"webhook-{which}", after=more),
        "again": lambda: RetryDelivery(id=f"webhook-{which}", stream=job),
        "skip": lambda: SkipDelivery(id=f"webhook-{which}", stream=job, position=more + 1),
        "unhook": lambda: RemoveWebhook(id=f"webhook-{which}"),
        "deny": lambda: RecordDenials(
            since=NOW, until=NOW, denials=(Denial(actor=None, operation="GET /v1/jobs", status=401, count=more),)
        ),
        "purge": lambda: PurgeParkedEvent(id="projection-keys", projection="keys", key="key", position=which),
    }
    return made[what]()


ONCE = ["dataset", "pipeline", "job", "key", "hook"]
OFTEN = ["start", "progress", "tried", "complete", "package", "explain", "fail", "reclaim", "retry", "deploy", "alias"]
KEYS = ["lock", "grant", "ungrant", "deny", "log", "logged", "drift", "seen"]
HOOKS = ["rehook", "resign", "replay", "again", "skip", "unhook"]
RARELY = [
    "data",
    "profile",
    "revise",
    "archive",
    "cancel",
    "stopped",
    "unalias",
    "retire",
    "back",
    "undeploy",
    *KEYS,
    *HOOKS,
    "erase",
    "erased",
]

PRELUDE: list[Step] = [(what, which, 1) for which in (1, 2, 3) for what in ONCE]

STEPS = st.lists(st.tuples(st.sampled_from(OFTEN * 2 + RARELY), st.integers(1, 3), st.integers(0, 5)), max_size=60)
"""What happens after a few datasets, pipelines and jobs have been made."""

FULL: list[Step] = [
    *PRELUDE,
    *[("data", 1, 0), ("profile", 1, 2)],
    *[("erase", 2, 0), ("erased in parts", 2, 0)],
    ("revise", 1, 3),
    ("archive", 2, 0),
    *[("start", 1, 1), ("progress", 1, 3), ("tried", 1, 2), ("complete", 1, 1), ("package", 1, 3), ("explain", 1, 3)],
    *[("start", 3, 2), ("progress", 3, 1), ("reclaim", 3, 0), ("start", 3, 4), ("fail", 3, 0), ("retry", 3, 0)],
    *[("start", 3, 1), ("cancel", 3, 0), ("stopped", 3, 0)],
    *[("cancel", 2, 0), ("retry", 2, 0), ("start", 2, 5), ("complete", 2, 2)],
    *[("score", 5, 1), ("start", 5, 1), ("progress", 5, 2), ("scored", 5, 1)],
    *[("reproduce", 6, 1), ("start", 6, 1), ("progress", 6, 2), ("reproduced", 6, 1)],
    *[("alias", 1, 1), ("deploy", 1, 1), ("deploy", 2, 1), ("back", 1, 0), ("undeploy", 1, 0), ("unalias", 1, 0)],
    *[("log", 1, 1), ("logged", 1, 1), ("logged", 1, 2), ("logged", 1, 3)],
    *[("deploy", 2, 1), ("drift", 1, 2), ("seen", 1, 1)],
    ("retire", 1, 1),
    *[("grant", 1, 1), ("ungrant", 1, 0), ("lock", 1, 0), ("deny", 1, 4)],
    *[("rehook", 1, 1), ("rehook", 1, 2), ("resign", 1, 1), ("replay", 1, 3), ("again", 1, 1), ("skip", 1, 4)],
    ("unhook", 1, 0),
    ("purge", 1, 0),
]
"""A history in which every type of event occurs."""


def written_history(log: EventLog, steps: list[Step]) -> Historian:
    historian = Historian(log)
    for step in steps:
        historian.do(command(historian, step))
    return historian
