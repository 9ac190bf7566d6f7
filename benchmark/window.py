"""The victim's window: how much of a text a model with a limited number of positions reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from benchmark.api import COLUMN_SEPARATOR

Window = Callable[[str], tuple[int, ...]]
"""A text to the number of characters, from its start, that the victim reads of each of its columns."""

LONE = re.compile("[\ud800-\udfff]")


def readable(text: str) -> str:
    """``text`` with U+FFFD for each lone surrogate, which neither tokenizers nor encoders take; as long as before."""
    return LONE.sub("\ufffd", text)


def read_characters(tokenizer: Any, max_length: int) -> Window:
    """The window of a model that reads ``max_length`` tokens of ``tokenizer``, special tokens included.

    ``tokenizer`` is a fast one. Where the text is too long, the longest column is cut at its end until all fit, as the
    built-in heads do; a template that takes room too makes their window smaller than this one. The strings of the mask
    and of the unknown token count one token each.
    """
    alone, between = _special_tokens(tokenizer)
    marks = _marks(tokenizer)

    def window(text: str) -> tuple[int, ...]:
        columns = readable(text).split(COLUMN_SEPARATOR)
        ends = [_token_ends(tokenizer, marks, column) for column in columns]
        room = max(0, max_length - alone)
        fitting = min(len(ends), 1 + room // between) if between else len(ends)
        kept = cut_longest([len(column) for column in ends[:fitting]], room - between * (fitting - 1))
        kept += [0] * (len(columns) - fitting)
        return tuple(
            len(column) if tokens == len(end) and number < fitting else end[tokens - 1] if tokens else 0
            for number, (column, end, tokens) in enumerate(zip(columns, ends, kept, strict=True))
        )

    return window


def cut_longest(lengths: Sequence[int], room: int) -> list[int]:
    """``lengths`` that add up to at most ``room``, token after token taken from the longest (the first of equals)."""
    kept = list(lengths)
    while sum(kept) > max(0, room):
        top = max(kept)
        tied = [number for number, found in enumerate(kept) if found == top]
        below = max((found for found in kept if found < top), default=0)
        rounds, rest = divmod(min(sum(kept) - max(0, room), (top - below) * len(tied)), len(tied))
        for place, number in enumerate(tied):
            kept[number] -= rounds + (place < rest)
    return kept


def _special_tokens(tokenizer: Any) -> tuple[int, int]:
    """How many special tokens stand around a text, and how many between two columns."""
    around = (tokenizer.cls_token_id is not None) + (tokenizer.sep_token_id is not None)
    if tokenizer.sep_token_id is None:  # a causal model: its end-of-text token keeps the columns apart
        return around, int(tokenizer.eos_token_id is not None)
    return around, max(0, tokenizer.num_special_tokens_to_add(pair=True) - around)


def _marks(tokenizer: Any) -> re.Pattern[str] | None:
    """Strings that are read as one token. An unknown token that also separates texts is one where there is a mask."""
    structural = {tokenizer.cls_token, tokenizer.sep_token, tokenizer.bos_token, tokenizer.eos_token}
    structural.add(tokenizer.pad_token)
    found = {tokenizer.mask_token} if tokenizer.mask_token else set()
    if tokenizer.unk_token and (tokenizer.mask_token or tokenizer.unk_token not in structural):
        found.add(tokenizer.unk_token)
    return re.compile("|".join(re.escape(mark) for mark in sorted(found, key=len, reverse=True))) if found else None


def _token_ends(tokenizer: Any, marks: re.Pattern[str] | None, column: str) -> list[int]:
    """The character after the last one of each token of a column."""
    ends: list[int] = []
    start = 0
    for mark in (*(marks.finditer(column) if marks else ()), None):
        piece = column[start : mark.start() if mark else len(column)]
        if marks is not None:  # as the heads read it: a blank before a mark is no token of its own
            piece = piece.rstrip()
        if piece:
            encoded = tokenizer(
                piece, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True, verbose=False
            )
            ends += [start + end for _, end in encoded["offset_mapping"]]
        if mark is not None:
            ends.append(mark.end())
            start = mark.end()
    return ends
