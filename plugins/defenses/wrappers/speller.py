"""A dictionary spelling corrector: words to words, everything else of a text untouched.

A word of the dictionary stays. Another is replaced by the most frequent word of the dictionary at edit distance 1, else
at distance 2, else it stays; an edit inserts, deletes or replaces a letter or exchanges two neighbours. Equal counts
are decided by the alphabet.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

from benchmark import BenchError
from benchmark_plugins.defenses.words import like

DICTIONARY = "frequency_dictionary_en_82_765.txt"
DICTIONARY_SHA256 = "68e9dc81c7e73bd7310b57e516ecaea0d8b6387ff71344a57c04174650a407a7"
PACKAGE = "symspellpy"
PACKAGE_VERSION = "6.10.1"

COMPOUND = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
"""Letters and digits, with apostrophes inside."""
PART = re.compile(r"[^\W_]+")
CACHED = 100_000


@lru_cache(maxsize=1)
def frequencies() -> Mapping[str, int]:
    """Lower-case words and their counts; raises BenchError when the package's list is not the one this was made for."""
    data = (resources.files(PACKAGE) / DICTIONARY).read_bytes()
    if hashlib.sha256(data).hexdigest() != DICTIONARY_SHA256:
        raise BenchError(
            f"the word list of the installed {PACKAGE} is not that of version {PACKAGE_VERSION}",
            f"Install {PACKAGE}=={PACKAGE_VERSION}: another list is another defense",
        )
    lines = data.decode("utf-8-sig").splitlines()
    return {word: int(count) for word, count in (line.split() for line in lines if line.strip())}


class Speller:
    """Corrects texts.

    ``protected`` strings (mask and unknown token) are never looked at, words shorter than ``min_length`` stay. Without
    ``known``, lower-case words and their counts, those are :func:`frequencies`.
    """

    def __init__(
        self,
        protected: Sequence[str] = (),
        distance: int = 2,
        min_length: int = 3,
        known: Mapping[str, int] | None = None,
    ) -> None:
        if distance not in (1, 2):
            raise ValueError(f"distance must be 1 or 2, got {distance}")
        self._distance, self._min_length = distance, min_length
        self._known = frequencies() if known is None else known
        alternatives = "|".join(re.escape(string) for string in protected)
        self._protected = re.compile(f"({alternatives})") if alternatives else None
        self._best = lru_cache(maxsize=CACHED)(self._search)

    def correct(self, text: str) -> str:
        """``text`` with its words corrected. It has as many words, and the same whitespace, digits and punctuation.

        Correcting again changes nothing. A corrected word is lower-case, capitalised or in capitals as it was before.
        """
        pieces = [text] if self._protected is None else self._protected.split(text)
        return "".join(piece if number % 2 else self._piece(piece) for number, piece in enumerate(pieces))

    def _piece(self, text: str) -> str:
        made = COMPOUND.sub(self._compound, text)
        forged = self._protected is not None and self._protected.search(made)
        return text if forged else made  # "[MAKS]" does not become a mask

    def _compound(self, found: re.Match[str]) -> str:
        whole = found[0]
        if any(not character.isalpha() for character in whole if character not in "'’"):
            return whole  # digits are kept, and a word that is partly digits is no misspelling of one
        if whole.lower().replace("’", "'") in self._known:
            return whole
        alone = PART.fullmatch(whole) is not None
        return PART.sub(lambda part: self._word(part[0], alone), whole)

    def _word(self, word: str, alone: bool) -> str:
        lower = word.lower()
        if len(word) < self._min_length or lower in self._known:
            return word
        best = self._best(lower, alone)
        return word if best is None else like(best, word)

    def _search(self, word: str, alone: bool) -> str | None:
        """The nearest word, the most frequent of equals. Contractions ("didn't") only for a word standing ``alone``:
        beside an apostrophe they would be read as something else the next time."""
        from symspellpy import Verbosity

        found = self._index.lookup(word, Verbosity.ALL, max_edit_distance=self._distance)
        nearest = [(s.distance, -s.count, s.term) for s in found if alone or s.term.isalpha()]
        return min(nearest)[2] if nearest else None

    @cached_property
    def _index(self) -> Any:
        """The search index; made at the first unknown word, for it takes seconds."""
        from symspellpy import SymSpell

        index = SymSpell(max_dictionary_edit_distance=self._distance)
        for word, count in self._known.items():
            index.create_dictionary_entry(word, count)
        return index
