"""``mlp-scratch`` and ``mvp-scratch``: the heads ``mlp`` and ``mvp`` on a model that was never pre-trained.

Untrained MLP-FT and untrained MVP of arXiv 2303.07320: the base's network is made anew from its configuration, random
weights and all, before the head is built. Whether prompts help without pre-training is what the two show together.
"""

from __future__ import annotations

import copy
from typing import Any

from benchmark import Capability, Head, MaskedLanguageModel, NoOptions, Task
from benchmark_plugins.defenses.heads import mlp, mvp


def untrained(base: MaskedLanguageModel) -> MaskedLanguageModel:
    """A new network of ``base``'s class and configuration, its weights drawn from torch's global stream.

    Attention implementation, tied decoder and device are those of ``base``, which is left as it was.
    """
    network: Any = type(base.network)(copy.deepcopy(base.network.config))
    network.tie_weights()
    network.to(next(base.network.parameters()).device)
    return MaskedLanguageModel(network.eval(), base.tokenizer)


def build_mlp(base: MaskedLanguageModel, task: Task, options: NoOptions) -> Any:
    """The network of ``mlp`` on new weights."""
    return mlp.build(untrained(base), task, options)


def build_mvp(base: MaskedLanguageModel, task: Task, options: mvp.MvpOptions) -> Any:
    """The network of ``mvp`` on new weights; raises what ``mvp`` raises."""
    return mvp.build(untrained(base), task, options)


MLP_SCRATCH = Head(
    name="mlp-scratch",
    build=build_mlp,
    offers=mlp.MLP.offers,
    about="mlp on the model's shape with random weights: no pre-training",
    paper="Raman et al., EMNLP 2023, arXiv 2303.07320 (untrained MLP-FT)",
)

MVP_SCRATCH = Head(
    name="mvp-scratch",
    build=build_mvp,
    options=mvp.MvpOptions,
    needs=frozenset({Capability.MASK_TOKEN}),
    offers=mvp.MVP.offers,
    about="mvp on the model's shape with random weights: no pre-training",
    paper="Raman et al., EMNLP 2023, arXiv 2303.07320 (untrained MVP)",
)
