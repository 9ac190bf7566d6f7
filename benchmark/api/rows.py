"""Token rows: what a head makes of a text, and a padded batch of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch

COLUMN_SEPARATOR = "\x1e"
"""Stands between the columns of a text that has several (premise and hypothesis, passage and question)."""


class Row(NamedTuple):
    """One row of a text: token ids and what stands where."""

    ids: Sequence[int]
    text: Sequence[int] = ()
    """For each position the index of the text's own token there, -1 for special and template tokens. The same index in
    two rows of a text is the same token. Empty: nothing is known, and every position counts as text."""
    slot: int = 0
    """The position whose hidden state predicts: the first token, or where a template put its mask."""
    segments: Sequence[int] = ()
    """Token types of a sentence pair; empty: all 0."""


class RowBatch(NamedTuple):
    """``R`` rows padded on the right to ``L`` positions; all tensors are long."""

    ids: torch.Tensor
    attention: torch.Tensor
    """``[R, L]``, 1 on tokens and 0 on padding."""
    text: torch.Tensor
    """``[R, L]``, index of the text's token, -1 elsewhere (padding too)."""
    slot: torch.Tensor
    """``[R]``."""
    segments: torch.Tensor
    """``[R, L]``."""

    def to(self, device: torch.device | str) -> RowBatch:
        """The same rows on another device."""
        return RowBatch(*(tensor.to(device) for tensor in self))

    def select(self, index: torch.Tensor) -> RowBatch:
        """The rows of ``index``, in that order (not cut to a shorter width)."""
        return RowBatch(*(tensor[index] for tensor in self))


class TrainingBatch(NamedTuple):
    """Rows of ``B`` texts. ``owner[r]`` is the index, in ``labels``, of the text that row r belongs to."""

    rows: RowBatch
    owner: torch.Tensor
    """``[R]``."""
    labels: torch.Tensor
    """``[B]``."""
    texts: tuple[str, ...] = ()
    """The texts themselves, for objectives that look up words."""

    def to(self, device: torch.device | str) -> TrainingBatch:
        """The same batch on another device."""
        return TrainingBatch(self.rows.to(device), self.owner.to(device), self.labels.to(device), self.texts)


def pad_rows(rows: Sequence[Row], pad_id: int) -> RowBatch:
    """``rows`` padded on the right to the longest of them."""
    import torch

    width = max(len(row.ids) for row in rows)

    def table(values: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
        return torch.tensor([[*v, *[filler] * (width - len(v))] for v in values], dtype=torch.long)

    return RowBatch(
        ids=table([row.ids for row in rows], pad_id),
        attention=table([[1] * len(row.ids) for row in rows], 0),
        text=table([row.text or range(len(row.ids)) for row in rows], -1),
        slot=torch.tensor([row.slot for row in rows], dtype=torch.long),
        segments=table([row.segments or [0] * len(row.ids) for row in rows], 0),
    )
