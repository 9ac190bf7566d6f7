"""Classifiers that change what goes into another one, or what comes out, without any random draw of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from benchmark import Classifier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    TextMap = Callable[[str], str]
    LogitMap = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Mapped:
    """``after(inner.logits(before(text)))``; a map that is not given changes nothing."""

    def __init__(self, inner: Classifier, before: TextMap | None = None, after: LogitMap | None = None) -> None:
        self.inner, self.before, self.after = inner, before, after
        self.forwards_per_prediction = inner.forwards_per_prediction

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits ``[N, C]``."""
        found = self.inner.logits(texts if self.before is None else [self.before(text) for text in texts])
        return found if self.after is None else self.after(found)


class RandomMapped(Mapped):
    """The same around a randomised classifier."""

    def redrawn(self, draw: int) -> Classifier:
        """This classifier around ``inner`` with other random numbers."""
        return mapped(redrawn(self.inner, draw), self.before, self.after)


def mapped(inner: Classifier, before: TextMap | None = None, after: LogitMap | None = None) -> Classifier:
    """The maps around ``inner``; randomised, that is with a method ``redrawn``, where ``inner`` is."""
    kind = RandomMapped if hasattr(inner, "redrawn") else Mapped
    return kind(inner, before, after)


def redrawn(classifier: Any, draw: int) -> Classifier:
    """``classifier`` with other random numbers, or as it is where it draws none."""
    again: Callable[[int], Classifier] | None = getattr(classifier, "redrawn", None)
    return classifier if again is None else again(draw)
