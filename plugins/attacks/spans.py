"""Where the words of a text stand, and which of a model's tokens make up each of them."""

from __future__ import annotations

from collections.abc import Sequence

Span = tuple[int, int]


def word_spans(text: str, words: Sequence[str]) -> list[Span]:
    """First character of each word and the one after its last; the words stand in ``text`` in this order.

    A word that is not found (a library's word splitter may change characters) gets the empty span where it was sought.
    """
    found: list[Span] = []
    start = 0
    for word in words:
        place = text.find(word, start)
        if place < 0:
            found.append((start, start))
            continue
        start = place + len(word)
        found.append((place, start))
    return found


def tokens_of_words(words: Sequence[Span], tokens: Sequence[Span]) -> list[list[int]]:
    """For each word the indices of the tokens that share a character with it; both lists go from left to right."""
    found: list[list[int]] = []
    first = 0
    for start, stop in words:
        while first < len(tokens) and tokens[first][1] <= start:
            first += 1
        here = []
        for index in range(first, len(tokens)):
            if tokens[index][0] >= stop:
                break
            if tokens[index][0] < tokens[index][1]:
                here.append(index)
        found.append(here)
    return found
