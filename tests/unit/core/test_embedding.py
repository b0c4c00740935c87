"""Sentences as vectors: what is alike lies together, and other vectors than those of the fit are refused."""

import numpy as np
import pytest
from helpers import spec, trained, wide

from skyulf.core import embedding
from skyulf.core.applier import Applier
from skyulf.core.embedding import READ, SentenceVectors
from skyulf.core.formats import load_model, save_model
from skyulf.errors import NotAllowed

TEXTS = ["I love my dog", "my puppy is lovely", "the stock market fell", "", float("nan"), "漢字 🙂"]


def cells(texts):
    return np.array([[text] for text in texts], dtype=object)


def vectors(texts, dimensions=64):
    return SentenceVectors(dimensions).fit(cells(TEXTS)).transform(cells(texts))


def test_the_like_in_other_words_lies_nearer_than_other_things():
    for dimensions in (64, 128, 256):
        dog, puppy, market, *_ = vectors(TEXTS, dimensions)
        assert dog.shape == (dimensions,)
        assert dog @ puppy > 0.4 > 0.2 > abs(dog @ market)


def test_texts_are_as_long_as_one_and_none_is_as_long_as_nothing():
    lengths = np.linalg.norm(vectors(TEXTS), axis=1)
    np.testing.assert_allclose(lengths, [1, 1, 1, 0, 0, 1])


def test_a_text_has_the_same_vector_in_any_company():
    alone = np.vstack([vectors([text]) for text in TEXTS])
    np.testing.assert_array_equal(vectors(TEXTS), alone)


def test_of_a_long_text_the_beginning_counts():
    begin = "word and sentence " * (READ // 18 + 1)
    np.testing.assert_array_equal(vectors([begin + "stock market"]), vectors([begin[:READ]]))


def test_a_model_is_not_applied_with_other_vectors(tmp_path, monkeypatch):
    frame, facts = wide()
    steps = [
        {"node": "sentence_embedding", "columns": ["note"]},
        {"node": "drop_columns", "columns": {"kind": "all", "exclude": ["fare paid"]}},
    ]
    state = trained(spec(steps, {"node": "logistic_regression"}), frame=frame, facts=facts)
    assert {"wordllama", "tokenizers"} <= set(state.environment)
    save_model(state, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops").pipeline
    np.testing.assert_array_equal(loaded.predict_proba(frame), state.pipeline.predict_proba(frame))
    assert (tmp_path / "model.skops").stat().st_size < 200_000, "which does not hold the vectors"
    tokenizer, known, digest = embedding._vectors()
    monkeypatch.setattr(embedding, "_vectors", lambda: (tokenizer, known, "0" * len(digest)))
    with pytest.raises(ImportError, match=f"fitted with vectors {digest[:12]} of wordllama.*000000000000"):
        loaded.predict_proba(frame)
    applier = Applier(load_model(tmp_path / "model.skops"))
    with pytest.raises(NotAllowed, match=f"applied here: .*{digest[:12]} of wordllama.*000000000000"):
        applier.predict(applier.columns_of_frame(frame))
    other = trained(spec(steps, {"node": "logistic_regression"}), frame=frame, facts=facts)
    assert other.fingerprint != state.fingerprint, "though it predicts the same"


def test_a_package_without_the_vectors_is_named(tmp_path, monkeypatch):
    (tmp_path / "wordllama").mkdir()
    (tmp_path / "wordllama" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="lacks the vectors"):
        embedding._vectors.__wrapped__()


def test_a_missing_cell_of_any_kind_has_no_vector_and_half_a_character_does_no_harm():
    assert not vectors([None, np.nan]).any()
    assert np.isfinite(vectors(["a \ud800 b"])).all()
