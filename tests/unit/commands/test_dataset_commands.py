from typing import Any

import pytest
from builders import COLUMNS, dataset_created, version_added
from pydantic import ValidationError
from scenario import given

from skyulf.commands.dataset import AddDatasetVersion, AskedUri, CreateDataset
from skyulf.errors import NotFound
from skyulf.events.dataset import Source

INGESTED: dict[str, Any] = {
    "digest": "sha256:digest-1",
    "artifact": "sha256:table-1",
    "rows": 100,
    "source": Source(filename="irises.csv", size=4_000),
    "columns": COLUMNS,
}
SECOND = {**INGESTED, "digest": "sha256:digest-2", "artifact": "sha256:table-2"}


def test_a_dataset_begins_with_its_first_version() -> None:
    given().when(CreateDataset(id="dataset-1", name="irises", **INGESTED)).then(dataset_created(), version_added(1))


def test_versions_are_numbered() -> None:
    first = {"dataset-1": [dataset_created(), version_added(1)]}
    given(first).when(AddDatasetVersion(id="dataset-1", **SECOND)).then(version_added(2))
    second = {"dataset-1": [dataset_created(), version_added(1), version_added(2)]}
    given(second).when(AddDatasetVersion(id="dataset-1", **SECOND)).then(
        version_added(3, digest="sha256:digest-2", artifact="sha256:table-2")
    )


@pytest.mark.parametrize("stream", ["dataset-9", "pipeline-1", "", "dataset"])
def test_a_version_needs_its_dataset(stream: str) -> None:
    history = {"dataset-1": [dataset_created()]}
    given(history).when(AddDatasetVersion(id=stream, **SECOND)).refused(NotFound, "there is no dataset")


def test_what_we_made_of_an_upload_is_no_part_of_its_fingerprint() -> None:
    """The same upload sent again is the same command, though it was read anew."""
    sent = CreateDataset(name="irises", **INGESTED)
    again = sent.model_copy(update={"artifact": "sha256:other", "rows": 5, "columns": ()})
    other = sent.model_copy(update={"digest": "sha256:digest-2"})
    assert sent.fingerprint(None) == again.fingerprint(None)
    assert sent.fingerprint(None) != other.fingerprint(None)
    assert sent.fingerprint(None) != sent.fingerprint("a reason")
    assert sent.fingerprint(None) != CreateDataset(name="roses", **INGESTED).fingerprint(None)


def test_an_upload_is_known_again_by_later_versions_of_the_code() -> None:
    """What datasets can be made of has grown since; who repeats an old request must get the old answer."""
    known = "f10adbe6de9982c11f3321701428eb71124ddbb076aee251c163df8a8a53e6e4"
    sent = CreateDataset(name="irises", **INGESTED)
    assert sent.fingerprint(None) == known
    lenient = sent.model_copy(update={"source": sent.source.model_copy(update={"unfit": "missing"})})
    assert lenient.fingerprint(None) != known


def test_of_a_uri_it_counts_what_was_asked_for_and_not_what_lay_there() -> None:
    asked = AskedUri(uri="s3://data/irises.csv")
    sent = CreateDataset(name="irises", **INGESTED, asked=asked)
    changed = {"digest": "sha256:other", "source": Source(filename="irises.csv", size=9, uri=asked.uri)}
    assert sent.fingerprint(None) == sent.model_copy(update=changed).fingerprint(None)
    other = asked.model_copy(update={"header": False})
    assert sent.fingerprint(None) != sent.model_copy(update={"asked": other}).fingerprint(None)


@pytest.mark.parametrize("name", ["", "   ", "x" * 201])
def test_a_name_says_something(name: str) -> None:
    with pytest.raises(ValidationError):
        CreateDataset(name=name, **INGESTED)
