"""CLARE's insertions and merges (Li et al. 2021): a masked language model fills a mask that a text gains.

Both read the whole text around the mask. The library cuts a window from the first word to the last one, which breaks
the mask's own brackets at the ends of a text: it never inserts before the first word and never merges the last two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmark import COLUMN_SEPARATOR
from benchmark_plugins.attacks.spans import word_spans
from benchmark_plugins.attacks.tagger import Query, SpacyTagger
from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.transformations import Transformation  # noqa: E402

from benchmark_plugins.attacks.transformations import Filler, likely_words, mask_probabilities  # noqa: E402

BEFORE, AFTER = 4, 3
"""Words of context for a tag, as for the suite's part-of-speech constraint."""

MERGES = {
    "NOUN": ("NOUN",),
    "ADJ": ("NOUN", "NUM", "ADJ", "ADV"),
    "ADV": ("ADJ", "VERB"),
    "VERB": ("ADV", "VERB", "NOUN", "ADJ"),
    "DET": ("NOUN", "ADJ"),
    "PRON": ("NOUN", "ADJ"),
    "NUM": ("NUM", "NOUN"),
}
"""Universal tag of a word -> tags of a next word it may be merged with (CLARE's program, as in TextAttack)."""


class MaskedInsertion(Transformation):  # type: ignore[misc]
    """A new word before each word: the most probable whole words at a mask that is put there."""

    def __init__(self, source: Filler, max_candidates: int, min_confidence: float) -> None:
        super().__init__()
        self._source = source
        self.max_candidates = max_candidates
        self.min_confidence = min_confidence

    def _get_transformations(self, current_text: Any, indices_to_modify: Iterable[int]) -> list[Any]:
        indices = sorted(int(i) for i in indices_to_modify)
        mask = self._source.tokenizer.mask_token
        masked = [current_text.insert_text_before_word_index(i, mask).text for i in indices]
        earlier = [current_text.text_until_word_index(i).count(mask) for i in indices]
        made = []
        for index, found in zip(indices, mask_probabilities(self._source, masked, earlier), strict=True):
            old = current_text.words[index]
            words = likely_words(self._source, found, self.max_candidates, self.min_confidence, old)
            made += [current_text.insert_text_before_word_index(index, word) for word in words]
        return made


class MaskedMerge(Transformation):  # type: ignore[misc]
    """One new word in place of two neighbours whose tags allow it, both of which may be modified.

    The library merges whatever the tags allow, also words that were modified before, and across the columns of a pair.
    """

    def __init__(self, source: Filler, tagger: SpacyTagger, max_candidates: int, min_confidence: float) -> None:
        super().__init__()
        self._source = source
        self._tagger = tagger
        self.max_candidates = max_candidates
        self.min_confidence = min_confidence

    def _get_transformations(self, current_text: Any, indices_to_modify: Iterable[int]) -> list[Any]:
        places = self.places(current_text, {int(i) for i in indices_to_modify})
        mask = self._source.tokenizer.mask_token
        masked = [current_text.replace_word_at_index(i, mask).delete_word_at_index(i + 1).text for i in places]
        earlier = [current_text.text_until_word_index(i).count(mask) for i in places]
        made = []
        for index, found in zip(places, mask_probabilities(self._source, masked, earlier), strict=True):
            old = current_text.words[index]
            words = likely_words(self._source, found, self.max_candidates, self.min_confidence, old)
            shorter = current_text.delete_word_at_index(index + 1)
            made += [shorter.replace_word_at_index(index, word) for word in words]
        return made

    def places(self, text: Any, allowed: set[int]) -> list[int]:
        """Positions of first words of pairs that may be merged."""
        pairs = [i for i in sorted(allowed) if i + 1 in allowed and i + 1 < text.num_words]
        if not pairs:
            return []
        spans = word_spans(text.text, text.words)
        pairs = [i for i in pairs if COLUMN_SEPARATOR not in text.text[spans[i][1] : spans[i + 1][0]]]
        wanted = sorted({i + step for i in pairs for step in (0, 1)})
        tags = dict(zip(wanted, self._tagger.tags([self._query(text.words, i) for i in wanted]), strict=True))
        return [i for i in pairs if tags[i + 1] in MERGES.get(tags[i], ())]

    @staticmethod
    def _query(words: list[str], i: int) -> Query:
        start = max(0, i - BEFORE)
        return Query(tuple(words[start : i + 1 + AFTER]), i - start)
