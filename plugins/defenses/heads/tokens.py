"""Texts to token ids such that no text can forge a special token of the model, and columns to rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from benchmark import COLUMN_SEPARATOR, Row


class TextTokenizer:
    """Token ids of user texts, without special tokens around them.

    A text may hold the strings of special tokens. The mask and the unknown string mean "a word is hidden here" (attacks
    and masking defenses write them) and become those ids; all others are read as plain characters. A mask in the text
    predicts nothing: where a row predicts is its ``slot``, known by construction.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        hidden = [token for token in (tokenizer.unk_token, tokenizer.mask_token) if token]
        alternatives = "|".join(re.escape(token) for token in dict.fromkeys(hidden))
        self._hidden = re.compile(f"({alternatives})") if hidden else None

    def __call__(self, text: str, leading_space: bool = False) -> list[int]:
        """Ids of ``text``. ``leading_space`` says that a word precedes it, which byte-level vocabularies tell apart."""
        if leading_space:
            text = " " + text
        if self._hidden is None:
            return self._plain(text)
        ids: list[int] = []
        for number, piece in enumerate(self._hidden.split(text)):
            if number % 2:
                ids.append(self._tokenizer.convert_tokens_to_ids(piece))
            elif piece.strip():
                ids += self._plain(piece.rstrip())
        return ids

    def _plain(self, text: str) -> list[int]:
        encoded = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return list(encoded["input_ids"])


class Columns:
    """Texts of one or more columns between the model's special tokens."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokens = TextTokenizer(tokenizer)
        self.first: list[int] = _given(tokenizer.cls_token_id)
        self.last: list[int] = _given(tokenizer.sep_token_id)
        self.pad_id: int = tokenizer.pad_token_id
        # A pair is joined as the tokenizer itself joins two texts: one separator (BERT), two (RoBERTa), or none.
        around = tokenizer.num_special_tokens_to_add(pair=True)
        self.between: list[int] = self.last * max(0, around - len(self.first) - len(self.last))
        if not self.last:  # a causal model: its end-of-text token keeps the columns apart
            self.between = _given(tokenizer.eos_token_id)

    def ids(self, text: str, leading_space: bool = False) -> list[list[int]]:
        """Token ids of each column."""
        parts = text.split(COLUMN_SEPARATOR)
        return [self.tokens(part, leading_space=leading_space and not n) for n, part in enumerate(parts)]

    def joined(self, columns: Sequence[Sequence[int]], room: int) -> tuple[list[int], list[int], list[int]]:
        """Ids, text index and segment of every position of the columns joined, in at most ``room`` tokens.

        The longest column is cut at its end until all fit. The index counts the text's own tokens over all columns, as
        they stand before the cut, so that it means the same in rows that are cut at different places.
        """
        lengths = [len(column) for column in columns]
        free = max(0, room - len(self.between) * (len(columns) - 1))
        while sum(lengths) > free:
            lengths[lengths.index(max(lengths))] -= 1
        ids: list[int] = []
        index: list[int] = []
        segments: list[int] = []
        start = 0
        for number, (column, length) in enumerate(zip(columns, lengths, strict=True)):
            if number:
                ids += self.between
                index += [-1] * len(self.between)
                segments += [number - 1] * len(self.between)
            ids += column[:length]
            index += range(start, start + length)
            segments += [number] * length
            start += len(column)
        return ids, index, [min(segment, 1) for segment in segments]

    def row(self, text: str, max_length: int) -> Row:
        """The text between special tokens, at most ``max_length`` tokens, predicting at position 0."""
        ids, index, segments = self.joined(self.ids(text), max_length - len(self.first) - len(self.last))
        closing = segments[-1] if segments else 0
        return Row(
            ids=[*self.first, *ids, *self.last] or [self.pad_id],
            text=[-1] * len(self.first) + index + [-1] * len(self.last),
            segments=[0] * len(self.first) + segments + [closing] * len(self.last),
        )


def _given(token_id: int | None) -> list[int]:
    return [] if token_id is None else [token_id]


def pieces(tokenizer: Any, word: str) -> list[str]:
    """The tokens of a word as it stands inside a sentence (after a space)."""
    ids = TextTokenizer(tokenizer)(word, leading_space=True)
    return list(tokenizer.convert_ids_to_tokens(ids))
