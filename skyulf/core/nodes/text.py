"""Steps for free text."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, one_for_each
from skyulf.core.registry import BuildContext, Output, Step


class TextVectors(Step):
    """Replaces each column of text by a column for each of its commonest words, weighed by how rare a word is.

    Builds on scikit-learn's TfidfVectorizer; with method count on its CountVectorizer, which does not weigh; with
    hashing on its HashingVectorizer, which learns nothing and lets words share columns. At most ``max_features``
    columns for each column of text, of up to ``ngrams`` words in a row, or, ``by`` character, of as many characters of
    a word. Takes text and categorical columns; a missing cell has no words, nor do words count that training rows lack.
    Models after it have no ONNX copy.
    """

    name: ClassVar[str] = "text_vectors"
    takes: ClassVar[frozenset[Kind]] = frozenset({"categorical", "text"})
    output: ClassVar[Output] = "generated"
    fills_nulls: ClassVar[bool] = True
    takes_generated: ClassVar[bool] = False
    types: ClassVar[tuple[str, ...]] = (
        "skyulf.core.texts.TextVectors",
        "sklearn.feature_extraction.text.CountVectorizer",
        "sklearn.feature_extraction.text.HashingVectorizer",
        "sklearn.feature_extraction.text.TfidfTransformer",
        "sklearn.feature_extraction.text.TfidfVectorizer",
    )

    max_features: int = Field(default=200, ge=1)
    method: Literal["tfidf", "count", "hashing"] = "tfidf"
    ngrams: int = Field(default=1, ge=1)
    by: Literal["word", "character"] = "word"

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """One column for each word that is kept, or for each place that words share."""
        if self.method == "hashing":
            count = self.max_features
            return tuple(
                Made((s.name,), f"those that the words of {s.name} share", None, count, count) for s in sources
            )
        return tuple(one_for_each(source, "of the commonest words", self.max_features) for source in sources)

    def build(self, _: BuildContext) -> Any:
        """Make a transformer of texts."""
        from skyulf.core import texts

        return texts.TextVectors(self.max_features, self.method, self.ngrams, self.by)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Count words."""
        compute: Callable[[Any], Any] = fitted.compute
        return compute


class SentenceEmbedding(Step):
    """Replaces each column of text by the direction in which its meaning lies: ``dimensions`` numbers for each.

    Texts that say the like in other words get like numbers. They are the mean of the vectors of a text's tokens, which
    WordLlama (2024; static vectors taken from large language models) brings in its package, so that nothing is fetched,
    and nothing is learnt of the rows; made for English above all. A text without words, or a missing cell, has 0 in
    all; of a text 100,000 characters count. A model keeps the vectors' digest, and is not applied with others. Builds
    on wordllama, an extra (pip install 'skyulf[wordllama]'). Models after it have no ONNX copy.
    """

    name: ClassVar[str] = "sentence_embedding"
    takes: ClassVar[frozenset[Kind]] = frozenset({"categorical", "text"})
    output: ClassVar[Output] = "generated"
    fills_nulls: ClassVar[bool] = True
    takes_generated: ClassVar[bool] = False
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.embedding.SentenceVectors",)
    needs: ClassVar[str | None] = "wordllama"

    dimensions: Literal[64, 128, 256] = 64

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """So many columns for each column of text."""
        count = self.dimensions
        return tuple(Made((s.name,), f"the vector of {s.name}", None, count, count) for s in sources)

    def build(self, _: BuildContext) -> Any:
        """Make a transformer of texts."""
        from skyulf.core import embedding

        return embedding.SentenceVectors(self.dimensions)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Look up vectors."""
        compute: Callable[[Any], Any] = fitted.compute
        return compute
