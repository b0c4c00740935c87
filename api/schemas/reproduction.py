"""Reproductions over HTTP."""

from typing import Self

from pydantic import Field, model_validator

from api.schemas.base import Request, Response, see_one_version
from skyulf.commands.base import Name
from skyulf.events.reproduction import Aspect, Cause, Verdict


class ReproductionIn(Request):
    """A model to be trained again and compared: a training's job, or a model's version by number or by alias.

    ``seed`` is another one to train with than the recorded, to see how much depends on it.
    """

    job_id: str | None = Field(default=None, min_length=1, max_length=200)
    model: Name | None = None
    model_version: int | None = Field(default=None, ge=1, lt=2**31)
    alias: Name | None = None
    seed: int | None = Field(default=None, ge=0, lt=2**32)

    @model_validator(mode="after")
    def named_once(self) -> Self:
        """See that what is trained again is named in one way."""
        if (self.job_id is None) == (self.model is None):
            raise ValueError("give either job_id or model")
        see_one_version(self.model, self.model_version, self.alias, otherwise="job_id")
        return self


class FactOut(Response):
    """Something that a training follows from, as recorded and as it is now; null where that is not known."""

    aspect: Aspect
    name: str
    recorded: str | None
    now: str | None


class ComparisonOut(Response):
    """What the recorded model and the new one say of some rows of the table.

    ``otherwise`` counts rows with another class; ``largest_difference`` is that of probabilities, or of numbers in
    units of the greater of the number and the spread of all, null where it is not finite.
    """

    rows: int
    otherwise: int
    largest_difference: float | None


class ReproducedOut(Response):
    """What a reproduction came to.

    *identical*: the fingerprint is the recorded one. *equivalent*: it is not, and the predictions are the same as far
    as ``comparison`` tells. *different*: neither; where the data is no longer what it was, nothing was trained, and
    ``fingerprint`` is null. ``causes`` say why it is not identical: the aspects in which ``facts`` differ, else
    ``chance`` where it comes out differently each time, or ``unknown``.
    """

    verdict: Verdict
    causes: list[Cause]
    facts: list[FactOut]
    fingerprint: str | None
    comparison: ComparisonOut | None
    not_compared: str | None


class ReproductionOut(Response):
    """What a job trains again, and with which seed if not the recorded one; ``result`` is null until there is one."""

    job_id: str
    model: str | None
    model_version: int | None
    seed: int | None
    result: ReproducedOut | None
