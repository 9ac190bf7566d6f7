"""The clauses of a contract: each a pure function of texts that gives its violation in words, or None.

Nothing here asks a model. Words are compared as :func:`folded` where a clause is about words, and as they stand where
it is about edits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from benchmark.api import COLUMN_SEPARATOR

if TYPE_CHECKING:
    from benchmark.api import Lexicon

WORD = re.compile(r"\w+(?:['’\-]\w+)*|[^\w\s]+")
SHOWN = 40
"""Most characters of a word in a violation."""


def words_of(text: str) -> list[str]:
    """Words (letters and digits with inner apostrophes and hyphens) and runs of punctuation, in order."""
    return WORD.findall(text)


def word_distance(original: str, other: str) -> int:
    """Word-level Levenshtein distance: substitutions, insertions and deletions count one each."""
    return Edit(Text(original), Text(other)).distance


def folded(word: str) -> str:
    """The word as dictionaries have it: lower-case, with a straight apostrophe."""
    return word.lower().replace("’", "'")


class Place(NamedTuple):
    """Where a word stands: its column, and its characters in that column."""

    column: int
    start: int
    end: int


class Text:
    """A text, its columns and its words; each computed when first asked for."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def columns(self) -> list[str]:
        return self.text.split(COLUMN_SEPARATOR)

    @cached_property
    def words(self) -> list[str]:
        return words_of(self.text)

    @cached_property
    def places(self) -> list[Place]:
        """One a word: a separator is a blank to :data:`WORD`, so that no word crosses it."""
        return [
            Place(number, *found.span())
            for number, column in enumerate(self.columns)
            for found in WORD.finditer(column)
        ]


class Region(NamedTuple):
    """Words that stand between two kept ones (or at an end) and are not what they were; one side may be empty."""

    old: range
    new: range

    @property
    def partner(self) -> dict[int, int]:
        """Which new word took an old one's place; empty where words came or went, and nobody can tell."""
        return dict(zip(self.old, self.new, strict=True)) if len(self.old) == len(self.new) else {}


class Edit:
    """An original text and what an attack made of it, aligned with the fewest edits of words."""

    def __init__(self, original: Text, adversarial: Text) -> None:
        self.original, self.adversarial = original, adversarial

    @cached_property
    def distance(self) -> int:
        """Substituted, inserted and deleted words."""
        from rapidfuzz.distance import Levenshtein

        return int(Levenshtein.distance(self.original.words, self.adversarial.words))

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """The changed stretches, in order. Edits that touch are one stretch."""
        from rapidfuzz.distance import Levenshtein

        found: list[Region] = []
        for step in Levenshtein.opcodes(self.original.words, self.adversarial.words):
            if step.tag == "equal":
                continue
            start = step.src_start, step.dest_start
            if found and (found[-1].old.stop, found[-1].new.stop) == start:
                before = found.pop()
                start = before.old.start, before.new.start
            found.append(Region(range(start[0], step.src_end), range(start[1], step.dest_end)))
        return tuple(found)

    @cached_property
    def kept(self) -> tuple[tuple[int, int], ...]:
        """Index of each kept word in the original and in the adversarial text."""
        found: list[tuple[int, int]] = []
        i = j = 0
        end = len(self.original.words), len(self.adversarial.words)
        for region in (*self.regions, Region(range(end[0], end[0]), range(end[1], end[1]))):
            found += zip(range(i, region.old.start), range(j, region.new.start), strict=True)
            i, j = region.old.stop, region.new.stop
        return tuple(found)


# --- clauses ----------------------------------------------------------------------------------------------------------


def perturbed(edit: Edit, limit: int) -> str | None:
    """At most ``limit`` perturbed words."""
    return f"perturbed words: {edit.distance} > {limit}" if edit.distance > limit else None


def length(edit: Edit, longest: float) -> str | None:
    """At most ``longest`` times the characters of the original (an empty one counts as one character)."""
    now, before = len(edit.adversarial.text), max(1, len(edit.original.text))
    if now <= longest * before + 1e-9:
        return None
    return f"length: {-(-100 * now // before) / 100} > {longest}"  # rounded up, so that it reads as the excess it is


def frozen(edit: Edit, columns: Iterable[int]) -> str | None:
    """Equal text in each of ``columns`` (one that the original lacks is passed over), and as many columns as before."""
    old, new = edit.original.columns, edit.adversarial.columns
    wanted = sorted(set(columns))
    if not wanted:
        return None
    if len(old) != len(new):
        return f"columns: {len(new)} instead of {len(old)}"
    return _first([f"frozen column {c} changed" for c in wanted if c < len(old) and old[c] != new[c]])


def repeats(edit: Edit) -> str | None:
    """No word beside an equal one in the same column more often than in the original. Punctuation may repeat."""
    new = _doubled(edit.adversarial) - _doubled(edit.original)
    return _first([f"repeated word: {_shown(f'{word} {word}')}" for word in new.elements()])


def stop_words(edit: Edit, words: Collection[str]) -> str | None:
    """Each of ``words`` that a changed stretch of the original holds still stands in that stretch."""
    old, new = edit.original.words, edit.adversarial.words
    found: list[str] = []
    for region in edit.regions:
        left = [folded(new[j]) for j in region.new]
        partner = region.partner
        for i in region.old:
            word = folded(old[i])
            if word in left:
                left.remove(word)
            elif word in words and i in partner:
                found.append(f"stop word changed: {_shown(old[i])} -> {_shown(new[partner[i]])}")
            elif word in words:
                found.append(f"stop word removed: {_shown(old[i])}")
    return _first(found)


def antonyms(edit: Edit, lexicon: Lexicon) -> str | None:
    """No word becomes one that ``lexicon`` calls its antonym; inflected forms are antonyms where the lexicon says so.

    In a stretch that words were added to or taken from, any new word may stand for any old one.
    """
    old, new = edit.original.words, edit.adversarial.words
    found: list[str] = []
    for region in edit.regions:
        everywhere = {folded(new[j]): new[j] for j in region.new}
        for i in region.old:
            instead = {folded(new[j]): new[j] for j in [region.partner[i]]} if region.partner else everywhere
            opposites = sorted(lexicon.antonyms(folded(old[i])) & instead.keys())
            found += [f"antonym: {_shown(old[i])} -> {_shown(instead[word])}" for word in opposites]
    return _first(found)


def pushed_out(edit: Edit, read: Sequence[int], read_now: Sequence[int]) -> str | None:
    """Each word of the original that the victim read, or what took its place, is still read to its end.

    ``read`` and ``read_now`` are the characters that the victim reads of each column of the two texts.
    """
    old, new = edit.original.places, edit.adversarial.places
    replaced = [pair for region in edit.regions for pair in zip(region.old, region.new, strict=False)]
    lost = sum(_inside(old[i], read) and not _inside(new[j], read_now) for i, j in (*edit.kept, *replaced))
    if not lost:
        return None
    words = "1 word of the original leaves" if lost == 1 else f"{lost} words of the original leave"
    return f"truncation: {words} the victim's window"


def hidden(edit: Edit, read: Sequence[int], read_now: Sequence[int]) -> str | None:
    """No changed stretch stands wholly where the victim reads nothing, neither before nor after the edit."""
    old, new = edit.original.places, edit.adversarial.places
    for region in edit.regions:
        if all(_behind(old[i], read) for i in region.old) and all(_behind(new[j], read_now) for j in region.new):
            return "truncation: the edit lies behind the victim's window"
    return None


def similarity(score: float, minimum: float) -> str | None:
    """At least ``minimum``."""
    return f"similarity: {score:.4f} < {minimum}" if score < minimum else None


# --- helpers ----------------------------------------------------------------------------------------------------------


def _doubled(text: Text) -> Counter[str]:
    """Words that stand directly before an equal one in the same column, and how often."""
    words = [(folded(word), place.column) for word, place in zip(text.words, text.places, strict=True)]
    return Counter(first[0] for first, second in pairwise(words) if first == second and re.match(r"\w", first[0]))


def _inside(place: Place, read: Sequence[int]) -> bool:
    return place.column < len(read) and place.end <= read[place.column]


def _behind(place: Place, read: Sequence[int]) -> bool:
    return place.column >= len(read) or place.start >= read[place.column]


def _first(found: Sequence[str]) -> str | None:
    """The first violation and how many more of its kind there are: a record stays small whatever the text is."""
    if len(found) < 2:
        return found[0] if found else None
    return f"{found[0]} (and {len(found) - 1} more)"


def _shown(word: str) -> str:
    """The word in quotes, cut when it is long; what cannot be printed or stored as UTF-8 is escaped."""
    return repr(word if len(word) <= SHOWN else word[: SHOWN - 1] + "…")
