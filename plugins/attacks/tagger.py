"""Part-of-speech tags by position, from the spaCy pipeline of the catalogue, in the 12-tag universal set."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark_plugins.attacks.tag_network import REACH, TagNetwork, Window

if TYPE_CHECKING:
    from pathlib import Path

CACHE_SIZE = 1 << 16
"""Tags kept, about 300 bytes each with their context."""
EXCLUDED = ("ner", "parser", "lemmatizer", "attribute_ruler", "senter")

# Penn Treebank tag -> universal tag (Petrov et al. 2012), by prefix where a family shares one.
_FAMILIES = (("NN", "NOUN"), ("VB", "VERB"), ("JJ", "ADJ"), ("RB", "ADV"), ("PRP", "PRON"))
_SINGLE = {
    "CC": "CONJ", "CD": "NUM", "DT": "DET", "EX": "DET", "PDT": "DET", "WDT": "DET", "IN": "ADP", "MD": "VERB",
    "POS": "PRT", "RP": "PRT", "TO": "PRT", "WP": "PRON", "WP$": "PRON", "WRB": "ADV", "BES": "VERB", "HVS": "VERB",
    "HYPH": ".", "NFP": ".", "-LRB-": ".", "-RRB-": ".",
}  # fmt: skip


def universal(tag: str) -> str:
    """The universal tag of a Penn Treebank tag; ``X`` for foreign words, symbols and unknown tags."""
    for prefix, family in _FAMILIES:
        if tag.startswith(prefix):
            return family
    if tag in _SINGLE:
        return _SINGLE[tag]
    return "." if tag and not any(c.isalnum() for c in tag) else "X"


class Query(NamedTuple):
    """The word at ``position`` of a few words of context."""

    words: tuple[str, ...]
    position: int

    def window(self) -> Window:
        """What the tag depends on: ``REACH`` words on each side, None past an end."""
        start, stop = self.position - REACH, self.position + REACH + 1
        outside = (None,) * max(0, -start), (None,) * max(0, stop - len(self.words))
        return (*outside[0], *self.words[max(0, start) : stop], *outside[1])


class SpacyTagger:
    """Tags words in context, in batches, with a bounded cache. An answer depends on its query alone.

    ``network`` has ``tags(windows) -> tags``, such as :class:`benchmark_plugins.attacks.tag_network.TagNetwork`.
    """

    def __init__(self, network: Any, capacity: int = CACHE_SIZE) -> None:
        self._network, self._capacity = network, capacity
        self._cache: OrderedDict[Window, str] = OrderedDict()

    @classmethod
    def load(cls, folder: Path) -> SpacyTagger:
        """From the folder of a spaCy pipeline; only its token vectors and its tagger are loaded."""
        import spacy

        return cls(TagNetwork(spacy.load(folder, exclude=list(EXCLUDED))))

    def tags(self, queries: Sequence[Query]) -> list[str]:
        """The universal tag of each query's word."""
        windows = [query.window() for query in queries]
        wanted = dict.fromkeys(windows)
        found = {window: self._cache[window] for window in wanted if window in self._cache}
        new = [window for window in wanted if window not in found]
        found.update(zip(new, map(universal, self._network.tags(new)), strict=True))
        for window in wanted:
            self._cache[window] = found[window]
            self._cache.move_to_end(window)
        while len(self._cache) > self._capacity:
            self._cache.popitem(last=False)
        return [found[window] for window in windows]
