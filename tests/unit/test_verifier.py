"""The verifier that stands alone: what it says of exports, and of what it cannot judge."""

import ast
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from builders import NOW
from sealed import KEY, OTHER_KEY, WITNESS, exported, history, sealed, write_export

from skyulf import verifier, witness
from skyulf.events.base import Recorded
from skyulf.events.checkpoints import Checkpoint, opened, parse_note, signed
from skyulf.events.keys import COSIGNED, SigningKey
from skyulf.events.ledger import canonical
from skyulf.events.ledger_store import LedgerStore

PUBLIC = str(KEY.public)

LONGEST = 200
"""Lines of a program that an auditor is to read."""


@pytest.fixture
def events() -> list[Recorded]:
    return history(40)


@pytest.fixture
def store(events: list[Recorded]) -> LedgerStore:
    """The ledger of the first thirty-five."""
    return sealed(events, 20, 15)[1]


@pytest.fixture
def export(tmp_path: Path, events: list[Recorded], store: LedgerStore) -> Path:
    return exported(tmp_path / "export.jsonl", events, store)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = verifier.main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return code, told.out + told.err


@pytest.mark.parametrize("module", [verifier, witness])
def test_it_is_short_and_needs_nothing_of_ours(module: object) -> None:
    text = Path(str(module.__file__)).read_text()  # type: ignore[attr-defined]
    assert len(text.splitlines()) < LONGEST
    names = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert names - set(sys.stdlib_module_names) == {"cryptography"}


class TestSaying:
    def test_what_is_covered_and_what_is_not(self, export: Path, events: list[Recorded]) -> None:
        told = verifier.verify(str(export), PUBLIC, [], [])
        assert told == {
            "verified": True,
            "origin": "example.org/log",
            "events": 40,
            "covered": 35,
            "size": 35,
            "position": events[34].position,
            "unsealed": 5,
            "signed_at": NOW.replace(microsecond=0).isoformat(),
            "witnesses": {},
            "faults": [],
        }

    def test_a_checkpoint_that_was_kept_elsewhere(self, tmp_path: Path, events: list[Recorded], export: Path) -> None:
        """The operator cut the end and sealed what was left anew; who kept a checkpoint finds it out."""
        kept = tmp_path / "kept"
        kept.write_text(sealed(events)[1].checkpoints(1)[0].note)
        told = verifier.verify(str(export), PUBLIC, [str(kept)], [])
        assert not told["verified"]
        assert [fault["detail"] for fault in told["faults"]] == ["a checkpoint covers 40 events, the ledger has 35"]

    def test_another_history_under_the_same_key(self, tmp_path: Path, events: list[Recorded], export: Path) -> None:
        other = sealed(history(35, seed=5), 10, 25)[1]
        kept = tmp_path / "kept"
        kept.write_text(other.checkpoints(1)[0].note)
        told = verifier.verify(str(export), PUBLIC, [str(kept)], [])
        (fault,) = told["faults"]
        assert (fault["kind"], fault["position"]) == ("checkpoint", 1)
        assert fault["until"] == events[34].position

    def test_witnesses_are_told_with_when(self, tmp_path: Path, export: Path, store: LedgerStore) -> None:
        note = parse_note(store.checkpoints(1)[0].note)
        kept = tmp_path / "kept"
        kept.write_text(str(replace(note, signatures=(*note.signatures, WITNESS.cosign(note.text, NOW)))))
        key = str(WITNESS.public.of_kind(COSIGNED))
        told = verifier.verify(str(export), PUBLIC, [str(kept)], [key])
        assert told["verified"]
        assert told["witnesses"] == {"witness.example.org": NOW.replace(microsecond=0).isoformat()}

    @pytest.mark.parametrize("lines", [1, 20, 34, 35, 39])
    def test_an_export_that_is_cut(self, lines: int, export: Path, events: list[Recorded]) -> None:
        write_export(export, map(canonical, events[:lines]))
        told = verifier.verify(str(export), PUBLIC, [], [])
        assert told["verified"] is (lines >= 35)
        missing = [fault for fault in told["faults"] if fault["kind"] == "missing"]
        assert [(each["position"], each["until"]) for each in missing] == (
            [(events[lines].position, events[34].position)] if lines < 35 else []
        )

    def test_an_export_that_is_cut_within_a_line(self, export: Path, events: list[Recorded]) -> None:
        content = export.read_bytes()
        export.write_bytes(content[: content.index(b"\n", len(content) // 2) - 10])
        told = verifier.verify(str(export), PUBLIC, [], [])
        kinds = {fault["kind"] for fault in told["faults"]}
        assert kinds == {"unreadable", "missing"}

    def test_lines_in_another_order(self, export: Path, events: list[Recorded]) -> None:
        write_export(export, map(canonical, [events[1], events[0], *events[2:]]))
        told = verifier.verify(str(export), PUBLIC, [], [])
        assert {events[0].position} <= {fault["position"] for fault in told["faults"]}


class TestNotSaying:
    """Code 2, and what was expected: of these it says neither that they are right nor that they are wrong."""

    def test_an_export_without_a_ledger(self, export: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Path(f"{export}.ledger").unlink()
        code, told = run(capsys, export, "--key", PUBLIC)
        assert code == 2
        assert "is not there, or cut: expected a leaf" in told

    def test_nothing_sealed(self, export: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Path(f"{export}.ledger").write_text("")
        assert run(capsys, export, "--key", PUBLIC) == (
            2,
            "cannot be verified: nothing in this export is sealed: expected a checkpoint in its ledger, or "
            "--checkpoint\n",
        )

    def test_a_ledger_that_is_cut(self, export: Path, capsys: pytest.CaptureFixture[str]) -> None:
        ledger = Path(f"{export}.ledger")
        ledger.write_bytes(ledger.read_bytes()[:1000])
        code, told = run(capsys, export, "--key", PUBLIC)
        assert code == 2
        assert "or cut: expected a leaf" in told

    def test_a_key_that_is_not_the_logs(self, export: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, told = run(capsys, export, "--key", str(OTHER_KEY.public))
        assert code == 2
        assert "the checkpoint of 20 events is not signed by the key given for example.org/log" in told

    def test_a_checkpoint_of_another_log(
        self, export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = SigningKey("example.org/other", bytes(32))
        kept = tmp_path / "kept"
        kept.write_text(signed(Checkpoint("example.org/other", 3, bytes(32)), other, NOW))
        code, told = run(capsys, export, "--key", PUBLIC, "--checkpoint", kept)
        assert code == 2
        assert "a checkpoint is of the log example.org/other: expected example.org/log" in told

    def test_a_checkpoint_that_was_changed(
        self, export: Path, tmp_path: Path, store: LedgerStore, capsys: pytest.CaptureFixture[str]
    ) -> None:
        kept = tmp_path / "kept"
        kept.write_text(store.checkpoints(1)[0].note.replace("\n35\n", "\n36\n"))
        code, told = run(capsys, export, "--key", PUBLIC, "--checkpoint", kept)
        assert code == 2
        assert "a signature of example.org/log does not hold" in told

    @pytest.mark.parametrize("key", ["a+b+c", "example.org/log+00000000+AA==", "/nowhere", "PRIVATE+KEY+x"])
    def test_what_is_no_key(self, key: str, export: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(capsys, export, "--key", key)[0] == 2

    def test_what_is_no_checkpoint(self, export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        kept = tmp_path / "kept"
        kept.write_text("nothing of the kind")
        code, told = run(capsys, export, "--key", PUBLIC, "--checkpoint", kept)
        assert code == 2
        assert "expected origin, size, root, and signatures" in told


def test_a_key_may_be_given_as_a_file(export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text(f"{PUBLIC}\n")
    assert run(capsys, export, "--key", tmp_path / "key")[0] == 0


def test_both_read_a_checkpoint_alike(store: LedgerStore) -> None:
    for kept in store.checkpoints(10):
        ours = opened(kept.note, KEY.public)
        size, root, when, _ = verifier.open_checkpoint(kept.note, verifier.read_key(PUBLIC, 1), [])
        assert (size, root) == (ours.checkpoint.size, ours.checkpoint.root)
        assert ours.signed_at is not None
        assert when == ours.signed_at.isoformat()
