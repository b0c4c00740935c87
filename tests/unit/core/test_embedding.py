"""Sentences as vectors: what is alike lies together, and other vectors than those of the fit are refused."""

import numpy as np
import pytest
from helpers import spec, trained, wide

from skyulf.core import embedding
from skyulf.core.embedding import READ, SentenceVectors
from skyulf.core.formats import load_model, save_model

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
    with pytest.raises(ValueError, match=f"fitted with vectors {digest[:12]} of wordllama.*000000000000"):
        loaded.predict_proba(frame)
