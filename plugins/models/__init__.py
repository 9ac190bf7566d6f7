"""Built-in models: the embedded masked LM, a tiny random one for tests, the sentence encoder, tables of words."""

from __future__ import annotations

from collections.abc import Callable

from benchmark import Model, hookimpl


@hookimpl
def register_models(register: Callable[[Model], None]) -> None:
    """Register the base models, the encoder ``muse-v3``, ``counterfit-synonyms`` and ``wordnet-lexicon``."""
    from benchmark_plugins.models import lexicon, sentence_encoder, synonyms, tiny_causal, tiny_random
    from benchmark_plugins.models.minilm_mlm import load

    register(load.model())
    register(tiny_random.MODEL)
    register(tiny_causal.MODEL)
    register(synonyms.MODEL)
    register(sentence_encoder.MODEL)
    register(lexicon.MODEL)
