"""Persons and places of a text, word by word, from the spaCy pipeline of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark_plugins.assets import SPACY_EN
from benchmark_plugins.attacks.assets import PIPELINE

if TYPE_CHECKING:
    from benchmark.api import Resources

EXCLUDED = ("tok2vec", "tagger", "parser", "lemmatizer", "attribute_ruler", "senter")
"""Everything but the recogniser, which has token vectors of its own."""
PERSON = frozenset({"PERSON"})
PLACE = frozenset({"GPE", "LOC"})


class Entity(NamedTuple):
    """Words ``start`` to ``end`` (exclusive)."""

    start: int
    end: int
    is_person: bool


class SpacyEntities:
    """Read-only: nothing is remembered between calls."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    @classmethod
    def load(cls, resources: Resources) -> SpacyEntities:
        """The recogniser of the catalogue's pipeline, loaded by path."""
        import spacy

        return cls(spacy.load(resources.extract(SPACY_EN) / PIPELINE, exclude=list(EXCLUDED)))

    def find(self, words: Sequence[str]) -> list[Entity]:
        """Persons and places, from left to right. Nationalities, organisations and all else are left out."""
        from spacy.tokens import Doc

        if not words:
            return []
        doc = self._pipeline(Doc(self._pipeline.vocab, words=list(words)))
        return [
            Entity(found.start, found.end, found.label_ in PERSON)
            for found in doc.ents
            if found.label_ in PERSON | PLACE
        ]
