"""The command line with real processes: alone, beside a running server, and when things go wrong."""

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from command_line import PENGUINS, SKYULF, answered, clean_environment, skyulf
from system import System, eventually

from skyulf.projections import ALL

SLOW_SPEC = {
    "steps": [{"node": "drop_columns", "columns": ["island", "sex"]}, {"node": "impute", "columns": "numeric"}],
    "model": {"node": "random_forest", "params": {"n_estimators": 10_000}},
}
"""A pipeline for the penguins that takes many seconds."""


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Iterator[System]:
    """A system with a trained model that may be changed; no server runs on it yet."""
    with System(tmp_path / "copied") as system:
        shutil.copytree(trained, system.data_dir)
        yield system


@pytest.fixture
def exported(trained: Path, tmp_path: Path) -> Path:
    file = tmp_path / "events.jsonl"
    answered("events", "export", file, "--with-artifacts", "--data-dir", trained)
    return file


# serve


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_with_0_and_leaves_no_process(served: System, number: int) -> None:
    server = served.server
    eventually(server.children)
    begun = time.monotonic()
    server.process.send_signal(number)
    assert server.process.wait(30) == 0
    assert time.monotonic() - begun < 10
    eventually(lambda: not server.processes())
    assert "Traceback" not in server.said()


def test_a_server_with_a_live_feed_ends_in_time(served: System) -> None:
    server = served.server
    eventually(server.children)
    feed = httpx.stream("GET", f"{server.url}/v1/events", headers={"Accept": "text/event-stream"}, timeout=60)
    with feed as response:
        assert response.status_code == 200
        next(response.iter_lines())
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert time.monotonic() - begun < 10


def test_two_signals_are_as_good_as_one(served: System) -> None:
    server = served.server
    server.process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    assert server.stop(60) == 0


def test_a_second_server_is_told_where_the_first_one_answers(served: System) -> None:
    second = skyulf("serve", "--port", "0", "--data-dir", served.data_dir)
    assert second.returncode == 2
    assert f"served at {served.server.url} by process {served.server.pid} already" in second.stderr
    assert second.stdout == ""


def test_a_port_in_use_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = skyulf("serve", "--port", port, "--data-dir", tmp_path)
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 is in use" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_only_this_machine_is_served_while_there_are_no_keys(host: str, tmp_path: Path) -> None:
    done = skyulf("serve", "--host", host, "--port", "0", "--data-dir", tmp_path / "data")
    assert done.returncode == 2
    assert "SKYULF_HOST" in done.stderr
    assert "skyulf keys issue" in done.stderr
    assert not (tmp_path / "data").exists()


def test_with_keys_other_machines_may_be_served(tmp_path: Path) -> None:
    data = tmp_path / "data"
    issued = skyulf("keys", "issue", "Ann", "--role", "admin", "--data-dir", data, "--json")
    key = json.loads(issued.stdout)
    done = skyulf("serve", "--host", "192.0.2.1", "--port", "0", "--data-dir", data)  # no address of this machine
    assert "192.0.2.1 cannot be listened on" in done.stderr
    listed = skyulf("keys", "list", "--data-dir", data, "--json")
    assert [item["id"] for item in json.loads(listed.stdout)["items"]] == [key["id"]]
    assert key["key"].startswith("sk_")
    assert key["key"].rpartition(".")[2] not in listed.stdout


def test_a_directory_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for data_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        done = skyulf("serve", "--port", "0", "--data-dir", data_dir)
        assert done.returncode == 2
        assert "SKYULF_DATA_DIR" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    done = skyulf("serve", "--data-dir", tmp_path, SKYULF_WORKER_SLOTS="none")
    assert done.returncode == 2
    assert "SKYULF_WORKER_SLOTS" in done.stderr


# train and predict


def test_a_file_becomes_a_deployed_model_without_a_server(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    before = set(psutil.Process().children(recursive=True))
    done = skyulf("train", PENGUINS, "--target", "species", "--data-dir", data_dir)
    assert done.returncode == 0, done.stderr
    for words in ("classification", "guessed", "accuracy", "hist_gradient_boosting", "chosen", "penguins version 1"):
        assert words in done.stdout
    assert "being the first version" in done.stdout
    assert "skyulf predict penguins FILE.csv" in done.stdout

    shown = skyulf("predict", "penguins", PENGUINS, "--data-dir", data_dir)
    assert shown.returncode == 0, shown.stderr
    assert "344 rows" in shown.stdout
    assert "Adelie" in shown.stdout

    output = tmp_path / "predicted.csv"
    answered("predict", "penguins", PENGUINS, "--output", output, "--data-dir", data_dir)
    with output.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 344
    assert sum(row["species"] == row["prediction"] for row in rows) > 330
    assert set(psutil.Process().children(recursive=True)) <= before, "nothing is left behind"


def test_a_running_server_does_the_work(served: System) -> None:
    first = answered("train", PENGUINS, "--target", "body_mass_g", "--name", "mass", "--data-dir", served.data_dir)
    assert first["job"]["status"] == "succeeded"
    assert first["job"]["spec"]["task"] == "regression"
    assert first["deployment"]["model_version"] == 1
    assert served.job(first["job"]["id"])["model_name"] == "mass"

    second = answered("train", PENGUINS, "--target", "body_mass_g", "--name", "mass", "--data-dir", served.data_dir)
    assert (second["job"]["model_version"], second["deployment"]) == (2, None)
    third = answered(
        "train", PENGUINS, "--target", "body_mass_g", "--name", "mass", "--deploy", "--data-dir", served.data_dir
    )
    assert third["deployment"]["model_version"] == 3
    predicted = answered("predict", "mass", PENGUINS, "--data-dir", served.data_dir)
    assert (predicted["model_version"], len(predicted["predictions"])) == (3, 344)


def test_the_first_version_is_not_deployed_when_told_so(served: System) -> None:
    done = answered("train", PENGUINS, "--target", "sex", "--no-deploy", "--data-dir", served.data_dir)
    assert done["deployment"] is None
    refused = skyulf("predict", "penguins", PENGUINS, "--data-dir", served.data_dir, "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["status"] == 404


def test_what_the_system_refuses_is_told_by_place(trained: Path, tmp_path: Path) -> None:
    wrong = skyulf("train", PENGUINS, "--target", "nothing", "--data-dir", tmp_path / "data")
    assert wrong.returncode == 1
    assert "nothing is not among species" in wrong.stderr

    rows = tmp_path / "rows.csv"
    header = "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,year"
    rows.write_text(f"{header}\nDream,40,18,190,3800,male,2008\nDream,long,18,190,3800,male,2008\n")
    refused = skyulf("predict", "penguins", rows, "--data-dir", trained)
    assert refused.returncode == 1
    assert "row 2, column bill_length_mm: expected a number, got text" in refused.stderr
    problem = json.loads(skyulf("predict", "penguins", rows, "--data-dir", trained, "--json").stdout)
    assert problem["errors"] == [{"place": "row 2, column bill_length_mm", "message": "expected a number, got text"}]


def test_a_column_of_numbers_with_a_word_in_it_is_told_of_and_can_be_read_as_asked(tmp_path: Path) -> None:
    file, data_dir = tmp_path / "people.csv", tmp_path / "data"
    rows = [f"{age},{age % 7},{'old' if age > 30 else 'young'}" for age in range(60)]
    file.write_text("\n".join(["age,size,y", *rows, "unsaid,1,old"]) + "\n")
    spec = tmp_path / "quick.json"
    model = {"node": "logistic_regression"}
    spec.write_text(json.dumps({"steps": [{"node": "drop_columns", "columns": ["age"]}], "model": model}))
    asked = ("train", file, "--target", "y", "--spec", spec, "--data-dir", data_dir, "--no-deploy")
    plain = skyulf(*asked)
    assert plain.returncode == 0, plain.stderr
    assert "1 of 61 cells is no number" in " ".join(plain.stdout.split())
    assert "--type COLUMN=number --unfit missing" in plain.stdout
    dataset = answered(*asked, "--type", "age=number", "--unfit", "missing")["dataset"]
    assert dataset["columns"][0]["type"] == "number"
    assert (dataset["columns"][0]["nulls"], dataset["columns"][0]["unfit"]) == (1, 1)


def test_missing_cells_and_unseen_categories_are_predicted(trained: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    whole = {"island": "Atlantis", "bill_length_mm": 40, "bill_depth_mm": None, "flipper_length_mm": 190}
    rows.write_text(json.dumps({**whole, "body_mass_g": None, "sex": None, "year": 2010}) + "\n")
    predicted = answered("predict", "penguins", rows, "--data-dir", trained)
    assert predicted["predictions"][0] in ("Adelie", "Chinstrap", "Gentoo")


def test_a_failed_job_is_a_problem(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(SLOW_SPEC))
    done = skyulf(
        "train",
        PENGUINS,
        "--target",
        "species",
        "--spec",
        spec,
        "--json",
        "--data-dir",
        tmp_path / "data",
        SKYULF_JOB_SECONDS="1",
    )
    assert done.returncode == 1, done.stdout
    problem = json.loads(done.stdout)
    assert problem["type"] == "urn:skyulf:problem:time-limit"
    assert "limit of 1 s" in problem["detail"]


def test_an_interrupt_cancels_the_job(served: System, tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(SLOW_SPEC))
    command = [*SKYULF, "train", PENGUINS, "--target", "species", "--spec", spec, "--data-dir", served.data_dir]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment()
    ) as training:
        eventually(lambda: served.get("/v1/jobs", status="running")["items"])
        training.send_signal(signal.SIGINT)
        _, told = training.communicate(timeout=60)
    assert training.returncode == 130
    assert "cancelling the job" in told
    assert "Traceback" not in told
    (job,) = served.get("/v1/jobs")["items"]
    assert job["status"] == "cancelled"
    (asked,) = (event for event in served.stream(job["id"]) if event["type"] == "skyulf.JobCancelRequested")
    assert asked["reason"] == "interrupted at the command line"


def test_an_interrupt_without_a_server_leaves_a_cancelled_job_and_no_process(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(SLOW_SPEC))
    data_dir = tmp_path / "data"
    command = [*SKYULF, "train", PENGUINS, "--target", "species", "--spec", spec, "--data-dir", data_dir]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(),
        start_new_session=True,
    ) as training:  # fmt: skip
        started = ("events", "tail", "--no-follow", "--type", "JobStarted", "--data-dir", data_dir)
        eventually(lambda: skyulf(*started).stdout, every=0.2)
        family = psutil.Process(training.pid).children(recursive=True)
        os.killpg(training.pid, signal.SIGINT)  # as a terminal sends it: to all of them
        _, told = training.communicate(timeout=60)
    assert training.returncode == 130
    assert "Traceback" not in told
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    ended = skyulf("events", "tail", "--no-follow", "--json", "--type", "JobCancelled", "--data-dir", data_dir)
    assert json.loads(ended.stdout)["type"] == "skyulf.JobCancelled"


# looking at things, and changing them


def test_what_there_is_can_be_listed_and_shown(copied: System) -> None:
    where = ("--data-dir", copied.data_dir)
    for noun in ("datasets", "pipelines", "jobs", "models", "deployments"):
        listed = answered(noun, "list", *where)
        told = skyulf(noun, "list", *where)
        assert told.returncode == 0, told.stderr
        if noun == "pipelines":
            assert listed["items"] == []
            continue
        (item,) = listed["items"]
        name = "penguins" if noun != "jobs" else item["id"][-8:]
        assert name in told.stdout
        assert answered(noun, "show", name, *where)["id"] == item["id"]
        shown = skyulf(noun, "show", name, *where)
        assert shown.returncode == 0, shown.stderr
        assert name in shown.stdout
    assert answered("jobs", "list", "--status", "failed", *where)["items"] == []
    assert len(answered("jobs", "list", "--dataset", "penguins", "--limit", 1, *where)["items"]) == 1
    version = answered("models", "show", "penguins:1", *where)
    assert version["metrics"]["accuracy"] > 0.9


def test_what_there_was_can_be_listed_and_shown(copied: System) -> None:
    where = ("--data-dir", copied.data_dir)
    began = answered("jobs", "list", *where)["items"][0]["started_at"]
    running = answered("jobs", "list", "--status", "running", "--as-of", began, *where)["items"]
    assert [job["attempt"] for job in running] == [1]
    asked = skyulf("jobs", "show", running[0]["id"][-8:], "--as-of", began, *where)
    assert (asked.returncode, "attempt 1" in asked.stdout, "accuracy" in asked.stdout) == (0, True, False), asked.stderr
    refused = skyulf("models", "list", "--as-of", "soon", *where)
    assert (refused.returncode, "neither a position nor a time" in refused.stderr) == (1, True), refused.stderr


def test_history_and_lineage_are_shown_beside_a_server_and_without_one(copied: System) -> None:
    for beside in (False, True):
        if beside:
            copied.start()
        history = skyulf("audit", "history", "deployment", "penguins", "--data-dir", copied.data_dir)
        assert history.returncode == 0, history.stderr
        assert "DeploymentRolledOut" in history.stdout
        assert "model_version: 1" in history.stdout
        lineage = skyulf("lineage", "dataset", "penguins", "--data-dir", copied.data_dir)
        assert lineage.returncode == 0, lineage.stderr
        order = [lineage.stdout.index(text) for text in ("data penguins version 1", "job ", "model ", "deployment ")]
        assert order == sorted(order)
        assert "served now by: penguins" in lineage.stdout
    beyond = skyulf("audit", "diff", "model", "penguins", "--from", 10**9, "--data-dir", copied.data_dir)
    assert (beyond.returncode, "the log's last position is" in beyond.stderr) == (1, True), beyond.stderr


def test_a_picture_is_drawn_of_a_job(trained: Path, tmp_path: Path) -> None:
    job = answered("jobs", "list", "--data-dir", trained)["items"][0]["id"]
    drawn = answered("plot", job[-8:], "--output", tmp_path / "a.png", "--data-dir", trained)
    assert drawn == {"job_id": job, "file": str(tmp_path / "a.png")}
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    refused = skyulf("plot", "job-0", "--output", tmp_path / "b.png", "--data-dir", trained)
    assert refused.returncode == 1
    assert "job-0" in refused.stderr


def test_what_is_served_is_changed_beside_a_server(copied: System) -> None:
    where = ("--data-dir", copied.data_dir)
    copied.start()
    deployed = answered("deployments", "deploy", "birds", "penguins:1", "--reason", "a second name", *where)
    assert (deployed["model"], deployed["model_version"]) == ("penguins", 1)
    assert copied.get("/v1/deployments/birds")["history"][-1]["reason"] == "a second name"
    refused = skyulf("deployments", "rollback", "birds", *where)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert answered("deployments", "retire", "birds", "--reason", "no use", *where)["model"] is None
    assert "no use" in skyulf("deployments", "show", "birds", *where).stdout
    absent = skyulf("deployments", "deploy", "birds", "penguins:champion", "--reason", "x", *where)
    assert absent.returncode == 1
    assert "champion" in absent.stderr


def test_runs_are_compared_retried_and_cancelled_without_a_server(copied: System, tmp_path: Path) -> None:
    where = ("--data-dir", copied.data_dir)
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"steps": [{"node": "impute", "columns": "numeric"}, {"node": "drop_columns", "columns":
        ["island", "sex"]}], "model": {"node": "random_forest", "params": {"n_estimators": 5}}}))  # fmt: skip
    train = ("train", PENGUINS, "--target", "species", "--name", "penguins", "--spec", spec)
    second = answered(*train, "--seed", 4, *where)["job"]["id"]
    first = answered("jobs", "list", *where)["items"][1]["id"]
    compared = answered("jobs", "compare", first, second, *where)
    assert [item["id"] for item in compared["items"]] == [first, second]
    assert compared["items"][1]["estimator"] == "random_forest"
    assert compared["best"]["log_loss"]["better"] == "lower"
    assert "these jobs have different held-out rows" in compared["remarks"]
    shown = skyulf("jobs", "compare", first[-8:], second[-8:], *where)
    assert "random_forest" in shown.stdout
    assert "log_loss" in shown.stdout

    limits = {"SKYULF_JOB_SECONDS": "1"}
    spec.write_text(json.dumps(SLOW_SPEC))
    assert skyulf(*train, *where, **limits).returncode == 1
    failed = answered("jobs", "list", "--status", "failed", *where)["items"][0]["id"]
    assert answered("jobs", "retry", failed[-8:], *where)["status"] == "created"
    assert answered("jobs", "cancel", failed, "--reason", "enough", *where)["status"] == "cancelled"
    again = skyulf("jobs", "retry", second, "--json", *where)
    assert again.returncode == 1
    assert json.loads(again.stdout)["status"] == 409


# events


def test_export_and_replay_give_the_same_log_and_the_same_predictions(
    trained: Path, exported: Path, tmp_path: Path
) -> None:
    with System(tmp_path / "other") as other:
        told = answered("events", "replay", exported, "--data-dir", other.data_dir)
        assert told["missing"] == []
        assert told["artifacts"] >= 3

        again = tmp_path / "again.jsonl"
        count = answered("events", "export", again, "--data-dir", other.data_dir)
        assert again.read_bytes() == exported.read_bytes()
        assert count == {"file": str(again), "events": told["events"], "position": told["position"], "covered": 0}

        before = answered("predict", "penguins", PENGUINS, "--data-dir", trained)
        other.start()
        after = answered("predict", "penguins", PENGUINS, "--data-dir", other.data_dir)
        assert {**after, "probabilities": None} == {**before, "probabilities": None}
        for one, same in zip(after["probabilities"], before["probabilities"], strict=True):
            assert one == pytest.approx(same, abs=1e-5)  # there is an ONNX copy by now, or not yet
        lines = [json.loads(line) for line in exported.read_bytes().splitlines()]
        events = other.events()
        assert events[: len(lines)] == lines
        # What the model still lacked when it was exported may be made up for by now.
        assert {event["type"] for event in events[len(lines) :]} <= {"skyulf.ModelPackaged", "skyulf.ModelExplained"}


def test_a_server_may_write_while_its_log_is_exported(served: System, tmp_path: Path) -> None:
    answered("train", PENGUINS, "--target", "species", "--data-dir", served.data_dir)
    file = tmp_path / "events.jsonl"
    told = answered("events", "export", file, "--with-artifacts", "--data-dir", served.data_dir)
    lines = file.read_bytes().splitlines()
    assert len(lines) == told["events"]
    assert json.loads(lines[-1])["position"] == told["position"]
    assert told["artifacts"] == len(list(Path(f"{file}.artifacts").iterdir()))


def damaged_in_the_middle(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2][: len(lines[2]) // 2] + b"\n", *lines[3:]]


def cut_short(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1][:-20]]


def one_is_missing(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if b'"skyulf.JobStarted"' not in line]


def one_is_twice(lines: list[bytes]) -> list[bytes]:
    return [*lines[:3], *lines[2:]]


def all_are_gone(_lines: list[bytes]) -> list[bytes]:
    return []


@pytest.mark.parametrize("harm", [damaged_in_the_middle, cut_short, one_is_missing, one_is_twice, all_are_gone])
def test_a_damaged_export_records_nothing(
    harm: Callable[[list[bytes]], list[bytes]], exported: Path, tmp_path: Path
) -> None:
    lines = exported.read_bytes().splitlines(keepends=True)
    exported.write_bytes(b"".join(harm(lines)))
    other = tmp_path / "other"
    done = skyulf("events", "replay", exported, "--data-dir", other)
    assert done.returncode == 1
    assert "nothing was recorded" in done.stderr
    assert "Traceback" not in done.stderr
    if harm in (damaged_in_the_middle, cut_short):
        assert f"line {3 if harm is damaged_in_the_middle else len(lines)}:" in done.stderr
    assert not skyulf("events", "tail", "--no-follow", "--data-dir", other).stdout
    exported.write_bytes(b"".join(lines))
    assert skyulf("events", "replay", exported, "--data-dir", other).returncode == 0


def test_a_damaged_artifact_records_nothing(exported: Path, tmp_path: Path) -> None:
    artifact = next(Path(f"{exported}.artifacts").iterdir())
    artifact.write_bytes(artifact.read_bytes()[:-1])
    done = skyulf("events", "replay", exported, "--data-dir", tmp_path / "other")
    assert done.returncode == 1
    assert artifact.name in done.stderr
    assert not skyulf("events", "tail", "--no-follow", "--data-dir", tmp_path / "other").stdout


def test_events_alone_can_be_replayed_and_what_is_missing_is_told(exported: Path, tmp_path: Path) -> None:
    shutil.rmtree(f"{exported}.artifacts")
    done = skyulf("events", "replay", exported, "--data-dir", tmp_path / "other")
    assert done.returncode == 0
    assert "3 artifacts named by events" in done.stderr


def test_replay_needs_an_empty_log_and_a_free_directory(copied: System, exported: Path) -> None:
    full = skyulf("events", "replay", exported, "--data-dir", copied.data_dir)
    assert full.returncode == 1
    assert "holds events already" in full.stderr
    owner = copied.start().server.pid
    owned = skyulf("events", "replay", exported, "--data-dir", copied.data_dir)
    assert owned.returncode == 2
    assert f"in use by process {owner}" in owned.stderr


def test_tail_follows_a_running_server(served: System) -> None:
    spec = {"task": "regression", "target": "y"}
    served.send("POST", "/v1/pipelines", {"name": "first", "spec": spec})
    command = [*SKYULF, "events", "tail", "--json", "--type", "PipelineCreated", "--data-dir", served.data_dir]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment()) as tail:
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["data"]["name"] == "first"
        served.send("POST", "/v1/pipelines", {"name": "second", "spec": spec})
        assert json.loads(tail.stdout.readline())["data"]["name"] == "second"
        tail.send_signal(signal.SIGINT)
        assert tail.wait(30) == 0


def test_tail_begins_where_it_is_told(trained: Path) -> None:
    def positions(*options: object) -> list[int]:
        done = skyulf("events", "tail", "--no-follow", "--json", "--data-dir", trained, *options)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["position"] for line in done.stdout.splitlines()]

    every = positions("--after", 0)
    assert positions("-n", 3) == every[-3:]
    assert positions("--after", every[4]) == every[5:]
    assert positions("--after", every[4], "-n", 1) == every[-1:]
    assert positions("--type", "DatasetCreated") == every[:1]
    assert positions("--stream", "model-penguins", "--type", "skyulf.ModelVersionRegistered") == positions(
        "--type", "ModelVersionRegistered"
    )


def test_tail_shows_a_person_who_did_what_and_why(trained: Path) -> None:
    done = skyulf("events", "tail", "--no-follow", "--data-dir", trained)
    assert "DeploymentRolledOut" in done.stdout
    assert "local" in done.stdout
    assert "the first version" in done.stdout


def test_an_unknown_type_is_answered_with_the_known_ones(trained: Path) -> None:
    done = skyulf("events", "tail", "--type", "JobExploded", "--data-dir", trained)
    assert done.returncode == 2
    assert "JobCreated" in done.stderr


@pytest.mark.parametrize(
    "command", [("events", "tail"), ("events", "export", "x.jsonl"), ("projections", "list"), ("jobs", "list")]
)
def test_looking_into_nothing_creates_nothing(command: tuple[str, ...], tmp_path: Path) -> None:
    done = skyulf(*command, "--data-dir", tmp_path / "data")
    assert done.returncode == 1
    assert "holds no events" in done.stderr
    assert not (tmp_path / "data").exists()
    assert not Path("x.jsonl").exists()


# projections


def test_projections_are_rebuilt_alone(copied: System) -> None:
    where = ("--data-dir", copied.data_dir)
    rebuilt = answered("projections", "rebuild", "jobs", "models", *where)
    assert [item["name"] for item in rebuilt["items"]] == ["jobs", "models"]
    assert all(item["status"] == "live" and item["lag"] == 0 for item in rebuilt["items"])
    listed = {item["name"]: item for item in answered("projections", "list", *where)["items"]}
    assert listed["jobs"]["build"] > listed["datasets"]["build"]
    assert answered("projections", "parked", *where) == {"items": [], "messages": []}


def test_projections_are_rebuilt_beside_a_server(copied: System) -> None:
    copied.start().settled()
    jobs = copied.get("/v1/jobs")
    done = skyulf("projections", "rebuild", "--data-dir", copied.data_dir)
    assert done.returncode == 0, done.stderr
    assert f"Rebuilt {len(ALL)} projections" in done.stdout
    assert copied.get("/v1/jobs") == jobs
    assert "live" in skyulf("projections", "list", "--data-dir", copied.data_dir).stdout


def test_an_unknown_projection_is_answered_with_the_known_ones(copied: System) -> None:
    done = skyulf("projections", "rebuild", "jbos", "--data-dir", copied.data_dir)
    assert done.returncode == 1
    assert "jobs" in done.stderr


# who has the directory

HOLDER = """
import sys, time
from pathlib import Path
from skyulf.adapters.data_dir import DataDirectory

DataDirectory(Path(sys.argv[1])).own()
print("owned", flush=True)
time.sleep(120)
"""


def test_a_process_that_serves_nothing_is_named(copied: System) -> None:
    command = [SKYULF[0], "-c", HOLDER, copied.data_dir]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "owned\n"
            done = skyulf("predict", "penguins", PENGUINS, "--data-dir", copied.data_dir)
            assert done.returncode == 2
            assert f"in use by process {holder.pid}" in done.stderr
            assert skyulf("events", "tail", "--no-follow", "--data-dir", copied.data_dir).returncode == 0
        finally:
            holder.kill()


def test_the_directory_may_come_from_the_environment(trained: Path) -> None:
    listed = answered("projections", "list", SKYULF_DATA_DIR=str(trained))
    assert all(item["status"] == "live" for item in listed["items"])


def test_a_reader_that_has_gone_is_no_error(trained: Path) -> None:
    command = [*SKYULF, "events", "tail", "--json", "--no-follow", "--data-dir", str(trained)]
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, text=True, env=clean_environment()) as tail:
        os.close(writing)
        _, told = tail.communicate(timeout=30)
    assert (tail.returncode, told) == (0, "")
