"""Built-in models: the embedded masked LM, a tiny random one for tests, and the sentence encoder."""

from __future__ import annotations

from collections.abc import Callable

from benchmark import Model, hookimpl


@hookimpl
def register_models(register: Callable[[Model], None]) -> None:
    """Register ``minilm-mlm``, ``tiny-random`` and ``muse-v3``."""
    from benchmark_plugins.models import sentence_encoder, tiny_random
    from benchmark_plugins.models.minilm_mlm import load

    register(load.model())
    register(tiny_random.MODEL)
    register(sentence_encoder.MODEL)
