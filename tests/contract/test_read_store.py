"""What every ReadStore does, whichever database holds it."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services.postgres import Databases
from sqlalchemy import inspect, update

from skyulf.adapters import postgres_engine
from skyulf.adapters.read_batch import SqlBatch
from skyulf.adapters.read_store import BUILDS, SqlReadStore
from skyulf.errors import Unavailable
from skyulf.projections.base import Projection, Row, by_stream
from skyulf.projections.store import (
    Build,
    BuildBatch,
    CheckpointMoved,
    NotBuilt,
    Parked,
    ParkedMessage,
    ReadStore,
    Selection,
)


class Thing(Row, frozen=True, kw_only=True):
    """A row with a column of each type, and something that is in no column."""

    name: str = ""
    rank: int = 0
    done: bool = False
    notes: list[str] = []


THINGS = Projection(
    name="things",
    version=1,
    row=Thing,
    folds=(),
    key=by_stream,
    fold=lambda row, event, recorded: row,
    columns={"name": "text", "rank": "integer", "done": "boolean"},
    indexes=(("rank",), ("done", "rank"), ("name",)),
)


@contextmanager
def batch_of(store: ReadStore, projection: Projection[Any], number: int) -> Iterator[BuildBatch]:
    """A transaction on one build."""
    with store.transaction() as transaction:
        yield transaction.batch(projection, number)


def fill(store: ReadStore, number: int, rows: dict[str, Thing | None], position: int | None = None) -> None:
    with batch_of(store, THINGS, number) as batch:
        batch.save(rows)
        if position is not None:
            batch.advance(position)


@pytest.fixture
def live(store: ReadStore) -> ReadStore:
    """A store with an empty live build, number 1."""
    store.create_build(THINGS)
    return store


class TestBuilds:
    def test_at_first_there_is_none(self, store: ReadStore) -> None:
        assert store.builds("things") == ()

    def test_the_first_is_live_at_once_and_the_next_is_not(self, store: ReadStore) -> None:
        assert store.create_build(THINGS) == Build("things", 1, 1, 0, live=True)
        assert store.create_build(replace(THINGS, version=2)) == Build("things", 2, 2, 0, live=False)
        assert [build.number for build in store.builds("things")] == [1, 2]

    def test_one_that_is_not_live_may_be_held_where_it_is(self, live: ReadStore) -> None:
        begun = live.create_build(THINGS)
        live.hold(begun, held=True)
        live.hold(begun, held=True)
        assert live.unfinished() == (replace(begun, held=True),)
        assert live.builds("things")[1].held
        live.hold(begun, held=False)
        assert live.unfinished() == (begun,)
        live.hold(begun, held=True)
        live.drop_build(THINGS, begun.number)
        assert live.create_build(THINGS).number == begun.number
        assert live.unfinished() == (begun,), "another build of the same number is not held"

    def test_a_build_keeps_what_it_leaves_out_until_it_is_gone(self, live: ReadStore) -> None:
        begun = live.create_build(THINGS)
        with batch_of(live, THINGS, begun.number) as batch:
            batch.skip({7: "b", 3: "a"})
            batch.skip({7: "b"})
            assert batch.skipped() == {3, 7}
        assert live.skipped(THINGS) == ()
        live.promote(THINGS, begun)
        assert live.skipped(THINGS) == (3, 7)
        live.promote(THINGS, live.create_build(THINGS))
        assert live.skipped(THINGS) == ()

    def test_builds_of_projections_are_apart(self, live: ReadStore) -> None:
        others = replace(THINGS, name="others")
        assert live.create_build(others).live
        fill(live, 1, {"a": Thing(rank=1)}, 5)
        assert live.get(others, ["a"]).rows == ()
        assert live.position(others) == 0

    def test_a_new_build_is_empty_though_its_number_was_used_before(self, live: ReadStore) -> None:
        given_up = live.create_build(THINGS)
        with batch_of(live, THINGS, given_up.number) as batch:
            batch.save({"a": Thing(rank=1)})
            batch.park([Parked(3, "a", "a", "ValueError", 1)])
            batch.advance(3)
        live.drop_build(THINGS, given_up.number)
        assert [build.number for build in live.builds("things")] == [1]
        fresh = live.create_build(THINGS)
        with batch_of(live, THINGS, fresh.number) as batch:
            assert (batch.position, batch.rows(["a"]), batch.parked()) == (0, {}, ())

    def test_dropping_what_another_has_dropped_is_no_matter(self, live: ReadStore) -> None:
        build = live.create_build(THINGS)
        live.drop_build(THINGS, build.number)
        live.drop_build(THINGS, build.number)
        assert len(live.builds("things")) == 1

    def test_a_batch_on_a_build_that_is_gone_tells_the_projector_to_look_again(self, live: ReadStore) -> None:
        with pytest.raises(CheckpointMoved), batch_of(live, THINGS, 7):
            pass


class TestPromoting:
    def test_the_live_one_is_left_until_the_other_has_caught_up(self, live: ReadStore) -> None:
        fill(live, 1, {"a": Thing(rank=1)}, 10)
        build = live.create_build(THINGS)
        fill(live, build.number, {"a": Thing(rank=2)}, 9)
        assert not live.promote(THINGS, build)
        assert live.get(THINGS, ["a"]).rows == (("a", Thing(rank=1)),)
        assert [b.live for b in live.builds("things")] == [True, False]
        fill(live, build.number, {}, 10)
        assert live.promote(THINGS, build)
        assert live.get(THINGS, ["a"]).rows == (("a", Thing(rank=2)),)

    def test_the_others_are_dropped_with_what_was_parked_in_them(self, live: ReadStore) -> None:
        with batch_of(live, THINGS, 1) as batch:
            batch.park([Parked(3, "a", "a", "ValueError", 1)])
        live.create_build(THINGS)
        build = live.create_build(THINGS)
        assert live.promote(THINGS, build)
        assert live.builds("things") == (replace(build, live=True),)
        assert live.parked(THINGS) == ()

    def test_another_version_is_read_by_its_own_code_alone_and_leaves_the_first_where_it_is(
        self, live: ReadStore
    ) -> None:
        newer = replace(THINGS, version=2, columns={"rank": "integer"}, indexes=(("rank",),))
        build = live.create_build(newer)
        fill(live, 1, {}, 4)
        with batch_of(live, newer, build.number) as batch:
            batch.save({"a": Thing(rank=2)})
            batch.advance(4)
        with pytest.raises(NotBuilt):
            live.get(newer, ["a"])
        assert live.get(THINGS, ["a"]).version == 1
        assert live.promote(newer, build)
        assert live.get(newer, ["a"]).rows == (("a", Thing(rank=2)),)
        found = live.get(THINGS, ["a"])
        assert (found.version, found.position, found.rows) == (1, 4, ())
        assert [(build.version, build.number) for build in live.live()] == [(1, 1), (2, build.number)]

    def test_another_version_need_not_wait_for_one_that_is_further(self, live: ReadStore) -> None:
        fill(live, 1, {}, 10)
        newer = replace(THINGS, version=2)
        assert live.promote(newer, live.create_build(newer))
        assert live.position(newer) == 0

    def test_one_that_is_gone_tells_the_projector_to_look_again(self, live: ReadStore) -> None:
        build = live.create_build(THINGS)
        live.drop_build(THINGS, build.number)
        with pytest.raises(CheckpointMoved):
            live.promote(THINGS, build)
        assert live.position(THINGS) == 0


class TestTransactions:
    """Several builds change in one transaction, all or none."""

    def test_rows_and_checkpoints_of_several_are_kept_together(self, live: ReadStore) -> None:
        other = replace(THINGS, name="others")
        live.create_build(other)
        with live.transaction() as transaction:
            for projection in (THINGS, other):
                batch = transaction.batch(projection, 1)
                batch.save({"a": Thing(name=projection.name)})
                batch.advance(7)
        assert [(build.projection, build.position) for build in live.live()] == [("others", 7), ("things", 7)]
        assert live.get(other, ["a"]).rows == (("a", Thing(name="others")),)

    def test_a_fault_loses_all_of_it(self, live: ReadStore) -> None:
        other = replace(THINGS, name="others")
        live.create_build(other)

        def torn() -> None:
            with live.transaction() as transaction:
                for projection in (THINGS, other):
                    batch = transaction.batch(projection, 1)
                    batch.save({"a": Thing()})
                    batch.advance(7)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            torn()
        assert {build.position for build in live.live()} == {0}
        assert live.get(THINGS, ["a"]).rows == ()
        assert live.get(other, ["a"]).rows == ()

    def test_live_builds_alone_are_told_as_live(self, live: ReadStore) -> None:
        live.create_build(THINGS)
        assert [(build.projection, build.number) for build in live.live()] == [("things", 1)]


class TestBatches:
    def test_rows_are_written_replaced_and_deleted(self, live: ReadStore) -> None:
        fill(live, 1, {"a": Thing(rank=1), "b": Thing(rank=2, notes=["x"])})
        fill(live, 1, {"a": None, "b": Thing(rank=3, notes=["x", "y"]), "c": Thing(), "never": None})
        found = live.get(THINGS, ["c", "a", "b"])
        assert found.rows == (("c", Thing()), ("b", Thing(rank=3, notes=["x", "y"])))
        assert live.select(THINGS, Selection("rank", {"rank": 2})).rows == ()

    def test_a_batch_reads_what_it_wrote(self, live: ReadStore) -> None:
        with batch_of(live, THINGS, 1) as batch:
            batch.save({"a": Thing(rank=1)})
            batch.park([Parked(1, "b", "b", None, 0)])
            assert batch.rows(["a", "b"]) == {"a": Thing(rank=1)}
            assert batch.parked() == (Parked(1, "b", "b", None, 0),)

    def test_a_fault_inside_loses_all_of_it(self, live: ReadStore) -> None:
        fill(live, 1, {"a": Thing(rank=1)}, 5)

        def break_off() -> None:
            with batch_of(live, THINGS, 1) as batch:
                batch.save({"a": Thing(rank=2), "b": Thing()})
                batch.park([Parked(6, "c", "c", "ValueError", 1)])
                batch.advance(6)
                raise RuntimeError("the process is killed")

        with pytest.raises(RuntimeError, match="killed"):
            break_off()
        assert live.get(THINGS, ["a", "b"]).rows == (("a", Thing(rank=1)),)
        assert live.position(THINGS) == 5
        assert live.parked(THINGS) == ()

    def test_rows_and_checkpoint_are_kept_together(self, live: ReadStore) -> None:
        fill(live, 1, {"a": Thing(rank=1)}, 5)
        found = live.get(THINGS, ["a"])
        assert (found.rows, found.position, found.version) == ((("a", Thing(rank=1)),), 5, 1)
        assert live.builds("things")[0].position == 5

    def test_nothing_written_is_nothing_changed(self, live: ReadStore) -> None:
        with batch_of(live, THINGS, 1) as batch:
            batch.save({})
            batch.unpark([])
            assert batch.rows([]) == {}
        assert live.position(THINGS) == 0

    def test_many_rows_at_once(self, live: ReadStore) -> None:
        rows: dict[str, Thing | None] = {f"{number:05d}": Thing(rank=number) for number in range(2_500)}
        fill(live, 1, rows)
        with batch_of(live, THINGS, 1) as batch:
            assert batch.rows(list(rows)) == rows

    def test_many_rows_at_once_of_which_some_are_there_whatever_they_hold(self, live: ReadStore) -> None:
        hard = ["", "\\", "\\N", "\t", "a\nb\r", '"quoted"', "é健\U0001f600", "a\x00b", "\\.", "{,}"]
        old: dict[str, Thing | None] = {f"{number:03d}": Thing(rank=-number) for number in range(0, 60, 7)}
        fill(live, 1, old)
        rows: dict[str, Thing | None] = {
            f"{number:03d}": Thing(
                name=hard[number % 10], rank=number, done=number % 2 == 0, notes=[hard[-number % 10]]
            )
            for number in range(60)
        }
        with batch_of(live, THINGS, 1) as batch:
            assert batch.rows(list(rows)) == old
            batch.save(rows)
            assert batch.rows(list(rows)) == rows
        assert dict(live.get(THINGS, list(rows)).rows) == rows
        for number, name in enumerate(hard):
            found = live.select(THINGS, Selection("rank", {"name": name, "done": number % 2 == 0})).rows
            assert [key for key, _ in found] == [f"{rank:03d}" for rank in range(number, 60, 10)]


def test_many_rows_are_all_there_or_none_where_the_connection_ends(postgres: Databases) -> None:
    url = postgres.schema()
    rows: dict[str, Thing | None] = {f"{number:04d}": Thing(rank=number) for number in range(500)}

    def cut_off(store: SqlReadStore) -> None:
        with batch_of(store, THINGS, 1) as batch, psycopg.connect(url, autocommit=True) as other:
            assert isinstance(batch, SqlBatch)
            assert batch.rows(list(rows)) == {}
            backend = batch._connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])
            batch.save(rows)

    with closing(SqlReadStore(url)) as store:
        store.create_build(THINGS)
        with pytest.raises(Unavailable):
            cut_off(store)
        assert store.get(THINGS, list(rows)).rows == ()
        fill(store, 1, rows, 5)
        assert dict(store.get(THINGS, list(rows)).rows) == rows


class TestParking:
    def test_what_is_parked_is_listed_in_order_of_position(self, live: ReadStore) -> None:
        later, first = Parked(20, "k", "thing-1", None, 0), Parked(7, "k", "thing-1", "ValueError", 1)
        with batch_of(live, THINGS, 1) as batch:
            batch.park([later, first])
        assert live.parked(THINGS) == (first, later)
        with batch_of(live, THINGS, 1) as batch:
            assert batch.parked() == (first, later)

    def test_parking_again_replaces_and_unparking_forgets(self, live: ReadStore) -> None:
        with batch_of(live, THINGS, 1) as batch:
            batch.park([Parked(7, "k", "s", "ValueError", 1), Parked(8, "k", "s", None, 0)])
        with batch_of(live, THINGS, 1) as batch:
            batch.park([Parked(7, "k", "s", "KeyError", 2)])
            batch.unpark([8, 99])
        assert live.parked(THINGS) == (Parked(7, "k", "s", "KeyError", 2),)

    def test_builds_park_apart(self, live: ReadStore) -> None:
        other = live.create_build(THINGS)
        with batch_of(live, THINGS, other.number) as batch:
            batch.park([Parked(7, "k", "s", "ValueError", 1)])
        assert live.parked(THINGS) == ()


class TestMessages:
    """What wakes a reaction and cannot be read."""

    FIRST = ParkedMessage("training", "offset 3", "it is of the future", datetime(2026, 3, 3, 12, tzinfo=UTC))

    def test_they_are_kept_by_feed_the_oldest_first(self, store: ReadStore) -> None:
        later = replace(self.FIRST, place="offset 1", since=self.FIRST.since + timedelta(microseconds=1))
        store.park_messages([later, self.FIRST, replace(self.FIRST, feed="other")], 10)
        assert store.parked_messages("training") == (self.FIRST, later)
        assert store.parked_messages("other") == (replace(self.FIRST, feed="other"),)
        assert store.forget_messages("training", ["offset 77"]) == 0
        assert store.forget_messages("training", [later.place]) == 1
        assert store.parked_messages("training") == (self.FIRST,)
        assert store.parked_messages("none") == ()

    def test_one_place_is_told_once_and_since_when_it_was_first(self, store: ReadStore) -> None:
        store.park_messages([self.FIRST], 10)
        store.park_messages([replace(self.FIRST, since=self.FIRST.since + timedelta(hours=1))], 10)
        assert store.parked_messages("training") == (self.FIRST,)

    def test_the_newest_are_kept_of_too_many(self, store: ReadStore) -> None:
        many = [
            replace(self.FIRST, place=str(number), since=self.FIRST.since + timedelta(seconds=number))
            for number in range(7)
        ]
        store.park_messages(many[:4], 3)
        store.park_messages(many[4:], 3)
        assert store.parked_messages("training") == tuple(many[4:])

    def test_forgetting_leaves_other_feeds(self, store: ReadStore) -> None:
        store.park_messages([self.FIRST, replace(self.FIRST, feed="other")], 10)
        assert store.forget_messages("training") == 1
        assert store.forget_messages("training") == 0
        assert store.parked_messages("training") == ()
        assert len(store.parked_messages("other")) == 1


@pytest.mark.parametrize("ask", ["position", "parked", "get", "select"])
@pytest.mark.parametrize("built", [None, 2])
def test_without_a_live_build_of_this_version_readers_are_told(store: ReadStore, ask: str, built: int | None) -> None:
    if built is not None:
        store.create_build(replace(THINGS, version=built))
    with pytest.raises(NotBuilt):
        {
            "position": lambda: store.position(THINGS),
            "parked": lambda: store.parked(THINGS),
            "get": lambda: store.get(THINGS, ["a"]),
            "select": lambda: store.select(THINGS, Selection("rank", {})),
        }[ask]()


class TestSelecting:
    @pytest.fixture
    def three(self, live: ReadStore) -> ReadStore:
        rows: dict[str, Thing | None] = {
            "a": Thing(name="x", rank=3, done=True),
            "b": Thing(name="y", rank=1),
            "c": Thing(name="x", rank=2),
        }
        fill(live, 1, rows, 9)
        return live

    @pytest.mark.parametrize(
        ("filters", "keys"),
        [
            ({}, "bca"),
            ({"name": "x"}, "ca"),
            ({"done": True}, "a"),
            ({"done": False}, "bc"),
            ({"rank": 2}, "c"),
            ({"name": "x", "done": False}, "c"),
            ({"name": "x' OR '1'='1"}, ""),
        ],
    )
    def test_filters_and_both_orders(self, three: ReadStore, filters: dict[str, Any], keys: str) -> None:
        up = three.select(THINGS, Selection("rank", filters))
        down = three.select(THINGS, Selection("rank", filters, descending=True))
        assert [key for key, _ in up.rows] == list(keys)
        assert [key for key, _ in down.rows] == list(keys)[::-1]
        assert (up.position, up.version) == (9, 1)

    def test_rows_are_counted_as_far_as_one_wants(self, three: ReadStore) -> None:
        assert [three.count(THINGS, {}, most) for most in (1, 3, 10)] == [1, 3, 3]
        assert three.count(THINGS, {"done": True}, 10) + three.count(THINGS, {"done": False}, 10) == 3
        assert three.count(THINGS, {"name": "nobody"}, 10) == 0

    def test_the_shares_of_a_column_add_up_to_all(self, three: ReadStore) -> None:
        shares = three.shares(THINGS, "done")
        assert shares == {value: three.count(THINGS, {"done": value}, 10) for value in (True, False)}
        assert sum(shares.values()) == 3

    def test_a_page_is_no_longer_than_its_limit(self, three: ReadStore) -> None:
        assert [key for key, _ in three.select(THINGS, Selection("rank", {}, limit=2)).rows] == ["b", "c"]

    def test_a_page_goes_on_after_a_row_that_was_deleted_meanwhile(self, three: ReadStore) -> None:
        fill(three, 1, {"c": None})
        page = three.select(THINGS, Selection("rank", {}, after=(2, "c")))
        assert [key for key, _ in page.rows] == ["a"]


KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=4)
ROWS = st.dictionaries(
    KEYS,
    st.builds(Thing, name=st.sampled_from(["", "a", "A", "é", "健", "~"]), rank=st.integers(-2, 2), done=st.booleans()),
)


@given(
    rows=ROWS,
    limit=st.integers(1, 4),
    order=st.sampled_from(["rank", "name"]),
    descending=st.booleans(),
    filters=st.sampled_from([{}, {"done": True}, {"name": "a"}, {"rank": 0, "done": False}]),
)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_over_ties_skip_and_repeat_nothing(
    open_store: Callable[[], ReadStore],
    rows: dict[str, Thing],
    limit: int,
    order: str,
    descending: bool,
    filters: dict[str, Any],
) -> None:
    with closing(open_store()) as store:
        store.create_build(THINGS)
        fill(store, 1, dict(rows))
        seen: list[tuple[str, Thing]] = []
        after = None
        while page := store.select(THINGS, Selection(order, filters, descending, limit, after)).rows:
            assert len(page) <= limit
            seen += [(key, msgspec.json.decode(text, type=Thing)) for key, text in page]
            assert len(seen) <= len(rows)
            key, row = seen[-1]
            after = (getattr(row, order), key)
        wanted = [item for item in rows.items() if all(getattr(item[1], column) == v for column, v in filters.items())]
        assert seen == sorted(wanted, key=lambda item: (getattr(item[1], order), item[0]), reverse=descending)


def test_batches_of_two_projectors_follow_one_another(twins: list[ReadStore]) -> None:
    """What a batch reads stays true until it ends: else one of them would undo what the other counted."""
    twins[0].create_build(THINGS)
    each = 60
    start = threading.Barrier(2)

    def count(store: ReadStore) -> None:
        start.wait()
        for _ in range(each):
            with batch_of(store, THINGS, 1) as batch:
                row = batch.rows(["counter"]).get("counter", Thing())
                assert isinstance(row, Thing)
                assert row.rank == batch.position
                batch.save({"counter": Thing(rank=row.rank + 1)})
                batch.advance(batch.position + 1)

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(count, store) for store in twins]:
            future.result()
    for store in twins:
        found = store.get(THINGS, ["counter"])
        assert (found.rows, found.position) == ((("counter", Thing(rank=2 * each)),), 2 * each)


def test_readers_see_the_pointer_and_the_rows_of_one_moment(twins: list[ReadStore]) -> None:
    """While builds are filled, moved on and replaced, a reader never sees rows of two positions."""
    writer, reader = twins
    keys = [f"k{number}" for number in range(20)]
    writer.create_build(THINGS)
    fill(writer, 1, {key: Thing(rank=1) for key in keys}, 1)
    done = threading.Event()

    def write() -> None:
        try:
            for position in range(2, 60):
                live = next(build for build in writer.builds("things") if build.live)
                build = writer.create_build(THINGS) if position % 3 == 0 else live
                fill(writer, build.number, {key: Thing(rank=position) for key in keys}, position)
                assert build.live or writer.promote(THINGS, build)
        finally:
            done.set()

    def read() -> int:
        looks = 0
        while not done.is_set():
            found = reader.get(THINGS, keys)
            listed = reader.select(THINGS, Selection("rank", {}))
            rows = [msgspec.json.decode(text, type=Thing) for _, text in listed.rows]
            for seen, position in (([row for _, row in found.rows], found.position), (rows, listed.position)):
                assert len(seen) == len(keys)
                assert {row.rank for row in seen} == {position}
            looks += 1
        return looks

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        pool.submit(write).result()
        assert all(future.result() > 0 for future in readers)
    assert reader.position(THINGS) == 59


def test_a_store_of_its_own_leads(store: ReadStore) -> None:
    assert store.leads([THINGS]) == {"things"}
    assert store.leads([THINGS]) == {"things"}


class TestLeading:
    """Two processes on one Postgres: one projects, the other stands by."""

    @pytest.fixture
    def url(self, postgres: Databases, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setattr(postgres_engine, "LOOK", 0.0)
        return postgres.schema()

    def test_one_leads_and_the_other_does_once_the_first_is_gone(self, url: str) -> None:
        with closing(SqlReadStore(url)) as first, closing(SqlReadStore(url)) as second:
            assert first.leads([THINGS])
            assert not second.leads([THINGS])
            assert first.leads([THINGS])
            first.resign()
            assert second.leads([THINGS])
            assert not first.leads([THINGS])
            second.close()
            assert taken_over(first)

    def test_one_whose_connection_has_ended_no_longer_leads_once_another_does(self, url: str) -> None:
        with closing(SqlReadStore(url)) as first, closing(SqlReadStore(url)) as second:
            assert first.leads([THINGS])
            assert isinstance(first._lead, postgres_engine.PostgresLead)
            holder = first._lead._connection
            assert holder is not None
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("SELECT pg_terminate_backend(%s, 10000)", [holder.info.backend_pid])
            assert taken_over(second)
            assert not first.leads([THINGS])
            assert not first.leads([THINGS])
            second.close()
            assert taken_over(first)

    def test_other_code_leads_what_is_its_own_and_the_rest_once_nobody_has_it(self, url: str) -> None:
        others = replace(THINGS, name="others")
        newer = [replace(THINGS, version=2), others]
        with (
            closing(SqlReadStore(url)) as first,
            closing(SqlReadStore(url)) as second,
            closing(SqlReadStore(url)) as third,
        ):
            assert first.leads([THINGS, others]) == {"things", "others"}
            assert second.leads(newer) == {"things"}
            assert third.leads(newer) == set(), "of the same code one works"
            first.resign()
            assert second.leads(newer) == {"things", "others"}
            assert first.leads([THINGS, others]) == {"things"}
            second.resign()
            assert third.leads(newer) == {"things", "others"}

    def test_schemas_of_one_database_are_apart(self, url: str, postgres: Databases) -> None:
        with closing(SqlReadStore(url)) as first, closing(SqlReadStore(postgres.schema())) as other:
            assert first.leads([THINGS])
            assert other.leads([THINGS])


def taken_over(store: SqlReadStore) -> bool:
    """Whether the store leads before long."""
    deadline = time.monotonic() + 5
    while not store.leads([THINGS]):
        if time.monotonic() > deadline:
            return False
    return True


class TestSql:
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'views.db'}"

    def test_a_checkpoint_that_another_has_moved_is_left_and_nothing_is_written(self, url: str) -> None:
        """On SQLite the lock keeps others out, so the other's move is made on the batch's own connection."""
        with closing(SqlReadStore(url)) as store:
            store.create_build(THINGS)

            def be_late() -> None:
                with batch_of(store, THINGS, 1) as batch:
                    assert isinstance(batch, SqlBatch)
                    batch.save({"a": Thing(rank=1)})
                    batch._connection.execute(update(BUILDS).values(position=3))
                    batch.advance(2)

            with pytest.raises(CheckpointMoved):
                be_late()
            assert store.get(THINGS, ["a"]).rows == ()
            assert store.position(THINGS) == 0

    def test_everything_is_there_when_the_database_is_opened_again(self, url: str) -> None:
        parked = Parked(2, "b", "b", "ValueError", 1)
        with closing(SqlReadStore(url)) as store:
            store.create_build(THINGS)
            with batch_of(store, THINGS, 1) as batch:
                batch.save({"a": Thing(rank=1)})
                batch.park([parked])
                batch.advance(2)
        with closing(SqlReadStore(url)) as store:
            found = store.get(THINGS, ["a"])
            assert (found.rows, found.position) == ((("a", Thing(rank=1)),), 2)
            assert store.parked(THINGS) == (parked,)

    def test_tables_of_builds_that_were_replaced_are_gone(self, url: str) -> None:
        with closing(SqlReadStore(url)) as store:
            store.create_build(THINGS)
            store.promote(THINGS, store.create_build(THINGS))
            tables = inspect(store._reader.engine).get_table_names()
            kept = {"skyulf_builds", "skyulf_held", "skyulf_parked", "skyulf_parked_messages", "skyulf_skipped"}
            assert set(tables) == {*kept, "things_2"}

    def test_every_list_is_read_from_an_index(self, url: str) -> None:
        with closing(SqlReadStore(url)) as store:
            store.create_build(THINGS)
            with store._reader.begin() as connection:
                for where, order in [("", "rank"), ("WHERE done = 1", "rank"), ("", "name")]:
                    plan = connection.exec_driver_sql(
                        f"EXPLAIN QUERY PLAN SELECT key, row FROM things_1 {where} ORDER BY {order}, key LIMIT 5"
                    ).all()
                    assert all("USING INDEX" in row.detail for row in plan), plan
