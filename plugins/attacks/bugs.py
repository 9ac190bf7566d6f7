"""Character edits for TextAttack's searches: what the library lacks, or cannot build from its package."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from benchmark_plugins.attacks.homoglyphs import SIMILAR
from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.transformations import CompositeTransformation  # noqa: E402
from textattack.transformations.word_swaps.word_swap import WordSwap  # noqa: E402


class HomoglyphBug(WordSwap):  # type: ignore[misc]
    """Each character of a word in turn by its look-alike.

    The library's ``WordSwapHomoglyphSwap`` opens a file on construction that its package does not contain.
    """

    def _get_replacement_words(self, word: str) -> list[str]:
        return [word[:i] + SIMILAR[c] + word[i + 1 :] for i, c in enumerate(word) if c in SIMILAR]


class EveryInsertion(WordSwap):  # type: ignore[misc]
    """Every letter in every gap inside a word, from left to right; first and last letter keep their places.

    The library inserts one random letter in each gap but the last, and calls that deterministic.
    """

    def __init__(self, letters: str) -> None:
        super().__init__(letters_to_insert=letters)

    def _get_replacement_words(self, word: str) -> list[str]:
        return [word[:i] + letter + word[i:] for i in range(1, len(word)) for letter in self.letters_to_insert]


class LimitedComposite(CompositeTransformation):  # type: ignore[misc]
    """All candidates of several transformations, but at most ``limit`` for one position, evenly picked among them.

    Evenly, because the kinds of edit follow one another in the list: the first ones would be of one kind only.
    """

    def __init__(self, transformations: list[Any], limit: int | None) -> None:
        super().__init__(transformations)
        self.limit = limit

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        found = super().__call__(*args, **kwargs)
        if self.limit is None or kwargs.get("return_indices"):
            return found
        groups = groupby(sorted(found, key=_place), key=_place)
        return [text for _, group in groups for text in evenly(list(group), self.limit)]


def _place(text: Any) -> int:
    """The first edited word: an inserted blank marks two."""
    return int(min(text.attack_attrs["newly_modified_indices"], default=-1))


def evenly(items: Iterable[Any], limit: int) -> list[Any]:
    """At most ``limit`` items, at even distances, the first among them."""
    every = list(items)
    return every if len(every) <= limit else [every[i * len(every) // limit] for i in range(limit)]
