"""CheckList's invariance edits for TextAttack's searches: contractions, names, numbers and places.

Written anew because the library's classes have defects that change what they propose: a contraction is found only while
all words before it are free, and in lower case; a number word is found inside other words ("one" in "phone"), and
its replacement may delete words of its own; and names need a tagger that is downloaded. Random draws come from numpy's
global state, which the run seeds, in the library's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from benchmark_plugins.attacks.entities import SpacyEntities
from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.shared.data import EXTENSION_MAP, NAMED_ENTITIES, PERSON_NAMES  # noqa: E402
from textattack.transformations.word_swaps.word_swap import WordSwap  # noqa: E402

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion"
)
JOINTS = frozenset({"point", "and"})
LONGEST = 18
"""Digits of the longest number that a 64-bit draw can change."""


def like(pattern: str, word: str) -> str:
    """``word`` with a capital at its start if ``pattern`` has one."""
    return word[:1].upper() + word[1:] if pattern[:1].isupper() else word


class Extend(WordSwap):  # type: ignore[misc]
    """ "isn't" becomes "is not", in any case of the first letter."""

    def __init__(self, table: Mapping[str, str] = EXTENSION_MAP) -> None:
        super().__init__()
        self._table = {key.lower(): value for key, value in table.items()} | dict(table)

    def _get_replacement_words(self, word: str) -> list[str]:
        found = self._table.get(word) or self._table.get(word.lower())
        return [like(word, found)] if found else []


class Contract(WordSwap):  # type: ignore[misc]
    """ "is not" becomes "isn't" wherever both words are free."""

    def __init__(self, table: Mapping[str, str] = EXTENSION_MAP) -> None:
        super().__init__()
        self._table = {value.lower(): key for key, value in table.items()}

    def _get_transformations(self, current_text: Any, indices_to_modify: Iterable[int]) -> list[Any]:
        words, free = current_text.words, {int(i) for i in indices_to_modify}
        texts = []
        for i in sorted(free):
            if i + 1 in free and (found := self._table.get(f"{words[i]} {words[i + 1]}".lower())):
                texts.append(current_text.replace_words_at_indices([i, i + 1], [like(words[i], found), ""]))
        return texts


class ChangeNumber(WordSwap):  # type: ignore[misc]
    """A number in digits or in words becomes ``count`` random ones, at most ``max_change`` times itself away."""

    def __init__(self, max_change: float, count: int) -> None:
        super().__init__()
        self.max_change = max_change
        self.count = count

    def _get_transformations(self, current_text: Any, indices_to_modify: Iterable[int]) -> list[Any]:
        words, free = current_text.words, sorted(int(i) for i in indices_to_modify)
        numbers = [(i,) for i in free if words[i].isascii() and words[i].isdigit()]
        texts = []
        for places in [*numbers, *written_numbers(words, free)]:
            for new in self._others([words[i] for i in places]):
                texts.append(current_text.replace_words_at_indices(places, [new, *[""] * (len(places) - 1)]))
        return texts

    def _others(self, words: Sequence[str]) -> list[str]:
        from num2words import num2words
        from word2number import w2n

        if words[0].isdigit():
            return [str(n) for n in self._draw(int(words[0]))] if len(words[0]) <= LONGEST else []
        try:
            return [num2words(n) for n in self._draw(w2n.word_to_num(" ".join(words).lower()))]
        except (ValueError, IndexError):  # words that make no number, such as "ten seven"
            return []

    def _draw(self, number: float) -> list[int]:
        """The library leaves 0, 2 and 4 alone: "to" and "for" are written so."""
        import numpy as np

        if number in (0, 2, 4):
            return []
        change = abs(int(number * self.max_change)) + 1
        low, high = max(int(number) - change, 1), int(number) + change
        return [int(n) for n in np.random.randint(low, high, self.count, dtype=np.int64)]


def written_numbers(words: Sequence[str], free: Sequence[int]) -> list[tuple[int, ...]]:
    """Positions of each run of number words. "and" and "point" belong to one only between two of them."""
    units = frozenset(UNITS.split())
    kept: list[int] = []
    for i in free:
        word = words[i].lower()
        is_joint = word in JOINTS and bool(kept) and kept[-1] == i - 1
        if is_joint or (word and all(part in units for part in word.split("-"))):
            kept.append(i)
    runs = [[i for _, i in group] for _, group in groupby(enumerate(kept), key=lambda pair: pair[1] - pair[0])]
    for run in runs:
        while run and words[run[-1]].lower() in JOINTS:
            run.pop()
    return [tuple(run) for run in runs if run]


class _EntitySwap(WordSwap):  # type: ignore[misc]
    """Asks the recogniser; ``count`` random others for each name found."""

    def __init__(self, entities: SpacyEntities, count: int) -> None:
        super().__init__()
        self._entities = entities
        self.count = count

    def _draw(self, names: Sequence[str]) -> list[str]:
        import numpy as np

        return [str(name) for name in np.random.choice(names, self.count)]


class ChangeName(_EntitySwap):
    """The first word of a person becomes other first names; the last of several, other family names."""

    def _get_transformations(self, current_text: Any, indices_to_modify: Iterable[int]) -> list[Any]:
        lists: dict[int, str] = {}
        for found in self._entities.find(current_text.words):
            if found.is_person:
                lists[found.end - 1] = "last"
                lists[found.start] = "first"
        free = sorted({int(i) for i in indices_to_modify} & set(lists))
        return [
            current_text.replace_word_at_index(i, name) for i in free for name in self._draw(PERSON_NAMES[lists[i]])
        ]


class ChangeLocation(_EntitySwap):
    """A country, nationality or city that the library's lists know becomes another of the same list."""

    def _get_transformations(self, current_text: Any, indices_to_modify: Iterable[int]) -> list[Any]:
        words, free = current_text.words, {int(i) for i in indices_to_modify}
        texts = []
        for found in self._entities.find(words):
            places = list(range(found.start, found.end))
            if found.is_person or not free.issuperset(places):
                continue
            name = " ".join(words[i].capitalize() for i in places)
            kind = next((k for k in ("country", "nationality", "city") if name in NAMED_ENTITIES[k]), None)
            for other in self._draw(NAMED_ENTITIES[kind]) if kind else ():
                texts.append(current_text.replace_words_at_indices(places, [other, *[""] * (len(places) - 1)]))
        return texts
