"""What can happen to a job that trains a recorded model again; docs/decisions/0021 says why it is such a job."""

from typing import Literal

from skyulf.events.base import DomainEvent, Value
from skyulf.events.limits import Limits

Verdict = Literal["identical", "equivalent", "different"]
Aspect = Literal["data", "seed", "code", "package", "threads", "cpu"]
Cause = Literal["data", "seed", "code", "package", "threads", "cpu", "chance", "unknown"]


class Fact(Value):
    """Something that a training follows from, as it was recorded and as it is now; None where that is not known.

    ``aspect`` is what kind of thing it is, ``name`` which one: of packages, say, ``scikit-learn``. Digests are in
    hexadecimal alone: what is told of need not be an artifact that there is.
    """

    aspect: Aspect
    name: str
    recorded: str | None
    now: str | None


class Comparison(Value):
    """What the recorded model and the new one say of ``rows`` rows of the table.

    ``otherwise`` counts rows for which they chose another class; ``largest_difference`` is that of probabilities, or of
    numbers in units of the greater of the number and the spread of all, None where it is not finite.
    """

    rows: int
    otherwise: int
    largest_difference: float | None


class ReproductionCreated(DomainEvent):
    """A model is to be trained again and compared with what was recorded of it: a job that leaves no model.

    ``job_id`` is the training, whose events say all that it needs; ``model`` is the digest of the file that came of it.
    ``seed`` is another one to train with than the recorded, or None.
    """

    job_id: str
    dataset_id: str
    dataset_version: int
    dataset_digest: str
    dataset_artifact: str
    model: str
    model_name: str | None
    model_version: int | None
    seed: int | None
    limits: Limits


class ModelReproduced(DomainEvent):
    """An attempt ended with a verdict.

    *identical* is a model with the same ``fingerprint``; *equivalent* is one with another that predicts the same, as
    far as ``comparison`` tells; *different* is any other, and no model, where the data is no longer what it was: then
    nothing was trained, and ``fingerprint`` is None. ``causes`` say why it is not identical: what differs among
    ``facts``; where nothing does, ``chance`` if it comes out differently each time that it is trained now, else
    ``unknown``. ``not_compared`` says why there is no comparison where one was due. ``metrics`` are of the new held-out
    fit, ``timings`` in seconds.
    """

    attempt: int
    verdict: Verdict
    causes: tuple[Cause, ...]
    facts: tuple[Fact, ...]
    fingerprint: str | None
    comparison: Comparison | None
    not_compared: str | None
    metrics: dict[str, float | None]
    timings: dict[str, float]
