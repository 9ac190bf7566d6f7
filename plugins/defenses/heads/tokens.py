"""Texts to token ids such that no text can forge a special token of the model, and columns to rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmark import COLUMN_SEPARATOR, NotApplicable, Row

WORDS = 1 << 16
"""Words whose ids are kept; an attack asks about few words in many orders."""


class TextTokenizer:
    """Token ids of user texts, without special tokens around them.

    A text may hold the strings of special tokens. The mask and the unknown string mean "a word is hidden here" (attacks
    and masking defenses write them) and become those ids; all others are read as plain characters. A mask in the text
    predicts nothing: where a row predicts is its ``slot``, known by construction.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._words: dict[str, list[int]] | None = {} if reads_words_alone(tokenizer) else None
        self._ids = _hidden_words(tokenizer)
        alternatives = "|".join(re.escape(token) for token in sorted(self._ids, key=len, reverse=True))
        self._hidden = re.compile(f"({alternatives})") if self._ids else None

    def __call__(self, text: str, leading_space: bool = False) -> list[int]:
        """Ids of ``text``. ``leading_space`` says that a word precedes it, which byte-level vocabularies tell apart."""
        if leading_space:
            text = " " + text
        if self._hidden is None:
            return self._plain(text)
        ids: list[int] = []
        for number, piece in enumerate(self._hidden.split(text)):
            if number % 2:
                ids.append(self._ids[piece])
            elif piece.strip():
                ids += self._plain(piece.rstrip())
        return ids

    def spans(self, text: str, leading_space: bool = False) -> list[tuple[int, int]]:
        """First character of each token of ``text`` and the one after its last; no blanks at its start.

        In the order of the ids. Raises NotApplicable for a tokenizer that does not tell where its tokens stand.
        """
        if not self._tokenizer.is_fast:
            raise NotApplicable("this tokenizer does not tell where its tokens stand", "Use a model with a fast one")
        added = int(leading_space)
        text = " " * added + text
        pieces = self._hidden.split(text) if self._hidden else [text]
        found: list[tuple[int, int]] = []
        start = 0
        for number, piece in enumerate(pieces):
            if number % 2:
                found.append((start, start + len(piece)))
            elif self._hidden is None or piece.strip():
                plain = piece if self._hidden is None else piece.rstrip()
                found += [(start + first, start + last) for first, last in self._plain_spans(plain)]
            start += len(piece)
        return [(max(0, _past_blanks(text, *span) - added), max(0, span[1] - added)) for span in found]

    def _plain(self, text: str) -> list[int]:
        if self._words is None:
            return self._encoded([text])[0]
        words = [word for word in text.split(" ") if word]
        new = [word for word in dict.fromkeys(words) if word not in self._words]
        if new:
            if len(self._words) + len(new) > WORDS:
                self._words.clear()
                new = list(dict.fromkeys(words))
            self._words.update(zip(new, self._encoded(new), strict=True))
        return [token for word in words for token in self._words[word]]

    def _encoded(self, texts: list[str]) -> list[list[int]]:
        encoded = self._tokenizer(texts, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return list(encoded["input_ids"])

    def _plain_spans(self, text: str) -> list[tuple[int, int]]:
        encoded = self._tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False, return_offsets_mapping=True
        )
        return list(encoded["offset_mapping"])


def reads_words_alone(tokenizer: Any) -> bool:
    """Whether the ids of a text are those of its words between spaces, one after the other, for every text.

    True for BERT's WordPiece: characters are normalised one by one, and no token reaches across a space. A token that
    was added to the vocabulary might, unless it is a special one, which no text can write.
    """
    if not tokenizer.is_fast:
        return False
    backend = tokenizer.backend_tokenizer
    kinds = [type(part).__name__ for part in (backend.normalizer, backend.pre_tokenizer, backend.model)]
    only_special = all(token.special for token in tokenizer.added_tokens_decoder.values())
    return only_special and kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"]


def _past_blanks(text: str, start: int, stop: int) -> int:
    """Where the first character that is no blank stands; byte-level tokens begin with the blank before the word."""
    return start + len(text[start:stop]) - len(text[start:stop].lstrip())


def _hidden_words(tokenizer: Any) -> dict[str, int]:
    """The strings that hide a word, and the id of each.

    GPT-2's unknown token is its end-of-text token, which separates columns: there the mask's id stands in for it.
    """
    names = ("cls_token", "sep_token", "bos_token", "eos_token", "pad_token")
    structural = {getattr(tokenizer, name) for name in names}
    found: dict[str, int] = {}
    if tokenizer.unk_token and tokenizer.unk_token not in structural:
        found[tokenizer.unk_token] = tokenizer.unk_token_id
    elif tokenizer.unk_token and tokenizer.mask_token:
        found[tokenizer.unk_token] = tokenizer.mask_token_id
    if tokenizer.mask_token:
        found[tokenizer.mask_token] = tokenizer.mask_token_id
    return found


class Span(NamedTuple):
    """Tokens of a text: their ids, their index among the text's own tokens (-1: a separator) and their segment."""

    ids: list[int]
    index: list[int]
    segments: list[int]


class Columns:
    """Texts of one or more columns between the model's special tokens."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokens = TextTokenizer(tokenizer)
        self.first: list[int] = _given(tokenizer.cls_token_id)
        self.last: list[int] = _given(tokenizer.sep_token_id)
        # A pair is joined as the tokenizer itself joins two texts: one separator (BERT), two (RoBERTa), or none.
        around = tokenizer.num_special_tokens_to_add(pair=True)
        self.between: list[int] = self.last * max(0, around - len(self.first) - len(self.last))
        if not self.last:  # a causal model: its end-of-text token keeps the columns apart
            self.between = _given(tokenizer.eos_token_id)
        self.filler: list[int] = self.between[:1] or [padding_id(tokenizer)]
        """What stands where a row would be empty."""

    def ids(self, text: str, spaced: Sequence[bool] = ()) -> list[list[int]]:
        """Token ids of each column; ``spaced[n]`` says that a word precedes column n."""
        parts = text.split(COLUMN_SEPARATOR)
        return [self.tokens(part, leading_space=n < len(spaced) and spaced[n]) for n, part in enumerate(parts)]

    def spans(self, text: str, spaced: Sequence[bool] = ()) -> list[tuple[int, int]]:
        """Spans in ``text`` of the tokens of all columns, in the order of ``ids``; raises NotApplicable."""
        found: list[tuple[int, int]] = []
        start = 0
        for n, part in enumerate(text.split(COLUMN_SEPARATOR)):
            spans = self.tokens.spans(part, leading_space=n < len(spaced) and spaced[n])
            found += [(start + first, start + last) for first, last in spans]
            start += len(part) + len(COLUMN_SEPARATOR)
        return found

    def joined(self, columns: Sequence[Sequence[int]], room: int) -> Span:
        """The columns joined by separators, in at most ``room`` tokens.

        The longest column is cut at its end until all fit; columns whose separators alone have no room are left out.
        The index counts the text's own tokens over all columns as they stand before the cut, so that it means the same
        in rows that are cut at different places.
        """
        room = max(0, room)
        if self.between:
            columns = columns[: 1 + room // len(self.between)]
        lengths = shortened([len(column) for column in columns], room - len(self.between) * (len(columns) - 1))
        found = Span([], [], [])
        start = 0
        for number, (column, length) in enumerate(zip(columns, lengths, strict=True)):
            if number:
                found.ids.extend(self.between)
                found.index.extend([-1] * len(self.between))
                found.segments.extend([min(number - 1, 1)] * len(self.between))
            found.ids.extend(column[:length])
            found.index.extend(range(start, start + length))
            found.segments.extend([min(number, 1)] * length)
            start += len(column)
        return found

    def row(self, text: str, max_length: int) -> Row:
        """The text between special tokens, at most ``max_length`` tokens, predicting at position 0."""
        ids, index, segments = self.joined(self.ids(text), max_length - len(self.first) - len(self.last))
        if not (self.first or ids or self.last):
            return Row(ids=self.filler, text=[-1], segments=[0])
        closing = segments[-1] if segments else 0
        return Row(
            ids=[*self.first, *ids, *self.last],
            text=[-1] * len(self.first) + index + [-1] * len(self.last),
            segments=[0] * len(self.first) + segments + [closing] * len(self.last),
        )


def shortened(lengths: Sequence[int], room: int) -> list[int]:
    """``lengths`` cut to ``room`` in all, always at the longest (at the first of equals)."""
    kept = list(lengths)
    surplus = sum(kept) - max(0, room)
    while surplus > 0:
        longest = max(kept)
        next_longest = max((length for length in kept if length < longest), default=0)
        tied = [number for number, length in enumerate(kept) if length == longest]
        taken = min(surplus, (longest - next_longest) * len(tied))
        each, rest = divmod(taken, len(tied))
        for place, number in enumerate(tied):
            kept[number] -= each + (place < rest)
        surplus -= taken
    return kept


def padding_id(tokenizer: Any) -> int:
    """The padding id; the end-of-text id where the model has no padding token (padding is masked all the same)."""
    found = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    return 0 if found is None else int(found)


def _given(token_id: int | None) -> list[int]:
    return [] if token_id is None else [token_id]


def pieces(tokenizer: Any, word: str) -> list[str]:
    """The tokens of a word as it stands inside a sentence (after a space)."""
    ids = TextTokenizer(tokenizer)(word, leading_space=True)
    return list(tokenizer.convert_ids_to_tokens(ids))
