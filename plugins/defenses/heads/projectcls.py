"""``projectcls``: tanh of the first token's last state, dropout, one linear layer (ProjectCLS of arXiv 2303.07320).

``mlp`` without its dense layer: the paper's ablation with fewer random weights. All weights are trained.
"""

from __future__ import annotations

from typing import Any

from benchmark import Capability, Head, MaskedLanguageModel, NoOptions, Task


def build(base: MaskedLanguageModel, task: Task, options: NoOptions) -> Any:
    """The network; the linear layer's weights are drawn from torch's global stream, which the caller seeds."""
    from benchmark_plugins.defenses.heads.network import FirstTokenNetwork

    return FirstTokenNetwork(base, task, dense=False)


PROJECTCLS = Head(
    name="projectcls",
    build=build,
    offers=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS, Capability.HIDDEN_STATES}),
    about="tanh, dropout, linear on the first token: mlp without its dense layer",
    paper="Raman et al., EMNLP 2023, arXiv 2303.07320 (ProjectCLS)",
)
