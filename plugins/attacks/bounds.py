"""Bounds of recipes whose library version has none, or stops with an error on some texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.constraints import Constraint, PreTransformationConstraint  # noqa: E402

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DECIMALS = 6


class FirstWords(PreTransformationConstraint):  # type: ignore[misc]
    """Only the first ``count`` words may be edited: a search that tries every word would not end on a long text."""

    def __init__(self, count: int) -> None:
        self.count = count

    def _get_modifiable_indices(self, current_text: Any) -> set[int]:
        return set(range(min(self.count, current_text.num_words)))


class WordsLeft(PreTransformationConstraint):  # type: ignore[misc]
    """Nothing may be edited any more in a text of ``count`` words or fewer."""

    def __init__(self, count: int) -> None:
        self.count = count

    def _get_modifiable_indices(self, current_text: Any) -> set[int]:
        return set(range(current_text.num_words)) if current_text.num_words > self.count else set()


class MeanVectorDistance(Constraint):  # type: ignore[misc]
    """Squared distance between the mean word vectors of a candidate and of the original, at most ``largest``.

    The library's ``ThoughtVector`` looks words up as they are spelled (no capitalised word is known), keeps its answers
    for the whole process, and fails on a text without a known word, which here has the zero vector.
    """

    def __init__(self, embedding: Any, largest: float) -> None:
        super().__init__(compare_against_original=True)
        self._embedding = embedding
        self.largest = largest

    def _check_constraint(self, transformed_text: Any, reference_text: Any) -> bool:
        return bool(self._check_constraint_many([transformed_text], reference_text))

    def _check_constraint_many(self, transformed_texts: Sequence[Any], reference_text: Any) -> list[Any]:
        old = self._mean(reference_text)
        return [
            text
            for text in transformed_texts
            if round(float(((self._mean(text) - old) ** 2).sum()), DECIMALS) <= self.largest
        ]

    def _mean(self, text: Any) -> NDArray[np.float64]:
        import numpy as np

        found = [self._embedding[word.lower()] for word in text.words]
        known = [vector for vector in found if vector is not None]
        return np.mean(np.asarray(known, dtype=np.float64), axis=0) if known else np.zeros(1)
