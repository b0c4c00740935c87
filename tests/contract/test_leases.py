"""What every Leases does: one holder at a time, for as long as he lives, whatever becomes of the database."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from psycopg import sql
from services.postgres import Databases, Postgres, dsn_with
from services.postgres_logs import PostgresLogs

from skyulf.adapters.leases import MemoryLeases
from skyulf.adapters.postgres import connect
from skyulf.adapters.postgres_leases import PostgresLeases
from skyulf.adapters.postgres_schema import migrate
from skyulf.adapters.read_store import SqlReadStore
from skyulf.errors import Damaged, Misconfigured
from skyulf.projections.job import JOBS
from skyulf.projections.past import history_of
from skyulf.reactions.leases import Leases, Work

SECONDS = 1.5
"""How long a lease outlives its holder here."""

JOB = Work("job-1", 1)
OTHER = Work("job-2", 1)

Opens = Callable[[], Leases]


@pytest.fixture(params=["memory", "postgres"])
def process(request: pytest.FixtureRequest) -> Iterator[Opens]:
    """Makes the leases of one more process."""
    with ExitStack() as stack:
        if request.param == "memory":
            table: dict[Work, MemoryLeases] = {}
            yield lambda: stack.enter_context(closing(MemoryLeases(table)))
        else:
            logs: PostgresLogs = request.getfixturevalue("postgres_logs")
            url = logs.url()
            yield lambda: stack.enter_context(closing(opened(url)))


def opened(url: str, seconds: float = SECONDS) -> PostgresLeases:
    opened.count += 1  # type: ignore[attr-defined]
    return PostgresLeases(url, f"process-{opened.count}", seconds)  # type: ignore[attr-defined]


opened.count = 0  # type: ignore[attr-defined]


def after(leases: Leases, *asked: Work) -> float:
    """The seconds after which all of these have lapsed."""
    begun = time.monotonic()
    while leases.lapsed(asked) != frozenset(asked):
        assert time.monotonic() - begun < 20 * SECONDS
        time.sleep(0.02)
    return time.monotonic() - begun


def watched(leases: Leases, seconds: float, *asked: Work) -> frozenset[Work]:
    """Which of these were ever seen to have lapsed, in so many seconds."""
    seen: frozenset[Work] = frozenset()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seen |= leases.lapsed(asked)
        time.sleep(0.02)
    return seen


def test_one_at_a_time_holds_a_lease(process: Opens) -> None:
    one, another = process(), process()
    assert one.take(JOB)
    assert one.take(JOB)
    assert not another.take(JOB)
    assert another.take(OTHER)
    assert another.take(Work(JOB.what, 2))
    one.release(JOB)
    assert another.take(JOB)


def test_nobody_gives_up_what_another_holds(process: Opens) -> None:
    one, another = process(), process()
    one.take(JOB)
    another.release(JOB)
    another.release(OTHER)
    assert not another.take(JOB)


def test_a_lease_is_kept_far_beyond_its_length_and_lapses_when_it_is_given_up(process: Opens) -> None:
    one, another = process(), process()
    one.take(JOB)
    assert watched(another, 1.4 * SECONDS, JOB) == frozenset()
    assert one.lapsed([JOB]) == frozenset()
    one.release(JOB)
    after(another, JOB)
    after(one, JOB)


def test_the_leases_of_a_process_that_is_gone_lapse_and_another_takes_them(process: Opens) -> None:
    one, another = process(), process()
    one.take(JOB)
    one.take(OTHER)
    another.take(Work("job-3", 1))
    one.close()
    assert after(another, JOB, OTHER) <= 6 * SECONDS
    assert another.take(JOB)
    assert watched(process(), SECONDS / 2, JOB, Work("job-3", 1)) == frozenset()


def test_what_nobody_ever_held_has_lapsed_and_nothing_else_is_told_of(process: Opens) -> None:
    one = process()
    one.take(JOB)
    after(one, OTHER)
    assert one.lapsed([JOB, OTHER]) == {OTHER}
    assert one.lapsed([]) == frozenset()


class TestOnPostgres:
    def test_a_lease_given_up_while_it_is_held_on_stays_given_up(self, postgres_logs: PostgresLogs) -> None:
        with closing(opened(postgres_logs.url())) as one:
            for number in range(200):
                work = Work("job-1", number)
                one.take(work)
                one._keep_on()
                one.release(work)
            assert after(one, *(Work("job-1", number) for number in range(200))) <= 6 * SECONDS

    @pytest.mark.parametrize("put_back", ["1 hour", "1 day"])
    def test_a_clock_that_is_put_back_holds_no_lease_for_long(self, postgres_logs: PostgresLogs, put_back: str) -> None:
        url = postgres_logs.url()
        with closing(opened(url)) as one, closing(opened(url)) as another:
            one.take(JOB)
            one.close()
            with connect(url) as connection:
                connection.execute("UPDATE skyulf_leases SET until = until + %s::interval", [put_back])
            after(another, JOB)
            assert another.take(JOB)

    def test_an_outage_takes_nobodys_lease_who_lives_and_raises_nothing(self) -> None:
        server = Postgres()
        server.start()
        try:
            with connect(server.dsn) as connection:
                migrate(connection)
            with closing(opened(server.dsn)) as one, closing(opened(server.dsn)) as another:
                assert one.take(JOB)
                assert another.lapsed([OTHER]) == frozenset(), "it is only just looked at"
                server.kill()
                assert watched(another, 1.5 * SECONDS, JOB, OTHER) == frozenset()
                assert not another.take(JOB)
                assert not another.take(OTHER)
                another.release(OTHER)
                server.start()
                assert watched(another, SECONDS, JOB) == frozenset()
                assert after(another, OTHER) <= 6 * SECONDS
                assert one.take(OTHER)
                one.close()
                after(another, JOB, OTHER)
        finally:
            server.stop()

    def test_rows_of_long_ago_are_removed(self, postgres_logs: PostgresLogs) -> None:
        url = postgres_logs.url()
        with closing(opened(url)) as one:
            one.take(JOB)
        with connect(url) as connection:
            connection.execute("UPDATE skyulf_leases SET until = until - interval '2 days'")
            opened(url).close()
            assert connection.execute("SELECT count(*) FROM skyulf_leases").fetchone() == (0,)


class TestTheRoleOfTheApplication:
    @pytest.fixture
    def role(self, postgres: Databases) -> Iterator[str]:
        name = "app_of_leases"
        with connect(postgres.dsn) as owner:
            owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'app'").format(sql.Identifier(name)))
        yield name
        for url in (postgres.dsn, self.url):
            with connect(url) as owner:
                owner.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
        with connect(postgres.dsn) as owner:
            owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))

    def test_it_holds_leases_once_the_migration_has_let_it(self, postgres: Databases, role: str) -> None:
        self.url = postgres.database()
        ours = dsn_with(self.url, user=role, password="app")
        with connect(self.url) as owner:
            migrate(owner)
            with pytest.raises(Misconfigured, match=r"lacks a right .* skyulf migrate --role"):
                opened(ours)
            migrate(owner, role)
        with closing(opened(ours)) as leases:
            assert leases.take(JOB)
            leases.release(JOB)

    def test_it_makes_read_models_its_own_that_a_server_of_the_owner_left(self, postgres: Databases, role: str) -> None:
        self.url = postgres.database()
        ours = dsn_with(self.url, user=role, password="app")
        with connect(self.url) as owner:
            migrate(owner, role)
        first = filled(self.url)
        with pytest.raises(Damaged, match=r"permission denied .* skyulf migrate --role"):
            SqlReadStore(ours)
        with connect(self.url) as owner:
            migrate(owner, role)
        second = filled(ours)
        assert (first, second) == (1, 1), "they are built anew, from the log"
        with connect(self.url) as owner:
            migrate(owner, role)
        assert filled(ours) == 2, "what is its own is left alone"


def filled(url: str) -> int:
    """Begin to build read models, as a server does; the number of the build."""
    with closing(SqlReadStore(url)) as store:
        history = store.create_build(history_of(JOBS))
        build = store.create_build(JOBS)
        assert history.number == build.number
        with store.transaction() as transaction:
            transaction.batch(JOBS, build.number).advance(7)
        return build.number
