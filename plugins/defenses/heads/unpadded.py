"""Rows of any lengths through an encoder of BERT's kind in one pass, without padding; for prediction only.

Linear layers, normalisations and activations see one token at a time: there the tokens of all rows are one long list.
Attention runs once for all rows of one length. Behind the last attention only the positions that predict are computed.

On a CPU a row then gets the same bits whatever its neighbours are, and those of a padded batch of its own length: a
matrix product never has fewer than ``FEWEST_VECTORS`` rows. Imported inside functions only: it needs torch at its top.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch.nn.functional import scaled_dot_product_attention

from benchmark import Row
from benchmark_plugins.numerics import ROWS as FEWEST_VECTORS


class Packed(NamedTuple):
    """The tokens of several rows behind each other, shortest rows first; all tensors are long."""

    ids: torch.Tensor
    """``[T]``."""
    places: torch.Tensor
    """``[T]``, a token's place in its row, from 0."""
    segments: torch.Tensor
    """``[T]``."""
    slots: torch.Tensor
    """``[S]``, where rows predict, among the T tokens; S is the number of rows, or ``FEWEST_VECTORS`` by repetition."""
    groups: tuple[tuple[int, int, int], ...]
    """Rows of one length: their first token, how many rows, how long."""
    order: torch.Tensor
    """``[R]``, the row that each of the first R slots belongs to."""


def fits(body: Any) -> bool:
    """Whether ``body`` computes what :func:`slot_states` computes: absolute positions, attention in both directions.

    Attention is torch's own function; a model that was told to use another one keeps it, and so its bits.
    """
    config = body.config
    return (
        not getattr(config, "is_decoder", False)
        and getattr(config, "position_embedding_type", "absolute") == "absolute"
        and getattr(config, "_attn_implementation", None) == "sdpa"
    )


def pack(rows: Sequence[Row], device: torch.device | str) -> Packed:
    """``rows`` (at least one) without padding; the last is repeated until there are ``FEWEST_VECTORS`` tokens."""
    order = sorted(range(len(rows)), key=lambda number: len(rows[number].ids))
    taken = [rows[number] for number in order]
    while sum(len(row.ids) for row in taken) < FEWEST_VECTORS:
        taken.append(taken[-1])
    ids: list[int] = []
    places: list[int] = []
    segments: list[int] = []
    slots: list[int] = []
    for row in taken:
        slots.append(len(ids) + row.slot)
        ids += row.ids
        places += range(len(row.ids))
        segments += row.segments or [0] * len(row.ids)
    slots = slots[: len(rows)]
    slots += slots[-1:] * (FEWEST_VECTORS - len(slots))
    groups, start = [], 0
    for length, same in groupby(len(row.ids) for row in taken):
        groups.append((start, count := len(list(same)), length))
        start += count * length
    made = (torch.tensor(values, device=device) for values in (ids, places, segments, slots))
    return Packed(*made, tuple(groups), torch.tensor(order, device=device))


def slot_states(body: Any, packed: Packed, has_segments: bool) -> torch.Tensor:
    """The last states ``[S, h]`` at the slots, of a body that :func:`fits`, in eval mode.

    Without ``has_segments`` the body knows one type of token, 0.
    """
    # RoBERTa's positions begin behind the one of its padding token.
    first = getattr(body.embeddings, "padding_idx", None)
    places = packed.places if first is None else packed.places + (first + 1)
    segments = packed.segments if has_segments else torch.zeros_like(packed.segments)
    found = body.embeddings(input_ids=packed.ids[None], position_ids=places[None], token_type_ids=segments[None])[0]
    layers = list(body.encoder.layer)
    for layer in layers:
        context = _attention(layer.attention.self, found, packed.groups)
        if layer is layers[-1]:
            context, found = context[packed.slots], found[packed.slots]
        found = layer.attention.output(context, found)
        found = layer.output(layer.intermediate(found), found)
    return found


def _attention(attention: Any, states: torch.Tensor, groups: Sequence[tuple[int, int, int]]) -> torch.Tensor:
    """``[T, h]``: each token's mixture of the values of its own row."""
    heads, width = attention.num_attention_heads, attention.attention_head_size
    projected = attention.query(states), attention.key(states), attention.value(states)
    mixed = []
    for start, rows, length in groups:
        stop = start + rows * length
        query, key, value = (p[start:stop].view(rows, length, heads, width).transpose(1, 2) for p in projected)
        found = scaled_dot_product_attention(query, key, value)
        mixed.append(found.transpose(1, 2).reshape(rows * length, heads * width))
    return torch.cat(mixed)
