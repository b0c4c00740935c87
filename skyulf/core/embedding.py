"""Sentences as vectors, after scikit-learn's conventions; the library is imported where it is used."""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import validate_data

Array = np.ndarray[Any, Any]

READ = 100_000
"""Characters of a text that count: cutting one of a million into tokens takes half a gigabyte."""


class SentenceVectors(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Gives each text the direction of the mean of its tokens' vectors; one without tokens, or a missing cell, gets 0.

    Of each column of text come ``dimensions`` columns. The vectors are WordLlama's, which come with the package and
    are never fetched. They are not kept in what is fitted, but their digest is: other vectors would quietly give other
    predictions, and are refused.
    """

    def __init__(self, dimensions: int = 64) -> None:
        self.dimensions = dimensions

    def fit(self, X: Any, y: Any = None) -> Self:
        """Note which vectors are there; nothing is learnt of the rows."""
        validate_data(self, X, skip_check_array=True)
        self.vectors_ = _vectors()[2]
        return self

    def transform(self, X: Any) -> Array:
        """Return the vectors of all columns' texts, side by side."""
        return self.compute(np.asarray(X, dtype=object))

    def compute(self, cells: Array) -> Array:
        """Do the same of an array of rows by columns."""
        tokenizer, vectors, digest = _vectors()
        if digest != self.vectors_:
            raise ImportError(
                f"the model was fitted with vectors {self.vectors_[:12]} of wordllama, and those installed are"
                f" {digest[:12]}: install the version that the model's environment names, or train again"
            )
        found = np.zeros((len(cells), cells.shape[1], self.dimensions))
        for at, row in enumerate(cells):
            for column, cell in enumerate(row):
                tokens = tokenizer.encode(_sentence(cell), add_special_tokens=False).ids
                total = vectors[tokens, : self.dimensions].sum(axis=0, dtype=np.float64)
                found[at, column] = total / (np.sqrt(total @ total) or 1.0)
        return found.reshape(len(cells), cells.shape[1] * self.dimensions)


def _sentence(cell: Any) -> str:
    if isinstance(cell, str):
        return cell[:READ].encode("utf-8", "replace").decode()  # halves of a character are none of the tokenizer's
    if cell is None or cell != cell:
        return ""
    raise ValueError("vectors are of text, not of numbers; cast to category first")


@cache
def _vectors() -> tuple[Any, Array, str]:
    """WordLlama's tokenizer, its tokens' vectors, and the SHA-256 of both in hexadecimal; 33 MB, once in a process.

    The vectors are float32, of 256 dimensions of which the first say most (Kusupati et al., Matryoshka Representation
    Learning, 2022). Both are read from the package's files: its own loader looks for the tokenizer on the network.
    """
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    spec = find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("wordllama is not installed: pip install 'skyulf[wordllama]'")
    package = Path(spec.submodule_search_locations[0])
    words = package / "tokenizers" / "l2_supercat_tokenizer_config.json"
    weights = package / "weights" / "l2_supercat_256.safetensors"
    if not (words.is_file() and weights.is_file()):
        raise ImportError(
            "the wordllama that is installed lacks the vectors that are known here; install wordllama 0.4"
        )
    digest = hashlib.sha256(words.read_bytes() + weights.read_bytes()).hexdigest()
    return Tokenizer.from_file(str(words)), load_file(weights)["embedding.weight"].astype(np.float32), digest
