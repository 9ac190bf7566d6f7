"""TextAttack's text object without its repeated work: an edit of one word does not split the whole text again.

The library runs its word pattern over every word of a text, and over the text, for every candidate; most of what a
search costs beside the models is spent there. Same words, texts, attributes and errors as the library's class; what is
not a plain edit (its column separator, Chinese characters, which it segments in context) is left to that class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.shared import AttackedText  # noqa: E402
from textattack.shared.utils import words_from_text  # noqa: E402

SEGMENTED = re.compile("[\u4e00-\u9fff]")
"""Where the library splits by a segmenter that reads the whole text."""
TOKENS = 50_000
"""Tokens remembered; then the memory begins anew."""


class Splitter:
    """The library's words of a text, from the words of its blank-separated tokens, each split once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}

    def __call__(self, text: str) -> list[str]:
        if SEGMENTED.search(text):
            return list(words_from_text(text))
        known = self._known
        found: list[str] = []
        for token in text.split():
            words = known.get(token)
            if words is None:
                if len(known) >= TOKENS:
                    known.clear()
                words = known[token] = tuple(words_from_text(token))
            found += words
        return found


class QuickText(AttackedText):  # type: ignore[misc]
    """One text without columns. Edits share the splitter of the text they come from."""

    def __init__(self, text: str, attack_attrs: dict[str, Any] | None = None, splitter: Splitter | None = None) -> None:
        self._text = text
        self._splitter = splitter or Splitter()
        self._starts: list[int] | None = None
        self._spans: list[tuple[int, int]] | None = None
        super().__init__(text, attack_attrs)

    @property
    def text(self) -> str:
        return self._text

    @property
    def words(self) -> list[str]:
        if not self._words:
            self._words: list[str] = self._splitter(self._text)
        return self._words

    def generate_new_attacked_text(self, new_words: Iterable[str]) -> Any:
        """As the library's: ``new_words`` holds none, one or several words for each word of this text."""
        new, old = list(new_words), self.words
        changed = [i for i, (before, after) in enumerate(zip(old, new, strict=False)) if before != after]
        if len(new) < len(old) or not self._is_plain(new[i] for i in changed):
            return super().generate_new_attacked_text(new)
        return self._edited(changed, new)

    def _is_plain(self, changed: Iterable[str]) -> bool:
        texts = (self._text, *changed)
        return not any(self.SPLIT_TOKEN in text or SEGMENTED.search(text) for text in texts)

    def _edited(self, changed: list[int], new: list[str]) -> Any:
        spans, rest = self._places(), self._text
        attributes = {name: self.attack_attrs[name] for name in ("label_names",) if name in self.attack_attrs}
        modified, numbers = self.attack_attrs["modified_indices"].copy(), self.attack_attrs["original_index_map"].copy()
        newly: set[int] = set()
        made, done, shift = "", 0, 0
        for i in changed:
            start, end = spans[i]
            made += self._text[done:start]
            done = end
            words = self._splitter(new[i])
            if len(words) != 1:
                modified = _shifted(modified, i, len(words) - 1)
                numbers = _renumbered(numbers, i, len(words), bool(words) and words[0] != self.words[i])
            places = range(i + shift, i + shift + len(words))
            modified.update(places)
            newly.update(places)
            shift += len(words) - 1
            if not words and done < len(rest):  # a deleted word takes one of the blanks around it with it
                if i == 0:
                    done += rest[done] == " "
                elif made[-1] == " ":
                    made = made[:-1]
            made += new[i]
        made += self._text[done:]
        if self.SPLIT_TOKEN in made:
            return super().generate_new_attacked_text(new)
        attributes |= {
            "newly_modified_indices": newly,
            "previous_attacked_text": self,
            "modified_indices": modified,
            "original_index_map": numbers,
        }
        return QuickText(made, attributes, self._splitter)

    def _places(self) -> list[tuple[int, int]]:
        """First and last character (excluded) of each word, found one after the other."""
        if self._spans is None:
            spans, done = [], 0
            for word in self.words:
                start = self._text.index(word, done)
                done = start + len(word)
                spans.append((start, done))
            self._spans = spans
        return self._spans

    def _text_index_of_word_index(self, i: int) -> int:
        """As the library's, which looks for all words before ``i`` in the lower-case text, every time."""
        if not 0 <= i < len(self.words):
            return int(super()._text_index_of_word_index(i))
        if self._starts is None:
            lower, starts, done = self._text.lower(), [], 0
            for word in self.words:
                done = lower.find(word.lower(), done) + len(word)
                starts.append(done - len(word))
            self._starts = starts
        return self._starts[i]


def _shifted(modified: set[int], i: int, by: int) -> set[int]:
    """Places of modified words after word ``i`` has become ``by`` words more; its own place is entered anew."""
    return {place if place < i else place + by for place in modified if place != i}


def _renumbered(numbers: Any, i: int, count: int, before: bool) -> Any:
    """For each original word its place now (-1: gone), after word ``i`` has become ``count`` words."""
    if count == 0:
        numbers[numbers == i] = -1
    numbers[numbers > i] += count - 1
    if count > 1 and before:
        numbers[numbers == i] += count - 1
    return numbers
