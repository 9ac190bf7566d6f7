"""Word substitutes of the catalogue, as OpenAttack calls them: ``(word, part of speech or None) -> [(word, score)]``.

They stand in for classes that load files of the library's own server. They never propose the word itself, and asked
for no part of speech they look up the *same* word in each (the library's base class goes on with the last substitute).
An unknown word has an empty list, which every attacker takes as well as the library's exception.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark_plugins.attacks.embedding import Table
    from benchmark_plugins.attacks.synsets import Synsets

PARTS = ("adv", "adj", "noun", "verb")
"""In the order in which the library goes through them."""
COPULAS = frozenset({"be", "is", "are", "am"})


class Substitutes:
    """``find(word, part)`` returns at most ``k`` words, the best first; ``word`` is in lower case."""

    def __init__(self, find: Callable[[str, str], list[str]], k: int, tags: frozenset[Any]) -> None:
        self._find, self._k, self.TAGS = find, k, set(tags)

    def __call__(self, word: str, pos: str | None = None) -> list[tuple[str, float]]:
        parts = PARTS if pos is None else (pos,)
        found = dict.fromkeys(other for part in parts for other in self._find(word.lower(), part))
        return [(other, 1.0) for other in found if other != word.lower()][: self._k]


def of_wordnet(synsets: Synsets, k: int, tags: frozenset[Any]) -> Substitutes:
    """Single-word lemmas of the synsets of that part of speech, the most frequent sense first; none for forms of be."""

    def find(word: str, part: str) -> list[str]:
        if part not in synsets.senses or word in COPULAS:
            return []
        senses = (sense for form in synsets.forms(word, part) for sense in synsets.senses[part][form])
        return [other.lower() for sense in senses for other in sense]

    return Substitutes(find, k, tags)


def of_vectors(table: Table, k: int, min_cos_sim: float, tags: frozenset[Any]) -> Substitutes:
    """The nearest counter-fitted vectors with at least that cosine, whatever the part of speech."""
    index = {word: i for i, word in enumerate(table.words)}

    def find(word: str, part: str) -> list[str]:
        row = index.get(word)
        if row is None:
            return []
        near = table.neighbours[row][1:]
        cosines = table.vectors[near] @ table.vectors[row]
        return [table.words[int(i)] for i, cosine in zip(near, cosines, strict=True) if cosine >= min_cos_sim]

    return Substitutes(find, k, tags)
