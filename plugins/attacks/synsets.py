"""Word substitutes of WordNet 3.0: the single-word lemmas of all synsets of a word, in all parts of speech.

What TextAttack's ``WordSwapWordNet`` proposes, without nltk: that reader seeks the byte offsets of the index files, and
the lines of the catalogue's archive end in CRLF, so it reads other lines. The inflected form of a word is found as
WordNet's own ``morphy`` does it (manual page morphy(7WN): exception lists, then rules of detachment).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark_plugins.assets import WORDNET
from benchmark_plugins.attacks.embedding import WORDNET_FOLDER
from benchmark_plugins.attacks.textattack_env import import_textattack
from benchmark_plugins.attacks.wordnet import PARTS, parse_index

import_textattack()  # must come before the library's own import

from textattack.shared.utils import is_one_word  # noqa: E402
from textattack.transformations.word_swaps.word_swap import WordSwap  # noqa: E402

if TYPE_CHECKING:
    from benchmark.api import Resources

ALGORITHM = 1
"""Raised whenever the code changes the table; part of the derived folder's name."""
TABLE = "synsets.json"

# Rules of detachment: ending of the inflected form -> ending of the lemma.
RULES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "noun": (
        ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"),
        ("men", "man"), ("ies", "y"),
    ),
    "verb": (
        ("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", ""),
    ),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}  # fmt: skip


class Synsets(NamedTuple):
    """Read-only tables, each by part of speech."""

    senses: Mapping[str, Mapping[str, list[list[str]]]]
    """Lemma in lower case -> the single words of each of its synsets, the most frequent sense first."""
    exceptions: Mapping[str, Mapping[str, list[str]]]
    """Irregular form -> its lemmas."""

    def substitutes(self, word: str) -> list[str]:
        """Other words of all synsets of ``word``: first those of the first senses, part of speech by part of speech."""
        lists = [self.senses[part][form] for part in PARTS for form in self.forms(word.lower(), part)]
        by_rank = (words for rank in zip_longest(*lists, fillvalue=()) for words in rank)
        return [other for other in dict.fromkeys(other for words in by_rank for other in words) if other != word]

    def forms(self, word: str, part: str) -> list[str]:
        """The lemmas of a lower-case word in one part of speech, itself first if it is one."""
        found = self.exceptions[part].get(word)
        if found is None:
            found = [word[: -len(old)] + new for old, new in RULES[part] if word.endswith(old)]
        return [form for form in dict.fromkeys([word, *found]) if form in self.senses[part]]


def load_synsets(resources: Resources) -> Synsets:
    """The table; made on first use (some seconds), read from the cache afterwards."""
    inputs: dict[str, Any] = {"wordnet": WORDNET.sha256, "algorithm": ALGORITHM}
    folder = resources.derived("wordnet-synsets", inputs, lambda target: build_table(resources, target))
    return Synsets(*json.loads((folder / TABLE).read_text(encoding="utf-8")))


def build_table(resources: Resources, folder: Path) -> None:
    """Read the archive and write the table to ``folder``."""
    table = read_synsets(lambda name: resources.read(WORDNET, f"{WORDNET_FOLDER}/{name}"))
    (folder / TABLE).write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")


def read_synsets(read: Callable[[str], bytes]) -> Synsets:
    """Tables of the database files, with LF or CRLF line ends. ``read`` maps a file name to its bytes."""
    senses, exceptions = {}, {}
    for part in PARTS:
        words = dict(_cased_words(read(f"data.{part}").decode("utf-8")))
        index = parse_index(read(f"index.{part}").decode("utf-8"))
        senses[part] = {lemma: [words[offset] for offset in offsets] for lemma, offsets in index.items()}
        lines = (line.split() for line in read(f"{part}.exc").decode("utf-8").splitlines())
        exceptions[part] = {form: lemmas for form, *lemmas in (fields for fields in lines if fields)}
    return Synsets(senses, exceptions)


def _cased_words(text: str) -> Iterator[tuple[int, list[str]]]:
    """Offset and words of each synset, as they are written (``Paris``), phrases left out."""
    for line in text.splitlines():
        if line.strip() and not line.startswith("  "):  # the licence at the top is indented by two blanks
            fields = line.split()
            words = (fields[4 + 2 * i].split("(")[0] for i in range(int(fields[3], 16)))
            yield int(fields[0]), [word for word in words if "_" not in word]


class WordNetSwap(WordSwap):  # type: ignore[misc]
    """Stands in for the library's ``WordSwapWordNet``: sorted, and with a cap that keeps the most frequent senses."""

    def __init__(self, synsets: Synsets, max_candidates: int | None = None) -> None:
        super().__init__()
        self._synsets = synsets
        self.max_candidates = max_candidates

    def _get_replacement_words(self, word: str) -> list[str]:
        words = [other for other in self._synsets.substitutes(word) if is_one_word(other)]
        return sorted(words[: self.max_candidates])

    def extra_repr_keys(self) -> list[str]:
        return ["max_candidates"]
