"""What every CheckpointSink does, and the file of the key."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import NOW
from sealed import KEY
from services.kafka import Broker
from services.s3 import Bucket
from topics import some_prefix

from skyulf.adapters.checkpoint_files import FolderCheckpoints, make_key, read_key
from skyulf.adapters.data_dir import DataDirectory
from skyulf.errors import Misconfigured, Unavailable
from skyulf.events.checkpoints import Checkpoint, signed
from skyulf.reactions.publishing import CheckpointSink, Everywhere
from skyulf.runtime.sealing import make_sink
from skyulf.settings import Settings

Request = pytest.FixtureRequest


def in_s3(request: Request, _: Path) -> CheckpointSink:
    bucket: Bucket = request.getfixturevalue("s3")
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in bucket.environment.items():
        patch.setenv(name, value)
    settings = Settings(checkpoints_url=f"s3://{bucket.name}/audit-{uuid.uuid4().hex}")
    sink = make_sink(settings, DataDirectory(Path("nowhere")))
    assert sink is not None
    return sink


def in_kafka(request: Request, _: Path) -> CheckpointSink:
    broker: Broker = request.getfixturevalue("broker")
    settings = Settings(
        kafka_bootstrap=broker.bootstrap, checkpoints_topic=f"{some_prefix()}.checkpoints", database_url="memory://"
    )
    sink = make_sink(settings, DataDirectory(Path("nowhere")))
    assert sink is not None
    return sink


SINKS: dict[str, Callable[[Request, Path], CheckpointSink]] = {
    "folder": lambda _, path: FolderCheckpoints(path / "new" / "folder"),
    "s3": in_s3,
    "kafka": in_kafka,
}


@pytest.fixture(params=SINKS)
def sink(request: Request, tmp_path: Path) -> CheckpointSink:
    return SINKS[request.param](request, tmp_path)


def test_the_newest_is_what_was_published_last(sink: CheckpointSink) -> None:
    assert sink.newest() is None
    sink.publish(3, "note — 3")
    sink.publish(12, "note — 12")
    sink.publish(12, "note — 12")
    assert sink.newest() == "note — 12"


def test_earlier_ones_stay(tmp_path: Path) -> None:
    sink = FolderCheckpoints(tmp_path)
    sink.publish(3, "three")
    sink.publish(12, "twelve")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "000000000003": "three",
        "000000000012": "twelve",
        "latest": "twelve",
    }


class Place:
    """A sink in memory that may be away."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.away = False

    def publish(self, size: int, note: str) -> None:
        if self.away:
            raise Unavailable("this place is away")
        self.notes.append(note)

    def newest(self) -> str | None:
        return self.notes[-1] if self.notes else None


def test_what_one_place_cannot_take_the_others_have_and_the_newest_of_all_counts() -> None:
    one, other = Place(), Place()
    everywhere = Everywhere([one, other])
    few, many = (signed(Checkpoint(KEY.name, size, bytes(32)), KEY, NOW) for size in (9, 10))
    assert everywhere.newest() is None
    everywhere.publish(9, few)
    one.away = True
    with pytest.raises(Unavailable, match="this place is away"):
        everywhere.publish(10, many)
    assert (one.notes, other.notes) == ([few], [few, many])
    assert everywhere.newest() == many


def test_a_topic_needs_brokers(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="SKYULF_CHECKPOINTS_TOPIC: a topic needs SKYULF_KAFKA_BOOTSTRAP"):
        make_sink(Settings(checkpoints_topic="checkpoints"), DataDirectory(tmp_path))


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Unavailable, match="SKYULF_CHECKPOINTS_URL"):
        FolderCheckpoints(tmp_path / "file").publish(1, "note")


@pytest.mark.parametrize(
    ("url", "told"),
    [("ftp://host", "ftp:// is not supported"), ("file://host/x", "file:///FOLDER"), ("s3://", "s3:// is not")],
)
def test_a_place_that_is_none_is_refused_by_name(url: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="SKYULF_CHECKPOINTS_URL") as refused:
        make_sink(Settings(checkpoints_url=url), DataDirectory(tmp_path))
    assert told in refused.value.detail


def test_a_folder_is_named_by_its_uri(tmp_path: Path) -> None:
    sink = make_sink(Settings(checkpoints_url=f"file://{tmp_path}/kept"), DataDirectory(tmp_path))
    assert sink is not None
    sink.publish(1, "one")
    assert (tmp_path / "kept" / "latest").read_text() == "one"


class TestKeyFile:
    def test_it_is_for_its_owner_alone_and_is_made_once(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "key"
        made = make_key(path, KEY)
        assert path.stat().st_mode & 0o777 == 0o600
        assert read_key(path).public == made.public == KEY.public
        with pytest.raises(Misconfigured, match="is there already"):
            make_key(path, KEY)

    def test_one_that_others_may_read_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        make_key(path, KEY)
        os.chmod(path, 0o640)  # noqa: PTH101 - as an operator does it
        with pytest.raises(Misconfigured, match="chmod 600"):
            read_key(path)

    @pytest.mark.parametrize("content", ["", "no key", str(KEY.public)])
    def test_what_is_no_key_is_refused(self, content: str, tmp_path: Path) -> None:
        path = tmp_path / "key"
        path.touch(mode=0o600)
        path.write_text(content)
        with pytest.raises(Misconfigured, match="SKYULF_SIGNING_KEY"):
            read_key(path)

    def test_one_that_is_not_there_says_what_makes_it(self, tmp_path: Path) -> None:
        with pytest.raises(Misconfigured, match="skyulf audit key makes one"):
            read_key(tmp_path / "none")
