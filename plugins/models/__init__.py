"""Built-in models: the embedded masked LM, a tiny random one for tests, and the sentence encoder."""

from __future__ import annotations

from collections.abc import Callable

from benchmark import Model, hookimpl


@hookimpl
def register_models(register: Callable[[Model], None]) -> None:
    """Register ``minilm-mlm``, ``tiny-random``, ``tiny-causal``, ``muse-v3`` and ``counterfit-synonyms``."""
    from benchmark_plugins.models import sentence_encoder, synonyms, tiny_causal, tiny_random
    from benchmark_plugins.models.minilm_mlm import load

    register(load.model())
    register(tiny_random.MODEL)
    register(tiny_causal.MODEL)
    register(synonyms.MODEL)
    register(sentence_encoder.MODEL)
