"""``mlp``: the usual classification head on the first token, all weights trained (the baseline of arXiv 2303.07320).

Shape of the head (RoBERTa's sequence-classification head, which the paper's MLP-FT uses): dropout, dense, tanh,
dropout, linear. It starts random: normal with the model's own ``initializer_range``, biases zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark import Capability, Head, MaskedLanguageModel, NoOptions, RowBatch, Task

if TYPE_CHECKING:
    import torch


def build(base: MaskedLanguageModel, task: Task, options: NoOptions) -> Any:
    """The network; the head's weights are drawn from torch's global stream, which the caller seeds."""
    from torch import nn

    from benchmark_plugins.defenses.heads.network import EncoderNetwork, at_slot

    class FirstTokenClassifier(EncoderNetwork):
        def __init__(self) -> None:
            super().__init__(base, task)
            config = base.network.config
            self.dropout = nn.Dropout(getattr(config, "hidden_dropout_prob", 0.1))
            self.dense = nn.Linear(config.hidden_size, config.hidden_size)
            self.out = nn.Linear(config.hidden_size, len(task.label_names))
            for layer in (self.dense, self.out):
                nn.init.normal_(layer.weight, std=config.initializer_range)
                nn.init.zeros_(layer.bias)

        def scores(self, states: torch.Tensor, rows: RowBatch) -> torch.Tensor:
            return self.out(self.dropout(self.dense(self.dropout(at_slot(states, rows))).tanh()))

    return FirstTokenClassifier()


MLP = Head(
    name="mlp",
    build=build,
    offers=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS, Capability.HIDDEN_STATES}),
    version=2,
    about="dropout, dense, tanh, dropout, linear on the first token, randomly initialised",
    paper="arXiv 2303.07320 (MLP-FT)",
)
