"""The shared body of the built-in heads: a transformers model, entered by ids, by word embeddings or layer by layer.

Imported inside functions only: it needs torch at its top.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import gelu, linear

from benchmark import MaskedLanguageModel, NotApplicable, Row, RowBatch, Task
from benchmark_plugins.defenses.heads.tokens import Columns, padding_id
from benchmark_plugins.defenses.heads.unpadded import fits, pack, slot_states
from benchmark_plugins.numerics import ROWS as FEWEST_VECTORS

if TYPE_CHECKING:
    import random

LAYERED = frozenset({"bert", "camembert", "roberta", "xlm-roberta"})
"""Kinds of configuration whose layers can be run one by one: each takes states and a mask, nothing else."""


class EncoderNetwork(nn.Module):
    """A :class:`benchmark.api.LayeredNetwork` whose sub-classes say only how scores come out of the last states.

    ``model`` is the base network without its head, or with it where ``whole``. Rows are the text alone, between the
    model's special tokens; they predict at the first token, or at the last for a causal model (the only one that has
    seen the whole text).

    Without gradients a row's scores do not depend, to the last bit, on how many rows there are: the body multiplies
    all positions at once, which are enough of them, and what the head reads is filled up with the last row.
    """

    fewest_rows = 1

    def __init__(self, base: MaskedLanguageModel, task: Task, whole: bool = False) -> None:
        super().__init__()
        config: Any = base.network.config
        self.pad_id: int = padding_id(base.tokenizer)
        self.max_length: int = task.max_length
        self.columns = Columns(base.tokenizer)
        self.causal: bool = is_causal(config)
        self.has_segments: bool = getattr(config, "type_vocab_size", 0) > 1
        self.num_layers: int = config.num_hidden_layers
        self.model: Any = base.network if whole else base.network.base_model

    @property
    def body(self) -> Any:
        """The model without any head."""
        return self.model.base_model

    def rows(self, text: str, rng: random.Random | None = None) -> list[Row]:
        """One row: the text's columns, cut at the end of the longest, between special tokens."""
        row = self.columns.row(text, self.max_length)
        return [row._replace(slot=len(row.ids) - 1) if self.causal else row]

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Word embeddings ``[..., d]``, before positions, types and normalisation."""
        return self.body.get_input_embeddings()(ids)

    def word_embeddings(self) -> nn.Parameter:
        """The table that :meth:`embed` looks up in."""
        table: nn.Parameter = self.body.get_input_embeddings().weight
        return table

    @property
    def vocabulary_size(self) -> int:
        """Ids that :meth:`embed` knows."""
        return int(self.body.get_input_embeddings().num_embeddings)

    def text_tokens(self, text: str) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
        """Ids and spans of the text's own tokens, also of those that the rows cut off. Raises NotApplicable."""
        read = {i: token for row in self.rows(text) for i, token in zip(row.text, row.ids, strict=True) if i >= 0}
        # Whether a blank stands before a column is up to the head's templates: the rows tell which case holds.
        for spaced in product((False, True), repeat=2):
            ids = [token for column in self.columns.ids(text, spaced) for token in column]
            if all(i < len(ids) and ids[i] == token for i, token in read.items()):
                return tuple(ids), tuple(self.columns.spans(text, spaced))
        raise NotApplicable("this head's rows are not made of the text's own tokens", "Choose an attack on scores")

    def forward(self, rows: RowBatch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
        """Scores ``[R, C]``."""
        many = len(rows.ids)
        if many >= FEWEST_VECTORS or torch.is_grad_enabled():
            return self.scores(self.encode(rows, embeddings), rows)
        filled = torch.arange(FEWEST_VECTORS, device=rows.ids.device).clamp(max=many - 1)
        if rows.ids.numel() >= FEWEST_VECTORS:
            states = self.encode(rows, embeddings)[filled]
        else:
            states = self.encode(rows.select(filled), None if embeddings is None else embeddings[filled])
        return self.scores(states, rows.select(filled))[:many]

    def unpadded(self, rows: Sequence[Row]) -> torch.Tensor | None:
        """Scores ``[R, C]`` of rows of any lengths in one pass without padding; None for a body that has no such way.

        For prediction, in eval mode: bits of :meth:`forward` on rows of one length, at a fraction of its time.
        """
        if self.body.config.model_type not in LAYERED or not fits(self.body):
            return None
        packed = pack(rows, self.body.embeddings.word_embeddings.weight.device)
        found = self.read(slot_states(self.body, packed, self.has_segments))[: len(rows)]
        return torch.empty_like(found).index_copy_(0, packed.order, found)

    def encode(self, rows: RowBatch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
        """The last states ``[R, L, h]``."""
        given = self._entry(rows, embeddings)
        if self.causal:
            given["use_cache"] = False
        return self.body(attention_mask=rows.attention, **given).last_hidden_state

    def states(self, rows: RowBatch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
        """What enters the first layer ``[R, L, h]``. Raises NotApplicable for bodies other than BERT and RoBERTa."""
        self._require_layers()
        return self.body.embeddings(**self._entry(rows, embeddings))

    def layers(self, states: torch.Tensor, attention: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """``states`` after layers ``start`` to ``stop`` (excluded), with ``attention [R, L]`` in {0, 1}."""
        self._require_layers()
        mask = (1.0 - attention[:, None, None, :].to(states.dtype)) * torch.finfo(states.dtype).min
        mask = mask.expand(-1, 1, attention.shape[1], -1)
        for layer in self.body.encoder.layer[start:stop]:
            found = layer(states, attention_mask=mask)
            states = found if isinstance(found, torch.Tensor) else found[0]
        return states

    def scores(self, states: torch.Tensor, rows: RowBatch) -> torch.Tensor:
        """Scores ``[R, C]`` read from the last states at ``rows.slot``."""
        return self.read(at_slot(states, rows))

    def read(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores ``[R, C]`` of the states ``[R, h]`` that predict."""
        raise NotImplementedError

    def _entry(self, rows: RowBatch, embeddings: torch.Tensor | None) -> dict[str, Any]:
        given: dict[str, Any] = {"input_ids": rows.ids} if embeddings is None else {"inputs_embeds": embeddings}
        if self.has_segments:
            given["token_type_ids"] = rows.segments
        return given

    def _require_layers(self) -> None:
        if self.body.config.model_type not in LAYERED:
            raise NotApplicable(
                f"the layers of {type(self.body).__name__} cannot be run one by one",
                "Use a model of BERT's or RoBERTa's kind for what needs hidden states",
            )


class FirstTokenNetwork(EncoderNetwork):
    """Scores from the state at the slot by new, randomly initialised layers.

    With ``dense``: dropout, dense, tanh, dropout, linear; without: tanh, dropout, linear. New weights are normal with
    the model's ``initializer_range``, drawn from torch's global stream; biases are zero.
    """

    def __init__(self, base: MaskedLanguageModel, task: Task, dense: bool) -> None:
        super().__init__(base, task)
        config: Any = base.network.config
        self.dropout = nn.Dropout(getattr(config, "hidden_dropout_prob", 0.1))
        self.dense = nn.Linear(config.hidden_size, config.hidden_size) if dense else None
        self.out = nn.Linear(config.hidden_size, len(task.label_names))
        for layer in (self.dense, self.out):
            if layer is not None:
                nn.init.normal_(layer.weight, std=config.initializer_range)
                nn.init.zeros_(layer.bias)

    def features(self, states: torch.Tensor, rows: RowBatch) -> torch.Tensor:
        """What the output layer sees ``[R, h]``, before its dropout."""
        return self._seen(at_slot(states, rows))

    def read(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.out(self.dropout(self._seen(hidden)))

    def _seen(self, hidden: torch.Tensor) -> torch.Tensor:
        return (hidden if self.dense is None else self.dense(self.dropout(hidden))).tanh()


class LabelWordNetwork(EncoderNetwork):
    """Scores from the pre-trained language-model head: of each class the maximum over its words ``labels``.

    Without new weights. Raises NotApplicable for a head of an unknown shape.
    """

    def __init__(self, base: MaskedLanguageModel, task: Task, labels: Sequence[Sequence[int]]) -> None:
        super().__init__(base, task, whole=True)
        words = sorted({word for listed in labels for word in listed})
        widest = max(map(len, labels))
        # A class with fewer words repeats its first one: the maximum stays the same.
        table = [[words.index(word) for word in [*listed, *listed[:1] * (widest - len(listed))]] for listed in labels]
        self.register_buffer("words", torch.tensor(words), persistent=False)
        self.register_buffer("table", torch.tensor(table), persistent=False)
        self._transform()

    def read(self, hidden: torch.Tensor) -> torch.Tensor:
        hidden = self._transform()(hidden)
        decoder = self.model.get_output_embeddings()
        bias = None if decoder.bias is None else decoder.bias[self.words]
        return linear(hidden, decoder.weight[self.words], bias)[:, self.table].amax(dim=-1)

    def _transform(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """What the head does before its decoder; nothing in a causal model."""
        model = self.model
        if model.get_output_embeddings() is not None:
            if self.causal:
                return lambda hidden: hidden
            if hasattr(model, "cls") and hasattr(model.cls, "predictions"):  # BERT
                transform: Callable[[torch.Tensor], torch.Tensor] = model.cls.predictions.transform
                return transform
            if hasattr(model, "lm_head") and hasattr(model.lm_head, "layer_norm"):  # RoBERTa
                head = model.lm_head
                return lambda hidden: head.layer_norm(gelu(head.dense(hidden)))
        raise NotApplicable(
            f"the language-model head of {type(model).__name__} is not known",
            "Use a causal model, or a masked one of BERT's or RoBERTa's kind",
        )


def at_slot(states: torch.Tensor, rows: RowBatch) -> torch.Tensor:
    """``[R, h]``: the states at each row's slot."""
    return states[torch.arange(len(states), device=states.device), rows.slot]


def is_causal(config: Any) -> bool:
    """Whether a token sees only what stands before it."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

    return type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and type(config) not in MODEL_FOR_MASKED_LM_MAPPING
