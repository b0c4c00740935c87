"""The read side's builders: everything that is ever shown stands in `PROJECTIONS`."""

from typing import Any

from skyulf.projections.access import KEYS
from skyulf.projections.base import Projection
from skyulf.projections.dataset import DATASET_VERSIONS, DATASETS
from skyulf.projections.deployment import DEPLOYMENTS, PREDICTION_LOGS
from skyulf.projections.job import JOB_TRIALS, JOBS
from skyulf.projections.model import MODEL_VERSIONS, MODELS
from skyulf.projections.past import MOMENTS, history_of
from skyulf.projections.pipeline import PIPELINES
from skyulf.projections.webhook import WEBHOOKS

PROJECTIONS: tuple[Projection[Any], ...] = (
    DATASETS,
    DATASET_VERSIONS,
    PIPELINES,
    JOBS,
    JOB_TRIALS,
    MODELS,
    MODEL_VERSIONS,
    DEPLOYMENTS,
    PREDICTION_LOGS,
    KEYS,
    WEBHOOKS,
)
"""Every projection of what is shown now."""

PAST: tuple[Projection[Any], ...] = (*map(history_of, PROJECTIONS), MOMENTS)
"""Every projection that what was shown is found by, kept up apart from the others."""

ALL = (*PROJECTIONS, *PAST)
"""Every projection there is."""
