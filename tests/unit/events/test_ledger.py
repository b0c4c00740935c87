"""The tree over the log, held against RFC 6962's reference values and another implementation of it."""

import json
import random
from datetime import UTC, datetime

import pytest
from builders import NOW, full_metadata, metadata, named, record
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree, verify_consistency, verify_inclusion

from skyulf.events.base import Recorded
from skyulf.events.ledger import (
    EMPTY,
    WIDTH,
    GrowingTree,
    MemoryTiles,
    canonical,
    consistency_proof,
    extends,
    hashes_in,
    includes,
    inclusion_proof,
    leaf_at,
    leaf_hash,
    leaf_of,
    root_at,
    root_over,
    tile_path,
)

REFERENCE = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
"""The leaves with which implementations of Certificate Transparency are checked."""

ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
"""Their roots by size."""

SIZE = 700


@pytest.fixture(scope="module")
def other() -> InmemoryTree:
    """The same tree by another implementation."""
    tree = InmemoryTree(algorithm="sha256")
    for number in range(SIZE):
        tree.append_entry(b"event %d" % number)
    return tree


@pytest.fixture(scope="module")
def tiles() -> MemoryTiles:
    """The tiles of a tree that was taken up again and again where it had ended."""
    tiles = MemoryTiles()
    tree = GrowingTree(tiles)
    for number in range(SIZE):
        tree.add(leaf_hash(b"event %d" % number))
        if number % 97 == 0:
            tiles.put(tree.changed())
            tree = GrowingTree(tiles, tree.size)
    tiles.put(tree.changed())
    return tiles


def test_the_roots_are_those_of_the_reference() -> None:
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in REFERENCE]
    assert {size: root_over(leaves[:size]).hex() for size in ROOTS} == ROOTS
    assert root_over([]) == EMPTY == GrowingTree(MemoryTiles()).root()


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 512, 513, SIZE])
def test_roots_of_every_kind_of_size_are_those_of_another_implementation(
    size: int, tiles: MemoryTiles, other: InmemoryTree
) -> None:
    assert root_at(tiles, size) == other.get_root(size)


def test_a_tree_that_has_just_grown_knows_its_root(other: InmemoryTree) -> None:
    tree = GrowingTree(MemoryTiles())
    for size in range(1, SIZE + 1):
        tree.add(leaf_hash(b"event %d" % (size - 1)))
        assert tree.root() == other.get_root(size)


@given(data=st.data())
def test_another_implementation_takes_our_proofs_of_inclusion_and_has_the_same(
    data: st.DataObject, tiles: MemoryTiles, other: InmemoryTree
) -> None:
    size = data.draw(st.integers(1, SIZE))
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(tiles, index, size)
    root, leaf = root_at(tiles, size), leaf_at(tiles, index)
    assert includes(root, size, leaf, index, path)
    theirs = other.prove_inclusion(index + 1, size)
    assert [bytes.fromhex(each) for each in theirs.serialize()["path"]][1:] == path
    verify_inclusion(leaf, root, theirs)
    assert not includes(root, size, leaf_hash(b"another event"), index, path)
    assert not includes(leaf_hash(b"another root"), size, leaf, index, path)
    assert not includes(root, size, leaf, size, path)
    assert not includes(root, size, leaf, index, [*path, leaf])
    for at in range(len(path)):
        wrong = [*path[:at], leaf_hash(path[at]), *path[at + 1 :]]
        assert not includes(root, size, leaf, index, wrong)
        assert not includes(root, size, leaf, index, path[:at])


@given(data=st.data())
def test_another_implementation_takes_our_proofs_of_growth(
    data: st.DataObject, tiles: MemoryTiles, other: InmemoryTree
) -> None:
    later = data.draw(st.integers(1, SIZE))
    size = data.draw(st.integers(1, later))
    path = consistency_proof(tiles, size, later)
    root, later_root = root_at(tiles, size), root_at(tiles, later)
    assert extends(size, root, later, later_root, path)
    verify_consistency(other.get_root(size), other.get_root(later), other.prove_consistency(size, later))
    assert other.get_root(size) == root
    assert not extends(size, leaf_hash(b"another past"), later, later_root, path)
    assert not extends(size, root, later, leaf_hash(b"another present"), path)
    assert not extends(size, root, later, later_root, [*path, root])
    assert not extends(0, root, later, later_root, path)
    assert not extends(later + 1, root, later, later_root, path)
    for at in range(len(path)):
        assert not extends(size, root, later, later_root, path[:at])
        assert not extends(size, root, later, later_root, [*path[:at], leaf_hash(path[at]), *path[at + 1 :]])


def test_tiles_are_cut_and_named_as_the_specification_says(tiles: MemoryTiles) -> None:
    widths = {key: len(hashes_in(tiles.tile(*key))) for key in tiles}
    assert widths == {(0, 0): WIDTH, (0, 1): WIDTH, (0, 2): SIZE - 2 * WIDTH, (1, 0): 2}
    assert hashes_in(tiles.tile(1, 0)) == [root_over(hashes_in(tiles.tile(0, number))) for number in (0, 1)]
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(1, 0, 2) == "tile/1/000.p/2"
    assert tile_path(0, 1000) == "tile/0/x001/000"


# What a leaf is


def independently(recorded: Recorded) -> bytes:
    """The bytes of a leaf, as docs/audit.md says that any program can make them."""
    metadata = recorded.metadata
    time = metadata.recorded_at.astimezone(UTC)
    fraction = f".{time.microsecond:06d}" if time.microsecond else ""
    members: list[tuple[str, str | int | None]] = [
        ("specversion", "1.0"),
        ("id", recorded.id),
        ("source", "skyulf"),
        ("type", f"skyulf.{recorded.type}"),
        ("subject", recorded.stream),
        ("time", f"{time:%Y-%m-%dT%H:%M:%S}{fraction}Z"),
        ("datacontenttype", "application/json"),
        ("dataschema", f"urn:skyulf:event:{recorded.type}@{recorded.schema}"),
        ("position", recorded.position),
        ("streamversion", recorded.version),
        ("actor", metadata.actor.id),
        ("actorkind", metadata.actor.kind),
        ("correlationid", metadata.correlation_id),
        ("causationid", metadata.causation_id),
        ("commandid", metadata.command_id),
        ("commandprint", metadata.fingerprint),
        ("ordinal", recorded.ordinal),
        ("reason", metadata.reason),
        ("traceparent", metadata.traceparent),
    ]
    given = [(name, json.dumps(value, ensure_ascii=False)) for name, value in members if value is not None]
    return ("{" + "".join(f'"{name}":{value},' for name, value in given) + '"data":').encode() + recorded.data + b"}"


@pytest.mark.parametrize(
    "recorded",
    [
        record(named()),
        record(named("näme \x1f\x7f\\ \" / \u2028 健 🪻"), 2**40, "pipeline-x", 7, metadata=full_metadata()),
        record(named(), data=b'{"a":1e-05,"b":1.0,"a":"\\u00e9"}', schema=3, ordinal=12),
        record(named(), metadata=metadata(recorded_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))),
        record(named(), metadata=metadata(recorded_at=NOW.replace(microsecond=60), reason="\b\f\n\r\t")),
    ],
    ids=["plain", "every member", "data as it is", "whole seconds", "escapes"],
)  # fmt: skip
def test_a_leaf_is_what_the_documentation_says(recorded: Recorded) -> None:
    assert canonical(recorded) == independently(recorded)
    assert leaf_of(recorded) == leaf_hash(independently(recorded))


def test_the_leaf_of_an_event_is_the_same_for_ever() -> None:
    """Whoever changes this breaks every ledger that there is."""
    recorded = record(named("a"), 5, "pipeline-1", 1, metadata=full_metadata("command-9"))
    assert leaf_of(recorded).hex() == "7ac0616b4d02d63f7dee53c06107166400d4d270b0481e7e37b76cc7681303f9"


def test_proofs_hold_in_trees_of_random_sizes() -> None:
    dice = random.Random(1)
    for _ in range(3):
        size = dice.randint(1, 70_000)
        tiles = MemoryTiles()
        tree = GrowingTree(tiles)
        for number in range(size):
            tree.add(number.to_bytes(32, "big"))
        tiles.put(tree.changed())
        index, earlier = dice.randrange(size), dice.randint(1, size)
        assert includes(tree.root(), size, index.to_bytes(32, "big"), index, inclusion_proof(tiles, index, size))
        path = consistency_proof(tiles, earlier, size)
        assert extends(earlier, root_at(tiles, earlier), size, tree.root(), path)
