"""Words of a text and what may stand for them: shared by the defenses that substitute synonyms."""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmark import SynonymTable

WORD = re.compile(r"\w+(?:['’\-]\w+)*")
"""A word: what apostrophes and hyphens join inside it is one. "well-made" is looked up as a whole, as attacks do."""


def like(word: str, pattern: str) -> str:
    """Lower-case ``word`` in the case of ``pattern``: all capitals (two letters or more), capitalised, or as it is."""
    if len(pattern) > 1 and pattern.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if pattern[:1].isupper() else word


def candidates(table: SynonymTable, word: str, second_order: bool = False) -> Iterator[tuple[str, bool]]:
    """Substitutes of ``word`` in its case, each once, nearest first; with ``second_order`` the neighbours of those
    after them. The flag says which are of second order. What is not one word in a text is left out."""
    lower = word.lower()
    seen = {lower}
    first = [name for name, _ in table.neighbours(lower)]
    further = [name for near in first for name, _ in table.neighbours(near)] if second_order else []
    for names, second in ((first, False), (further, True)):
        for name in names:
            if name not in seen and WORD.fullmatch(name):
                seen.add(name)
                yield like(name, word), second
