"""Tokens that remember where they stood, so that a text comes back with only its edited words changed.

OpenAttack's own English tokenizer joins tokens by blanks ("don't." becomes "don ' t ."), so that even an unedited text
differs from the original; it also needs files of nltk that are on no package index. This one stands in for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

TOKEN = re.compile(r"\w+(?:['’\-]\w+)*|[^\w\s]+")
"""A word with its inner apostrophes and hyphens, or a run of punctuation."""


def is_word(token: str) -> bool:
    """Whether a token has a letter or a digit."""
    return any(c.isalnum() for c in token)


class Piece(NamedTuple):
    """What stands before a token, and the token as it is written."""

    gap: str
    surface: str


class SplicingTokenizer:
    """The tokenizer of one text. OpenAttack asks for ``TAGS``, ``tokenize`` and ``detokenize``, and for nothing else.

    ``tag`` maps tokens to ``noun``, ``verb``, ``adj``, ``adv`` or ``other``.
    """

    def __init__(self, text: str, tag: Callable[[Sequence[str]], list[str]], tags: frozenset[Any]) -> None:
        self.TAGS = set(tags)
        self.text = text
        self._tag = tag
        matches = list(TOKEN.finditer(text))
        self._words = [match.group() for match in matches]
        self._lower = [word.lower() for word in self._words]
        ends = [0, *(match.end() for match in matches)]
        starts = [*(match.start() for match in matches), len(text)]
        self._gaps = [text[end:start] for end, start in zip(ends, starts, strict=True)]

    @property
    def has_words(self) -> bool:
        return any(map(is_word, self._words))

    def tokenize(self, x: str, pos_tagging: bool = True) -> list[Any]:
        """Tokens, or pairs of a token and its part of speech. The lower-cased original has the original's tokens."""
        if x == self.text:
            tokens = list(self._words)
        elif x == self.text.lower():
            tokens = list(self._lower)
        else:
            tokens = TOKEN.findall(x)
        return list(zip(tokens, self._tag(tokens), strict=True)) if pos_tagging else tokens

    def detokenize(self, x: Sequence[Any]) -> str:
        """The original text with these tokens. A token that is the original's, in any case, keeps its own spelling."""
        tokens = [token[0] if isinstance(token, tuple) else token for token in x]
        if len(tokens) == len(self._words):  # nearly every call, and some for texts of thousands of words
            parts = [""] * (2 * len(tokens) + 1)
            parts[::2] = self._gaps
            parts[1::2] = [w if t == o else t for w, o, t in zip(self._words, self._lower, tokens, strict=True)]
            return "".join(parts)
        pieces, tail = self._resized(tokens)
        return "".join(piece.gap + piece.surface for piece in pieces) + tail

    def spans(self, x: Sequence[str]) -> list[tuple[int, int]]:
        """First character and the one after the last of each token in ``detokenize(x)``."""
        tokens, found, at = list(x), [], 0
        if len(tokens) == len(self._words):
            spellings = (w if t == o else t for w, o, t in zip(self._words, self._lower, tokens, strict=True))
            pieces = [Piece(gap, word) for gap, word in zip(self._gaps[:-1], spellings, strict=True)]
        else:
            pieces, _ = self._resized(tokens)
        for gap, surface in pieces:
            start = at + len(gap)
            at = start + len(surface)
            found.append((start, at))
        return found

    def _resized(self, tokens: list[str]) -> tuple[list[Piece], str]:
        """A list with more or fewer tokens: its first and last ones that are the original's stay where they are."""
        shortest, old = min(len(tokens), len(self._words)), len(self._words)
        head = 0
        while head < shortest and self._is_original(head, tokens[head]):
            head += 1
        rest = 0
        while rest < shortest - head and self._is_original(old - 1 - rest, tokens[len(tokens) - 1 - rest]):
            rest += 1
        first = len(tokens) - rest
        pieces = [Piece(self._gaps[i], self._words[i]) for i in range(head)]
        for i in range(head, first):
            # What replaces something stands where that stood; what is put in, and further tokens, follow a blank.
            replaces = i == head and (head == 0 or head < old - rest)
            pieces.append(Piece(self._gaps[head] if replaces else " ", tokens[i]))
        for i in range(old - rest, old):
            inserted = i == old - rest == head and first > head
            pieces.append(Piece(" " if inserted else self._gaps[i], self._words[i]))
        if pieces and not head and first == 0:
            pieces[0] = Piece(self._gaps[0], pieces[0].surface)
        return _apart(pieces), self._gaps[-1] if rest else ""

    def _is_original(self, i: int, token: str) -> bool:
        return token == self._words[i] or token == self._lower[i]


def _apart(pieces: list[Piece]) -> list[Piece]:
    """A blank between two words that would otherwise grow together."""
    apart = pieces[:1]
    for before, piece in pairwise(pieces):
        touching = not piece.gap and is_word(before.surface[-1:]) and is_word(piece.surface[:1])
        apart.append(Piece(" ", piece.surface) if touching else piece)
    return apart
