"""A model file is audited before anything of it runs."""

import io
import json
import os
import pickle
import zipfile
from functools import partial

import pytest
import skops.io
from helpers import FULL, LOGISTIC, spec, table, trained
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from skyulf.core.fingerprint import fingerprint
from skyulf.core.formats import RECORD, load_model, save_model
from skyulf.errors import Damaged


@pytest.fixture(scope="module")
def state():
    frame, facts = table()
    return trained(spec(FULL, LOGISTIC), frame=frame, facts=facts)


@pytest.fixture
def path(state, tmp_path):
    save_model(state, tmp_path / "model.skops")
    return tmp_path / "model.skops"


class Planted:
    def __reduce__(self):
        return (os.system, ("touch planted",))


class Custom(LogisticRegression):
    def __setstate__(self, state):
        raise AssertionError("ran")


def test_a_file_gives_back_what_was_saved(state, path):
    loaded = load_model(path)
    frame, _ = table()
    probe = frame.drop(columns="y")
    for name in ("spec", "classes", "metrics", "input_schema", "target_type", "fingerprint", "environment"):
        assert getattr(loaded, name) == getattr(state, name)
    assert fingerprint(loaded.pipeline, probe) == fingerprint(state.pipeline, probe)


def test_anyone_with_skops_can_read_the_pipeline(path, state):
    frame, _ = table()
    pipeline = skops.io.load(path, trusted=["numpy.dtype"])
    assert (pipeline.predict(frame) == state.pipeline.predict(frame)).all()


def planted(path, thing):
    """Put a thing where the pipeline is, as skops itself would save it."""
    with zipfile.ZipFile(path) as file:
        record = file.read(RECORD)
    skops.io.dump(thing, path)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(RECORD, record)


@pytest.mark.parametrize(
    ("thing", "named"),
    [
        (Pipeline([("f", FunctionTransformer(os.system)), ("model", LogisticRegression())]), "system"),
        (Pipeline([("f", FunctionTransformer(partial(print, 1)))]), "functools.partial"),
        (Pipeline([("model", Custom())]), "Custom"),
        ([Planted()], "Planted"),
        ({"m": "x".upper}, "upper"),
    ],
)
def test_what_no_model_consists_of_is_named_and_never_runs(path, thing, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planted(path, thing)
    with pytest.raises(Damaged, match=named):
        load_model(path)
    assert not (tmp_path / "planted").exists()


def rewritten(path, change, compression=zipfile.ZIP_STORED):
    """Write the members of a model file anew, its description changed."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)


@pytest.mark.parametrize("loader", ["ConstructorFromReduceNode", "FunctionNode", "MethodNode", "RandomStateNode"])
def test_a_loader_that_is_not_a_types_own_is_refused_even_for_a_known_type(path, loader):
    def change(members):
        schema = json.loads(members["schema.json"])
        schema["__loader__"] = loader
        members["schema.json"] = json.dumps(schema).encode()

    rewritten(path, change)
    with pytest.raises(Damaged):
        load_model(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda members: members.pop(RECORD),
        lambda members: members.pop("schema.json"),
        lambda members: members.update({RECORD: b"{}"}),
        lambda members: members.update({RECORD: b"[1"}),
        lambda members: members.update({"schema.json": b"[" * 100_000}),
        lambda members: [members.pop(name) for name in list(members) if name.endswith(".npy")][:0],
    ],
)
def test_files_with_parts_missing_or_broken(path, change):
    rewritten(path, change)
    with pytest.raises(Damaged):
        load_model(path)


def test_a_zip_bomb_is_not_unpacked(path):
    rewritten(path, lambda members: members.update(bomb=bytes(50_000_000)), zipfile.ZIP_DEFLATED)
    with pytest.raises(Damaged, match="unpacks"):
        load_model(path)


def test_other_files(path, state):
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], pickle.dumps(state.pipeline), b"PK\x03\x04" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(Damaged):
            load_model(path)


def test_flipped_bytes_never_do_more_than_fail(path):
    whole = path.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 150)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            load_model(path)
        except Damaged:
            continue


def test_saving_needs_no_pickle(path):
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as file:
        assert all(name.endswith((".json", ".npy")) for name in file.namelist())
