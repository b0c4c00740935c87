"""One server owns a data directory, and gives it up in order."""

from pathlib import Path

from system import System, eventually, forest, kinds, rebuilt_rows, stored_rows


def test_a_second_server_is_told_of_the_first_which_is_unharmed(tmp_path: Path) -> None:
    with System(tmp_path) as system:
        first = system.start().server
        dataset = system.serve()
        system.settled()
        before = system.predict().json()
        events = system.events()

        second = system.spawn()
        assert second.process.wait(60) != 0
        told = second.said() + second.told()
        assert str(system.data_dir) in told.replace("\n", "")
        assert str(first.pid) in told
        assert "Traceback" not in told
        assert eventually(lambda: not second.processes())

        system.adopt(first)
        assert first.alive
        assert system.events() == events
        assert system.predict().json() == before
        system.trained(dataset)


def test_a_server_that_is_stopped_hands_its_job_back_and_the_next_one_trains_it(tmp_path: Path) -> None:
    with System(tmp_path) as system:
        system.start()
        dataset = system.upload()
        job = system.submit(dataset, forest(500))
        queued = system.submit(dataset)
        system.begun(job)
        assert system.server.stop() == 0
        assert "Traceback" not in system.server.said()
        assert stored_rows(system.data_dir).keys() == rebuilt_rows(system.data_dir).keys()

        system.start()
        before = system.stream(job)
        assert kinds(before)[1] == "JobStarted"
        assert system.wait(job)["status"] == "succeeded"
        assert system.wait(queued)["status"] == "succeeded"
        happened = system.stream(job)
        reclaimed = next(event for event in happened if event["type"] == "skyulf.JobReclaimed")
        assert reclaimed["data"]["cause"] == "handed_back"
        assert kinds(happened).count("ModelTrained") == 1
        assert system.job(job)["attempt"] == 2


def test_a_server_stops_in_order_while_it_starts_and_while_it_is_followed(tmp_path: Path) -> None:
    with System(tmp_path) as system:
        system.start()
        assert system.server.stop() == 0  # its sandbox is still warming
        events = len(system.start().events())
        system.upload()
        with system.follow() as lines:
            assert next(lines)
            assert system.server.stop() == 0
        system.start()
        assert len(system.events()) > events
