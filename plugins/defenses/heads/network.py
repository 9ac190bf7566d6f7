"""The shared body of the built-in heads: a transformers encoder, entered by ids, by word embeddings or layer by layer.

Imported inside functions only: it needs torch at its top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from benchmark import MaskedLanguageModel, NotApplicable, Row, RowBatch, Task
from benchmark_plugins.defenses.heads.tokens import Columns

if TYPE_CHECKING:
    import random


class EncoderNetwork(nn.Module):
    """A :class:`benchmark.api.LayeredNetwork` whose sub-classes say only how scores come out of the last states.

    ``body`` is the base model without any head. Rows are the text alone, between the model's special tokens; they
    predict at the first token, or at the last for a causal model (the only one that has seen the whole text).
    """

    def __init__(self, base: MaskedLanguageModel, task: Task) -> None:
        super().__init__()
        tokenizer, config = base.tokenizer, base.network.config
        self.pad_id: int = tokenizer.pad_token_id
        self.max_length: int = task.max_length
        self.columns = Columns(tokenizer)
        self.causal: bool = is_causal(config)
        self.has_segments: bool = getattr(config, "type_vocab_size", 0) > 1
        self.num_layers: int = config.num_hidden_layers
        self.body: Any = base.network.base_model

    def rows(self, text: str, rng: random.Random | None = None) -> list[Row]:
        """One row: the text's columns, cut at the end of the longest, between special tokens."""
        row = self.columns.row(text, self.max_length)
        return [row._replace(slot=len(row.ids) - 1) if self.causal else row]

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Word embeddings ``[..., d]``, before positions, types and normalisation."""
        return self.body.get_input_embeddings()(ids)

    def forward(self, rows: RowBatch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
        """Scores ``[R, C]``."""
        given: dict[str, Any] = {"input_ids": rows.ids} if embeddings is None else {"inputs_embeds": embeddings}
        if self.has_segments:
            given["token_type_ids"] = rows.segments
        hidden = self.body(attention_mask=rows.attention, **given).last_hidden_state
        return self.scores(hidden, rows)

    def states(self, rows: RowBatch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
        """What enters the first layer ``[R, L, h]``. Raises NotApplicable for a body that is not BERT's or RoBERTa's."""
        self._require_layers()
        given: dict[str, Any] = {"input_ids": rows.ids} if embeddings is None else {"inputs_embeds": embeddings}
        if self.has_segments:
            given["token_type_ids"] = rows.segments
        return self.body.embeddings(**given)

    def layers(self, states: torch.Tensor, attention: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """``states`` after layers ``start`` to ``stop`` (excluded), with ``attention [R, L]`` in {0, 1}."""
        self._require_layers()
        mask = (1.0 - attention[:, None, None, :].to(states.dtype)) * torch.finfo(states.dtype).min
        mask = mask.expand(-1, 1, attention.shape[1], -1)
        for layer in self.body.encoder.layer[start:stop]:
            states = layer(states, attention_mask=mask)[0]
        return states

    def scores(self, states: torch.Tensor, rows: RowBatch) -> torch.Tensor:
        """Scores ``[R, C]`` read from the last states at ``rows.slot``."""
        raise NotImplementedError

    def _require_layers(self) -> None:
        if not (hasattr(self.body, "embeddings") and hasattr(getattr(self.body, "encoder", None), "layer")):
            raise NotApplicable(
                f"the layers of {type(self.body).__name__} cannot be run one by one",
                "Use a model of BERT's or RoBERTa's kind for objectives that need hidden states",
            )


def at_slot(states: torch.Tensor, rows: RowBatch) -> torch.Tensor:
    """``[R, h]``: the states at each row's slot."""
    return states[torch.arange(len(states), device=states.device), rows.slot]


def is_causal(config: Any) -> bool:
    """Whether a token sees only what stands before it."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

    return type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and type(config) not in MODEL_FOR_MASKED_LM_MAPPING
