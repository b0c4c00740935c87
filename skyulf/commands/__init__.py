"""The write side: everything that the system can be asked to do stands in `COMMANDS`."""

from collections.abc import Mapping

from skyulf.commands import (
    access,
    dataset,
    deployment,
    drift,
    job,
    model,
    pipeline,
    prediction_log,
    projection,
    reproduction,
    scoring,
    webhook,
)
from skyulf.commands.base import Command, Handler

COMMANDS: Mapping[type[Command], Handler] = {
    **dataset.HANDLERS,
    **pipeline.HANDLERS,
    **job.HANDLERS,
    **scoring.HANDLERS,
    **reproduction.HANDLERS,
    **model.HANDLERS,
    **deployment.HANDLERS,
    **prediction_log.HANDLERS,
    **drift.HANDLERS,
    **projection.HANDLERS,
    **access.HANDLERS,
    **webhook.HANDLERS,
}
"""Each kind of command, and how it is handled."""
