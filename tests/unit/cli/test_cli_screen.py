"""What is shown: numbers, problems, CSV out, how far a rebuild is; and how light the command is."""

import csv
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from skyulf.cli.predict import Predicted, in_file, plain, short, write_csv
from skyulf.cli.projections import share
from skyulf.cli.rows import Rows
from skyulf.cli.screen import Occupied, Refused, UsageError, counted, number, problem_of, speaking
from skyulf.cli.serve import listen, url_of
from skyulf.cli.train import Order, read_spec, target_of
from skyulf.errors import Fault, Invalid, Misconfigured, NotFound, SkyulfError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "true"),
        (1234567, "1,234,567"),
        (0.98551, "0.9855"),
        (0.0, "0.0000"),
        (0.00001234, "1.234e-05"),
        (90877.618, "90,877.6180"),
        (1.5e9, "1.5e+09"),
        ("text", "text"),
    ],
)
def test_numbers_are_written_for_people(value: object, text: str) -> None:
    assert number(value) == text


def test_counts_agree_with_their_nouns() -> None:
    assert (counted(0, "row"), counted(1, "row"), counted(2000, "row")) == ("0 rows", "1 row", "2,000 rows")
    assert counted(2, "match", "matches") == "2 matches"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("there is no such thing"), 1),
        (Refused({"title": "Not found", "status": 404, "detail": "no"}), 1),
        (Misconfigured("SKYULF_PORT: no"), 2),
        (Occupied("in use"), 2),
        (UsageError("these do not agree"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_expected_errors_become_a_word_and_an_exit_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, speaking(False):
        raise error
    assert ended.value.exit_code == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1


def test_a_problem_for_a_program_stands_alone_on_the_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    def command() -> None:
        with speaking(True) as screen:
            screen.note("not shown")
            screen.show("not shown")
            raise Invalid("wrong", [Fault("spec.target", "a column")])

    with pytest.raises(typer.Exit):
        command()
    out, err = capfdbinary.readouterr()
    assert json.loads(out) == {
        "type": "urn:skyulf:problem:invalid",
        "title": "Invalid",
        "detail": "wrong",
        "errors": [{"place": "spec.target", "message": "a column"}],
    }
    assert err == b""


def test_what_a_server_answered_is_passed_on() -> None:
    problem = {"title": "Not found", "status": 404, "detail": "no"}
    assert problem_of(Refused(problem)) == problem
    assert problem_of(SkyulfError("x"))["detail"] == "x"


def test_places_are_rows_of_the_file() -> None:
    faults = [{"place": place, "message": "m"} for place in ("rows.0.x", "rows.7", "rows.1.a.b", "body")]
    places = [fault["place"] for fault in in_file({"errors": faults}, 1000)["errors"]]
    assert places == ["row 1001, column x", "row 1008", "row 1002, column a.b", "body"]


def test_predictions_stand_beside_the_cells_as_they_came(tmp_path: Path) -> None:
    rows = Rows(["x", "prediction"], [{"x": 1.5}, {"x": None}], [["1.50", "a"], ["NA", "b"]])
    predicted = Predicted("m", 1, ["yes", "no"], [{"no": 0.25, "yes": 0.75}, {"no": 1.0, "yes": 0.0}])
    write_csv(tmp_path / "out.csv", rows, predicted)
    with (tmp_path / "out.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["x", "prediction", "prediction_", "probability", "probability_no", "probability_yes"],
            ["1.50", "a", "yes", "0.75", "0.25", "0.75"],
            ["NA", "b", "no", "1.0", "1.0", "0.0"],
        ]
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_numbers_have_no_probabilities(tmp_path: Path) -> None:
    write_csv(tmp_path / "out.csv", Rows(["b"], [{"b": True}, {}]), Predicted("m", 1, [1.5, None]))
    assert (tmp_path / "out.csv").read_text().splitlines() == ["b,prediction", "true,1.5", ","]


def test_values_are_written_as_they_would_be_read() -> None:
    assert [plain(value) for value in (None, True, 1, 0.1, "a")] == ["", "true", "1", "0.1", "a"]
    assert [short(value) for value in (None, 3547.5512, "x" * 30)] == ["–", "3547.55", "x" * 23 + "…"]


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ({"status": "live", "build": 2, "position": 90, "lag": 10, "rebuild": None}, 1.0),
        ({"status": "live", "build": 1, "position": 90, "lag": 10, "rebuild": {"fraction": 0.5}}, 0.5),
        ({"status": "live", "build": 1, "position": 100, "lag": 0, "rebuild": {"fraction": 0.99}}, 0.99),
        ({"status": "building", "build": 0, "position": 0, "lag": 0, "rebuild": None}, 0.0),
    ],
)
def test_a_rebuild_is_done_once_it_is_read(status: dict[str, Any], done: float) -> None:
    assert share(status, 2) == done


def order(spec: Path | None = None, task: str | None = None) -> Order:
    return Order(Path("x.csv"), "y", task, None, spec, 0, None)


def test_options_go_into_the_spec_and_must_agree_with_it(tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    assert read_spec(order()) == {"target": "y"}
    file.write_text('{"task": "regression", "model": {"node": "ridge"}}')
    assert read_spec(order(file)) == {"task": "regression", "model": {"node": "ridge"}, "target": "y"}
    with pytest.raises(UsageError, match="--task"):
        read_spec(order(file, "classification"))
    for wrong in ('{"target": "z"}', "[]", "{", ""):
        file.write_text(wrong)
        with pytest.raises(UsageError):
            read_spec(order(file))


def test_a_target_that_is_not_there_is_answered_with_what_is() -> None:
    with pytest.raises(Invalid) as raised:
        target_of({"columns": [{"name": "a"}, {"name": "b"}]}, "y")
    assert "a, b" in raised.value.faults[0].message


def test_connections_send_at_once_what_they_have() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert url_of(listener) == f"http://127.0.0.1:{port}"
        with socket.create_connection(("127.0.0.1", port)), listener.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with pytest.raises(Misconfigured, match=f"{port} .* in use"):
            listen("127.0.0.1", port)


def test_the_command_is_light_until_it_is_asked_something() -> None:
    code = "import sys, skyulf.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"rich.console", "httpx", "pydantic", "fastapi", "sqlalchemy", "numpy"} & set(done.stdout.split())
