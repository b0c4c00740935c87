from typing import Any

import pytest
from builders import SPEC
from scenario import given

from skyulf.commands.pipeline import ArchivePipeline, CreatePipeline, RevisePipeline
from skyulf.errors import Invalid, NotAllowed, NotFound
from skyulf.events.pipeline import PipelineArchived, PipelineCreated, PipelineRevised

OTHER = {**SPEC, "target": "z"}
CREATED = PipelineCreated(name="flowers", spec=SPEC)
THERE = {"pipeline-1": [CREATED]}
ARCHIVED = {"pipeline-1": [CREATED, PipelineArchived()]}

WRONG_SPECS: list[tuple[dict[str, Any], str]] = [
    ({}, "task"),
    ({**SPEC, "task": "divination"}, "task"),
    ({**SPEC, "steps": [{"node": "no_such_node"}]}, "steps.0"),
    ({**SPEC, "model": {"node": "ridge"}}, "model.node"),
    ({**SPEC, "colour": "red"}, "colour"),
]


def test_creating() -> None:
    given().when(CreatePipeline(id="pipeline-1", name="flowers", spec=SPEC)).then(CREATED)


@pytest.mark.parametrize(("spec", "place"), WRONG_SPECS)
def test_a_spec_that_is_wrong_is_refused_by_place(spec: dict[str, Any], place: str) -> None:
    for case in (
        given().when(CreatePipeline(id="pipeline-1", name="flowers", spec=spec)),
        given(THERE).when(RevisePipeline(id="pipeline-1", name="flowers", spec=spec)),
    ):
        error = case.refused(Invalid, "spec")
        assert isinstance(error, Invalid)
        assert any(fault.place.startswith(place) for fault in error.faults), error.faults


@pytest.mark.parametrize(("name", "spec"), [("flowers", OTHER), ("roses", SPEC), ("roses", OTHER)])
def test_revising(name: str, spec: dict[str, Any]) -> None:
    given(THERE).when(RevisePipeline(id="pipeline-1", name=name, spec=spec)).then(PipelineRevised(name=name, spec=spec))


def test_revising_to_what_it_is_changes_nothing() -> None:
    given(THERE).when(RevisePipeline(id="pipeline-1", name="flowers", spec=SPEC)).then()
    back = {"pipeline-1": [CREATED, PipelineRevised(name="roses", spec=OTHER)]}
    given(back).when(RevisePipeline(id="pipeline-1", name="roses", spec=OTHER)).then()
    given(back).when(RevisePipeline(id="pipeline-1", name="flowers", spec=SPEC)).then(
        PipelineRevised(name="flowers", spec=SPEC)
    )


def test_archiving_once() -> None:
    given(THERE).when(ArchivePipeline(id="pipeline-1")).then(PipelineArchived())
    given(ARCHIVED).when(ArchivePipeline(id="pipeline-1")).then()


def test_what_is_archived_is_not_revised() -> None:
    given(ARCHIVED).when(RevisePipeline(id="pipeline-1", name="x", spec=SPEC)).refused(NotAllowed, "archived")


def test_what_is_not_there() -> None:
    given().when(RevisePipeline(id="pipeline-1", name="x", spec=SPEC)).refused(NotFound, "no pipeline pipeline-1")
    given().when(ArchivePipeline(id="pipeline-1")).refused(NotFound, "no pipeline pipeline-1")
