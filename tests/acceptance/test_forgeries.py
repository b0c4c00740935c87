"""Model files are not believed: what is planted or damaged is refused, and nothing of it is run."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import skops.io
from system import System, log_of

from skyulf.events.base import Recorded
from skyulf.runtime import reading, restoring
from skyulf.settings import Settings

MADE = "made by what was planted"

DEPLOYED = "deployment-live"


class Weapon:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self._marker),)


def as_pickle(genuine: bytes, marker: Path) -> bytes:
    """No model file at all, but a pickle."""
    return pickle.dumps(Weapon(marker))


def with_forbidden_type(genuine: bytes, marker: Path) -> bytes:
    """A model file in whose pipeline's place stands a call of what is no part of any model."""
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps((str(marker),)))) as file:
        arguments = json.loads(file.read("schema.json"))
    call = {"__class__": "mkdir", "__module__": "os", "__loader__": "ConstructorFromReduceNode", "__id__": 1}
    schema = {**call, "content": arguments, "protocol": arguments["protocol"]}
    return changed(genuine, {"schema.json": json.dumps(schema).encode()})


def with_forbidden_step(genuine: bytes, marker: Path) -> bytes:
    """A model file of which all is right but one part, deep within."""
    with zipfile.ZipFile(io.BytesIO(with_forbidden_type(genuine, marker))) as file:
        call = json.loads(file.read("schema.json"))
    with zipfile.ZipFile(io.BytesIO(genuine)) as file:
        schema = json.loads(file.read("schema.json"))
    schema["content"]["content"]["verbose"] = call
    return changed(genuine, {"schema.json": json.dumps(schema).encode()})


def with_pickled_arrays(genuine: bytes, marker: Path) -> bytes:
    """A model file whose arrays are of objects, which numpy keeps as pickles."""
    header = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    with zipfile.ZipFile(io.BytesIO(genuine)) as file:
        arrays = [name for name in file.namelist() if name.endswith(".npy")]
    assert arrays
    return changed(genuine, dict.fromkeys(arrays, header + pickle.dumps([Weapon(marker)])))


def changed(genuine: bytes, members: Mapping[str, bytes]) -> bytes:
    """The zip file with other contents of some members."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(genuine)) as before, zipfile.ZipFile(out, "w") as after:
        for name in before.namelist():
            after.writestr(name, members.get(name, before.read(name)))
    return out.getvalue()


FORGERIES: dict[str, Callable[[bytes, Path], bytes]] = {
    "pickle": as_pickle,
    "forbidden-type": with_forbidden_type,
    "forbidden-step": with_forbidden_step,
    "pickled-arrays": with_pickled_arrays,
}


@pytest.fixture(scope="module")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Recorded], str, bytes]:
    """The events of a system with a deployed model, the digest of its file, and the file."""
    with System(tmp_path_factory.mktemp("genuine")) as system:
        system.start().serve()
        assert system.server.stop() == 0
        events = log_of(system.data_dir)
        digest = next(msgspec.json.decode(event.data)["model"] for event in events if event.type == "ModelTrained")
        with reading(Settings(data_dir=system.data_dir)) as (_, open_artifacts):
            return events, digest, open_artifacts().read(digest)


def deploying(events: list[Recorded], digests: Mapping[str, tuple[str, str]]) -> list[Recorded]:
    """The events, with those of the deployment once for each name, serving another artifact."""
    found = [event for event in events if event.stream != DEPLOYED]
    for name, (before, after) in digests.items():
        for event in [event for event in events if event.stream == DEPLOYED]:
            metadata = msgspec.structs.replace(event.metadata, command_id=f"{name}-{event.version}")
            data = event.data.replace(before.encode(), after.encode())
            forged = {"position": found[-1].position + 1, "stream": f"deployment-{name}", "id": f"{name}-{event.id}"}
            found.append(msgspec.structs.replace(event, metadata=metadata, data=data, **forged))
    return found


def refused(system: System, deployment: str) -> None:
    answer = system.predict(deployment=deployment)
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:skyulf:problem:damaged"


def test_the_weapons_would_go_off(genuine: Any, tmp_path: Path) -> None:
    """Where anyone trusts them; what is refused below is no dud."""
    marker = tmp_path / "armed"
    pickle.loads(as_pickle(genuine[2], marker))
    marker.rmdir()
    skops.io.loads(with_forbidden_type(genuine[2], marker), trusted=["os.mkdir"])
    marker.rmdir()
    step = with_forbidden_step(genuine[2], marker)
    skops.io.loads(step, trusted=skops.io.get_untrusted_types(data=step))
    marker.rmdir()


def test_planted_and_damaged_model_files_are_refused_and_not_run(genuine: Any, tmp_path: Path) -> None:
    events, digest, content = genuine
    marker = tmp_path / MADE
    with System(tmp_path / "system") as system:
        file = tmp_path / "planted"
        digests = {"live": (digest, digest)}
        with restoring(Settings(data_dir=system.data_dir)) as (log, artifacts):
            for name, forge in FORGERIES.items():
                file.write_bytes(forge(content, marker))
                digests[name] = (digest, artifacts.put(file))
            file.write_bytes(content)
            artifacts.put(file)
            log.restore(deploying(events, digests))
        system.start()
        pid, right = system.server.pid, system.predict().json()
        for name in FORGERIES:
            refused(system, name)
            refused(system, name)
            assert not marker.exists(), name
        assert system.predict().json() == right
        assert (system.server.alive, system.server.pid) == (True, pid)
        assert "Traceback" not in system.server.said()


def test_a_model_file_with_one_byte_changed_is_refused(genuine: Any, tmp_path: Path) -> None:
    events, digest, content = genuine
    with System(tmp_path) as system:
        with restoring(Settings(data_dir=system.data_dir)) as (log, artifacts):
            file = tmp_path / "model"
            file.write_bytes(content)
            place = artifacts.path(artifacts.put(file))
            log.restore(events)
        damaged = bytearray(content)
        damaged[len(damaged) // 2] ^= 1
        place.write_bytes(damaged)
        system.start()
        refused(system, "live")
        answer = system.ask("GET", "/v1/models/tiny/versions/1/artifact")
        assert answer.status_code == 500
        assert answer.json()["type"] == "urn:skyulf:problem:damaged"
        assert digest in answer.json()["detail"]
        place.write_bytes(content)
        assert system.predict().status_code == 200
