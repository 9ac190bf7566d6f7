"""A small reader of WordNet 3.0's database files: synonyms (shared synsets) and direct antonyms, as word pairs.

A synset is found by the offset written in its own line, never by seeking, so CRLF line ends (which shift every byte
offset, and make other readers misread these files) do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmark.errors import BadData

PARTS = ("noun", "verb", "adj", "adv")
POS_OF_LETTER = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}
ANTONYM = "!"


class Pointer(NamedTuple):
    """A relation to another synset; ``source`` and ``target`` count words from 1, 0 means the whole synset."""

    symbol: str
    offset: int
    pos: str
    source: int
    target: int


class Synset(NamedTuple):
    """One line of a data file. Words are lower-case, with ``_`` for blanks and without syntactic markers."""

    offset: int
    pos: str
    words: tuple[str, ...]
    pointers: tuple[Pointer, ...]


class Relations(NamedTuple):
    """Sorted unordered word pairs (first < second) between words of the vocabulary."""

    synonyms: tuple[tuple[str, str], ...]
    antonyms: tuple[tuple[str, str], ...]


def parse_data(text: str, part: str) -> Iterator[Synset]:
    """Synsets of a ``data.<part>`` file, with LF or CRLF line ends; raises BadData naming the bad line."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("  "):  # the licence at the top is indented by two blanks
            continue
        try:
            yield _synset(line.split(" | ", 1)[0].split(), part)
        except (ValueError, IndexError, KeyError):
            raise BadData(
                f"data.{part}, line {number} is not a WordNet synset",
                "The archive is not WordNet 3.0; run `bench doctor`",
            ) from None


def _synset(fields: list[str], part: str) -> Synset:
    count = int(fields[3], 16)
    words = tuple(fields[4 + 2 * i].split("(")[0].lower() for i in range(count))
    start = 4 + 2 * count
    pointers = []
    for i in range(int(fields[start])):
        symbol, offset, pos, ends = fields[start + 1 + 4 * i : start + 5 + 4 * i]
        pointers.append(Pointer(symbol, int(offset), POS_OF_LETTER[pos], int(ends[:2], 16), int(ends[2:], 16)))
    return Synset(int(fields[0]), part, words, tuple(pointers))


def parse_index(text: str) -> dict[str, tuple[int, ...]]:
    """Lemma -> offsets of its senses, the most frequent sense first, of an ``index.<part>`` file."""
    senses = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("  "):
            continue
        fields = line.split()
        count = int(fields[2])
        senses[fields[0]] = tuple(int(offset) for offset in fields[-count:])
    return senses


def relations(read: Callable[[str], bytes], vocabulary: frozenset[str], senses: int) -> Relations:
    """Pairs of the vocabulary. ``read`` maps a file name such as ``data.adj`` to its bytes.

    Two words are synonyms when they share a synset that is among the first ``senses`` senses of both in that part of
    speech; antonyms when one of their senses points to the other as its opposite. A pair that is both is an antonym.
    """
    synonyms: set[tuple[str, str]] = set()
    antonyms: set[tuple[str, str]] = set()
    for part in PARTS:
        ranks = parse_index(read(f"index.{part}").decode("utf-8"))
        synsets = {synset.offset: synset for synset in parse_data(read(f"data.{part}").decode("utf-8"), part)}
        for synset in synsets.values():
            common = sorted({w for w in synset.words if w in vocabulary and synset.offset in ranks.get(w, ())[:senses]})
            synonyms.update((a, b) for i, a in enumerate(common) for b in common[i + 1 :])
            for pointer in synset.pointers:
                if pointer.symbol != ANTONYM or pointer.pos != part or not pointer.source or not pointer.target:
                    continue
                pair = synset.words[pointer.source - 1], synsets[pointer.offset].words[pointer.target - 1]
                if pair[0] != pair[1] and vocabulary.issuperset(pair):
                    antonyms.add((min(pair), max(pair)))
    return Relations(tuple(sorted(synonyms - antonyms)), tuple(sorted(antonyms)))
