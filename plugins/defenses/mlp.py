"""``mlp``: the usual classification head on the first token, all weights trained (the baseline of arXiv 2303.07320).

Shape of the head (RoBERTa's sequence-classification head, which the paper's MLP-FT uses): dropout, dense, tanh,
dropout, linear. It starts random: normal with the model's own ``initializer_range``, biases zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark import Head, MaskedLanguageModel, NoOptions, Task
from benchmark_plugins.defenses.tokens import TextTokenizer

if TYPE_CHECKING:
    import random

    import torch


def build(base: MaskedLanguageModel, task: Task, options: NoOptions) -> Any:
    """The network; the head's weights are drawn from torch's global stream, which the caller seeds."""
    from torch import nn

    class FirstTokenClassifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            config = base.network.config
            self.pad_id: int = base.tokenizer.pad_token_id
            self._first, self._last = base.tokenizer.cls_token_id, base.tokenizer.sep_token_id
            self._tokens = TextTokenizer(base.tokenizer)
            self.encoder = base.network.base_model
            self.dropout = nn.Dropout(getattr(config, "hidden_dropout_prob", 0.1))
            self.dense = nn.Linear(config.hidden_size, config.hidden_size)
            self.out = nn.Linear(config.hidden_size, len(task.label_names))
            for layer in (self.dense, self.out):
                nn.init.normal_(layer.weight, std=config.initializer_range)
                nn.init.zeros_(layer.bias)

        def rows(self, text: str, rng: random.Random | None = None) -> list[list[int]]:
            """One row: first token, text (cut at its end), last token."""
            return [[self._first, *self._tokens(text)[: task.max_length - 2], self._last]]

        def forward(self, ids: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
            hidden = self.encoder(input_ids=ids, attention_mask=attention).last_hidden_state[:, 0]
            return self.out(self.dropout(self.dense(self.dropout(hidden)).tanh()))

    return FirstTokenClassifier()


MLP = Head(
    name="mlp",
    build=build,
    about="dropout, dense, tanh, dropout, linear on the first token, randomly initialised",
)
