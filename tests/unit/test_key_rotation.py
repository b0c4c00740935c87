"""A log's key is followed by another: who knows one believes those after it, and nobody believes any other."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from builders import NOW
from sealed import KEY, OTHER_KEY, SECOND, THIRD, audit_of, exported, history, sealer_of

from skyulf import verifier
from skyulf.adapters.checkpoint_files import make_key, read_key
from skyulf.adapters.memory_ledger import MemoryLedgerStore
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.errors import Invalid, Misconfigured, SkyulfError
from skyulf.events.checkpoints import Checkpoint, opened, parse_checkpoint, parse_note, signed
from skyulf.events.keys import PublicKey, SigningKey, chain_from, parse_signing_key
from skyulf.witness import RefusedError, need_signed, parse

STRANGER = OTHER_KEY.successor(bytes(range(5, 37)))
"""The key of whoever made a chain of his own, of the same name."""


def note_of(key: SigningKey, introductions: Sequence[str] | None = None) -> str:
    lines = key.introductions if introductions is None else tuple(introductions)
    return signed(Checkpoint(key.name, 12, bytes(range(32)), lines), key, NOW)


def believed_by_all(note: str, key: PublicKey) -> bool:
    """Whether all three programs that verify a checkpoint believe it; they must agree."""
    told = []
    try:
        told.append(opened(note, key).signed_at == NOW.replace(microsecond=0))
    except SkyulfError:
        told.append(False)
    try:
        told.append(verifier.open_checkpoint(note, (key.name, key.raw), [])[0] == 12)
    except verifier.CannotTellError:
        told.append(False)
    try:
        text, origin, _, _, lines = parse(note)
        need_signed(text, origin, lines, str(key))
        told.append(True)
    except (RefusedError, ValueError):
        told.append(False)
    assert len(set(told)) == 1, told
    return told[0]


@pytest.mark.parametrize("start", [KEY, SECOND, THIRD])
def test_whoever_has_any_key_of_the_chain_believes_the_last(start: SigningKey) -> None:
    assert believed_by_all(note_of(THIRD), start.public)


def test_a_later_key_does_not_vouch_for_an_earlier_one() -> None:
    assert believed_by_all(note_of(KEY), KEY.public)
    assert not believed_by_all(note_of(KEY), SECOND.public)
    assert not believed_by_all(note_of(SECOND), THIRD.public)


@pytest.mark.parametrize(
    "introductions",
    [
        (),
        THIRD.introductions[1:],
        THIRD.introductions[::-1],
        (THIRD.introductions[0], STRANGER.introductions[0]),
        (THIRD.introductions[0], " ".join([*THIRD.introductions[1].split(" ")[:2], ""])),
        (THIRD.introductions[0], " ".join(THIRD.introductions[1].split(" ")[:2])),
        (
            " ".join([*THIRD.introductions[0].split(" ")[:2], THIRD.introductions[1].split(" ")[2]]),
            THIRD.introductions[1],
        ),
    ],
    ids=["none", "first lost", "reversed", "a stranger's", "no signature", "two words", "signature of the other"],
)
def test_a_chain_that_does_not_hold_is_not_believed(introductions: tuple[str, ...]) -> None:
    assert not believed_by_all(note_of(THIRD, introductions), KEY.public)


def test_a_stranger_of_the_same_name_is_not_believed() -> None:
    assert not believed_by_all(note_of(STRANGER), KEY.public)
    forged = (f"key {STRANGER.public} {STRANGER.introductions[0].split(' ')[2]}",)
    assert not believed_by_all(note_of(STRANGER, forged), KEY.public)


def test_a_key_of_another_name_cannot_be_introduced() -> None:
    other = replace(SECOND.public, name="example.org/other")
    assert chain_from(KEY.public, [f"key {other} {SECOND.introductions[0].split(' ')[2]}"]) == (KEY.public,)


def test_the_note_is_as_tools_expect_it() -> None:
    lines = parse_note(note_of(THIRD)).text.splitlines()
    assert lines[:2] == ["example.org/log", "12"]
    assert [line.split(" ")[:2] for line in lines[3:]] == [["key", str(SECOND.public)], ["key", str(THIRD.public)]]
    with pytest.raises(Invalid, match="a checkpoint is three lines"):
        parse_checkpoint("\n".join([*lines, "something else", ""]))


class TestFile:
    def test_it_holds_the_chain(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        make_key(path, THIRD)
        read = read_key(path)
        assert (read.public, read.first, read.introductions) == (THIRD.public, KEY.public, THIRD.introductions)
        make_key(path, read.successor(bytes(32)), replace=True)
        assert path.stat().st_mode & 0o777 == 0o600
        assert len(read_key(path).introductions) == 3

    @pytest.mark.parametrize("lost", [1, 2, 3])
    def test_one_that_has_lost_a_line_is_refused(self, lost: int) -> None:
        lines = THIRD.secret_text().split("\n")
        with pytest.raises(Invalid):
            parse_signing_key("\n".join([*lines[:lost], *lines[lost + 1 :]]))


class TestSealing:
    def test_a_log_goes_on_under_the_next_key_and_is_verified_by_the_first(self, tmp_path: Path) -> None:
        events = history(30)
        log, store = MemoryEventLog(lambda: ""), MemoryLedgerStore()
        for key, some in ((KEY, events[:10]), (SECOND, events[10:20]), (THIRD, events[20:])):
            for event in some:
                log._keep(event)
            sealer_of(log, store, key).seal(sign=True)
        verdict = audit_of(log, store).verify(KEY.public)
        assert (verdict.fine, verdict.compared, verdict.examination.covered) == (True, 3, 30)
        assert audit_of(log, store).verify().fine, "the ledger names the first key"
        export = exported(tmp_path / "export.jsonl", events, store)
        assert verifier.verify(str(export), str(KEY.public), [], [])["verified"]
        with pytest.raises(verifier.CannotTellError, match="not signed by the key given"):
            verifier.verify(str(export), str(STRANGER.public), [], [])

    def test_a_process_that_still_has_the_key_before_does_not_sign(self) -> None:
        log, store = MemoryEventLog(lambda: ""), MemoryLedgerStore()
        for event in history(10):
            log._keep(event)
        sealer_of(log, store, SECOND).seal(sign=True)
        with pytest.raises(Misconfigured, match="an earlier key of the log, and a later one has signed"):
            sealer_of(log, store, KEY).seal(sign=True)

    def test_a_key_that_was_not_introduced_does_not_sign(self) -> None:
        log, store = MemoryEventLog(lambda: ""), MemoryLedgerStore()
        for event in history(10):
            log._keep(event)
        sealer_of(log, store, KEY).seal(sign=True)
        with pytest.raises(Misconfigured, match="goes on with the key that signed before, or its successor"):
            sealer_of(log, store, OTHER_KEY).seal(sign=True)
