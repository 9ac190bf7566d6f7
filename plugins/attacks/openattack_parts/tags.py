"""Parts of speech of all tokens of a text, in OpenAttack's five classes, from the spaCy pipeline of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark_plugins.assets import SPACY_EN
from benchmark_plugins.attacks.assets import PIPELINE
from benchmark_plugins.attacks.tagger import EXCLUDED, universal

if TYPE_CHECKING:
    from benchmark.api import Resources

CLASSES = {"NOUN": "noun", "VERB": "verb", "ADJ": "adj", "ADV": "adv"}


class TextTagger:
    """Tags whole texts. Keeps no answers, so that an example cannot depend on the one before."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    @classmethod
    def load(cls, resources: Resources) -> TextTagger:
        """By path; only the pipeline's token vectors and its tagger are loaded."""
        import spacy

        pipeline = spacy.load(resources.extract(SPACY_EN) / PIPELINE, exclude=list(EXCLUDED))
        return resources.tool("tagging", cls(pipeline), ["many"])

    def __call__(self, tokens: Sequence[str]) -> list[str]:
        """``noun``, ``verb``, ``adj``, ``adv`` or ``other`` for each token."""
        return self.many([tokens])[0]

    def many(self, texts: Sequence[Sequence[str]]) -> list[list[str]]:
        """The same for several texts, in one batch."""
        from spacy.tokens import Doc

        docs = self._pipeline.pipe([Doc(self._pipeline.vocab, words=list(tokens)) for tokens in texts], batch_size=256)
        return [[CLASSES.get(universal(token.tag_), "other") for token in doc] for doc in docs]
