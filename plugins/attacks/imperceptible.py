"""The four edits nobody sees (Boucher et al. 2022, section IV), as functions of a vector of numbers.

A perturbation is one or two genes; positions below 0 after rounding mean "no edit", as in the authors' program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol

from benchmark_plugins.attacks.homoglyphs import confusables

Kind = Literal["homoglyph", "invisible", "deletions", "reorderings"]
Bounds = tuple[tuple[float, float], ...]

INVISIBLE = ("\u200b", "\u200c", "\u200d")
"""Zero-width space, non-joiner and joiner."""
BACKSPACE = "\b"
PRINTABLE = (ord("!"), ord("~"))
# Unicode's bidirectional controls: overrides and isolates, and their ends.
LRO, RLO, PDF, LRI, PDI = "\u202d", "\u202e", "\u202c", "\u2066", "\u2069"


class Edit(Protocol):
    """One kind of edit of one text."""

    @property
    def bounds(self) -> Bounds:
        """Least and greatest value of each gene of one perturbation; empty where the text has nothing to edit."""

    def apply(self, genes: Sequence[float]) -> str:
        """The text after all perturbations of a vector, one after the other."""


class Homoglyphs:
    """One gene: an index into all pairs of a character and one of its look-alikes."""

    def __init__(self, text: str, table: Mapping[str, Sequence[str]]) -> None:
        self._text = text
        self._pairs = [(i, other) for i, c in enumerate(text) for other in table.get(c, ())]

    @property
    def bounds(self) -> Bounds:
        return ((-1, len(self._pairs) - 1),) if self._pairs else ()

    def apply(self, genes: Sequence[float]) -> str:
        characters = list(self._text)
        for gene in genes:
            if (index := round(float(gene))) >= 0:
                place, other = self._pairs[index]
                characters[place] = other
        return "".join(characters)


class Invisible:
    """Two genes: which character, and where it is put in."""

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def bounds(self) -> Bounds:
        return ((0, len(INVISIBLE) - 1), (-1, len(self._text) - 1)) if self._text else ()

    def apply(self, genes: Sequence[float]) -> str:
        text = self._text
        for kind, gene in _pairs(genes):
            if (place := round(float(gene))) >= 0:
                text = text[:place] + INVISIBLE[max(0, round(float(kind)))] + text[place:]
        return text


class Deletions:
    """Two genes: where a character and a backspace are put in, and which character."""

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def bounds(self) -> Bounds:
        return ((-1, len(self._text) - 1), PRINTABLE) if self._text else ()

    def apply(self, genes: Sequence[float]) -> str:
        text, done = self._text, 0
        for gene, code in _pairs(genes):
            if (place := round(float(gene))) >= 0:
                place += 2 * done  # as the authors' program: later ones move behind what was put in
                text = text[:place] + chr(round(float(code))) + BACKSPACE + text[place:]
                done += 1
        return text


class Reorderings:
    """One gene: a character that changes places with the next one, while controls show them in the old order."""

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def bounds(self) -> Bounds:
        return ((-1, len(self._text) - 1),) if len(self._text) > 1 else ()

    def apply(self, genes: Sequence[float]) -> str:
        pieces = list(self._text)
        for gene in genes:
            if (place := round(float(gene))) >= 0 and len(pieces) > 1:
                place = min(place, len(pieces) - 2)
                pieces[place : place + 2] = [swapped(pieces[place + 1], pieces[place])]
        return "".join(pieces)


def swapped(first: str, second: str) -> str:
    """Stored as ``first second``, shown as ``second first``."""
    return f"{LRO}{LRI}{RLO}{LRI}{first}{PDI}{LRI}{second}{PDI}{PDF}{PDI}{PDF}"


def edit_of(kind: Kind, text: str) -> Edit:
    """The edit of a kind for one text."""
    if kind == "homoglyph":
        return Homoglyphs(text, confusables())
    if kind == "invisible":
        return Invisible(text)
    return Deletions(text) if kind == "deletions" else Reorderings(text)


def _pairs(genes: Sequence[float]) -> Iterator[tuple[float, float]]:
    return zip(genes[::2], genes[1::2], strict=True)
