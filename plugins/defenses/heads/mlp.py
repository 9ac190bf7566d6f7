"""``mlp``: the usual classification head on the first token, all weights trained (the baseline of arXiv 2303.07320).

Shape of the head (RoBERTa's sequence-classification head, which the paper's MLP-FT uses): dropout, dense, tanh,
dropout, linear. It starts random: normal with the model's own ``initializer_range``, biases zero.
"""

from __future__ import annotations

from typing import Any

from benchmark import Capability, Head, MaskedLanguageModel, NoOptions, Task


def build(base: MaskedLanguageModel, task: Task, options: NoOptions) -> Any:
    """The network; the head's weights are drawn from torch's global stream, which the caller seeds."""
    from benchmark_plugins.defenses.heads.network import FirstTokenNetwork

    return FirstTokenNetwork(base, task, dense=True)


MLP = Head(
    name="mlp",
    build=build,
    offers=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS, Capability.HIDDEN_STATES}),
    version=2,
    about="dropout, dense, tanh, dropout, linear on the first token, randomly initialised",
    paper="Raman et al., EMNLP 2023, arXiv 2303.07320 (MLP-FT)",
)
