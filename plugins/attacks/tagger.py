"""Part-of-speech tags by position, from the spaCy pipeline of the catalogue, in the 12-tag universal set."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

CACHE_SIZE = 1 << 16
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


class SpacyTagger:
    """Tags words in context, in batches, with a bounded cache that all examples share.

    An answer does not depend on what it is asked with: the pipeline's scores of a window are the same to the last bit
    in every batch (its products are those of BLIS, and windows are not padded).
    """

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._cache: OrderedDict[Query, str] = OrderedDict()

    @classmethod
    def load(cls, folder: Path) -> SpacyTagger:
        """From the folder of a spaCy pipeline; only its token vectors and its tagger are loaded."""
        import spacy

        return cls(spacy.load(folder, exclude=list(EXCLUDED)))

    def tags(self, queries: Sequence[Query]) -> list[str]:
        """The universal tag of each query's word."""
        from spacy.tokens import Doc

        new = [q for q in dict.fromkeys(queries) if q not in self._cache]
        docs = [Doc(self._pipeline.vocab, words=list(q.words)) for q in new]
        fresh = {
            query: universal(doc[query.position].tag_)
            for query, doc in zip(new, self._pipeline.pipe(docs, batch_size=256), strict=True)
        }
        answers = [fresh.get(q) or self._cache[q] for q in queries]
        self._cache.update(fresh)
        while len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)
        return answers
