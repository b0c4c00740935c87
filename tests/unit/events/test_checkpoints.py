"""Signed checkpoints, held against the documented example of a signed note and against what must be refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from builders import NOW
from sealed import KEY, OTHER_KEY, WITNESS

from skyulf.errors import Damaged, Invalid
from skyulf.events.checkpoints import Checkpoint, Note, opened, parse_checkpoint, parse_note, signed
from skyulf.events.keys import COSIGNED, SigningKey, parse_key, parse_signing_key

EXAMPLE_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
EXAMPLE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
EXAMPLE_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of the package that brought the format into the world, golang.org/x/mod/sumdb/note."""

CHECKPOINT = Checkpoint("example.org/log", 12, bytes(range(32)))


def note(key: SigningKey = KEY, checkpoint: Checkpoint = CHECKPOINT) -> str:
    return signed(checkpoint, key, NOW)


class TestSigning:
    def test_the_documented_example_is_signed_alike(self) -> None:
        key = parse_signing_key(EXAMPLE_SIGNER)
        assert str(key.public) == EXAMPLE_KEY == str(parse_key(EXAMPLE_KEY))
        assert key.sign(EXAMPLE_TEXT).line() == EXAMPLE_LINE
        assert key.secret_text() == EXAMPLE_SIGNER

    def test_a_checkpoint_has_the_lines_of_the_specification(self) -> None:
        lines = note().split("\n")
        assert lines[:4] == ["example.org/log", "12", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ""]
        assert [line.split(" ")[:2] for line in lines[4:-1]] == [["—", "example.org/log"]] * 2
        assert lines[-1] == ""

    def test_what_was_signed_is_read_again_with_when(self) -> None:
        found = opened(note(), KEY.public)
        assert found.checkpoint == CHECKPOINT
        assert found.signed_at == NOW.replace(microsecond=0)

    def test_witnesses_are_told_with_when_they_signed(self) -> None:
        made = parse_note(note())
        later = NOW + timedelta(hours=1)
        made = replace(made, signatures=(*made.signatures, WITNESS.cosign(made.text, later)))
        witness = WITNESS.public.of_kind(COSIGNED)
        found = opened(str(made), KEY.public, [witness])
        assert found.witnesses == (("witness.example.org", later.replace(microsecond=0)),)
        assert opened(str(made), KEY.public).witnesses == ()  # nobody asked for that witness

    def test_signatures_of_strangers_are_passed_over(self) -> None:
        made = parse_note(note())
        stranger = SigningKey("stranger", bytes(32))
        made = replace(made, signatures=(stranger.sign("something else"), *made.signatures))
        assert opened(str(made), KEY.public).checkpoint == CHECKPOINT


class TestRefusing:
    def test_a_checkpoint_of_another_log_is_named(self) -> None:
        other = SigningKey("example.org/other", bytes(32))
        with pytest.raises(Invalid, match=r"of the log example.org/other, and the key of example.org/log"):
            opened(note(other, replace(CHECKPOINT, origin="example.org/other")), KEY.public)

    def test_a_key_that_is_not_the_logs_is_told(self) -> None:
        with pytest.raises(Invalid, match=r"not signed by the key example.org/log\+"):
            opened(note(OTHER_KEY), KEY.public)

    @pytest.mark.parametrize("changed", ["12", "example", "AAEC"])
    def test_a_changed_text_is_told(self, changed: str) -> None:
        text = note().replace("\n12\n", "\n13\n") if changed == "12" else note()
        if changed == "AAEC":
            text = text.replace("AAEC", "AAED")
        if changed == "example":
            made = parse_note(note())
            text = str(Note(made.text.replace("AAEC", "BBEC"), made.signatures))
        with pytest.raises(Damaged, match="does not hold"):
            opened(text, KEY.public)

    def test_a_changed_time_is_told(self) -> None:
        made = parse_note(note())
        plain, timed = made.signatures
        timed = replace(timed, signature=bytes(8) + timed.signature[8:])
        with pytest.raises(Damaged, match="does not hold"):
            opened(str(replace(made, signatures=(plain, timed))), KEY.public)

    @pytest.mark.parametrize(
        "text",
        ["", "a\n1\n", "a\n\n", "a\n\n- a AAAA\n", "a\n\n— a\n", "a\n\n— a !!!!!\n", "a\n\n— a AAAA\n",
         "a\n\n— a AAAAAAA="],
    )  # fmt: skip
    def test_what_is_no_note_is_refused(self, text: str) -> None:
        with pytest.raises(Invalid, match="a signed checkpoint is"):
            parse_note(text)

    @pytest.mark.parametrize(
        "text",
        ["", "log\n1\n", "log\n01\nAAEC\n", "log\n-1\nAAEC\n", "log\n1\nAAEC\n", "\n1\n" + "A" * 43 + "=\n",
         "log\n1\n" + "A" * 43 + "=\nmore\n", "log\n" + "9" * 5000 + "\n" + "A" * 43 + "=\n"],
    )  # fmt: skip
    def test_what_is_no_checkpoint_is_refused(self, text: str) -> None:
        with pytest.raises(Invalid, match="three lines"):
            parse_checkpoint(text)

    @pytest.mark.parametrize(
        "text", ["", "a", "a+b", "a+b+c", EXAMPLE_KEY[:-4], EXAMPLE_KEY.replace("c7", "c8"), "a b+c+d"]
    )
    def test_what_is_no_public_key_is_refused(self, text: str) -> None:
        with pytest.raises(Invalid):
            parse_key(text)

    def test_a_private_key_is_not_taken_for_a_public_one_and_never_repeated(self) -> None:
        with pytest.raises(Invalid) as refused:
            parse_key(EXAMPLE_SIGNER)
        assert "AYEK" not in refused.value.detail

    @pytest.mark.parametrize("text", ["", EXAMPLE_KEY, EXAMPLE_SIGNER[:-4], EXAMPLE_SIGNER.replace("c7", "c8")])
    def test_what_is_no_signing_key_is_refused_without_repeating_it(self, text: str) -> None:
        with pytest.raises(Invalid, match="a signing key is one line") as refused:
            parse_signing_key(text)
        assert "AYEK" not in refused.value.detail

    @pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a" * 201])
    def test_a_name_that_would_break_the_form_is_refused(self, name: str) -> None:
        with pytest.raises(Invalid, match="the name of a key"):
            SigningKey(name, bytes(32))

    def test_a_time_is_told_in_utc(self) -> None:
        found = opened(note(), KEY.public).signed_at
        assert isinstance(found, datetime)
        assert found.tzinfo == UTC
