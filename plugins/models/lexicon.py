"""``wordnet-lexicon``: the direct antonyms of WordNet 3.0 and the stop list of the attacks, for a contract's clauses.

Forms are WordNet's own lemmas: "good" and "bad" are antonyms, "loved" and "hated" are not, nor are words that are
opposites through a third one only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from benchmark import Model, ModelRole, Resources
from benchmark.errors import AssetCorrupt
from benchmark_plugins.assets import WORDNET
from benchmark_plugins.attacks import stopwords
from benchmark_plugins.attacks.embedding import WORDNET_FOLDER
from benchmark_plugins.attacks.wordnet import PARTS, parse_index, relations

FILE = "antonyms.txt"
ALGORITHM = 1
"""Raised whenever the code changes the pairs; part of the derived folder's name and of the revision."""


class WordLexicon:
    """Implements :class:`benchmark.api.Lexicon` over unordered pairs of antonyms."""

    def __init__(self, pairs: Iterable[tuple[str, str]], stop_words: frozenset[str]) -> None:
        self.stop_words = stop_words
        opposites: defaultdict[str, set[str]] = defaultdict(set)
        for first, second in pairs:
            opposites[first].add(second)
            opposites[second].add(first)
        self._antonyms = {word: frozenset(found) for word, found in opposites.items()}

    def antonyms(self, word: str) -> frozenset[str]:
        """The direct antonyms of a lower-case word, in any of its senses and parts of speech."""
        return self._antonyms.get(word, frozenset())


def build_pairs(resources: Resources, folder: Path) -> None:
    """Write the antonym pairs of single words to ``folder``, one pair a line (a few seconds)."""

    def read(name: str) -> bytes:
        return resources.read(WORDNET, f"{WORDNET_FOLDER}/{name}")

    lemmas = {lemma for part in PARTS for lemma in parse_index(read(f"index.{part}").decode("utf-8"))}
    words = frozenset(lemma for lemma in lemmas if "_" not in lemma)
    pairs = relations(read, words, senses=0).antonyms  # no sense of a word gives it synonyms, which are not wanted here
    (folder / FILE).write_text("\n".join(" ".join(pair) for pair in pairs), encoding="utf-8")


def load(resources: Resources) -> WordLexicon:
    """The lexicon; the pairs are made on first use and read from the cache afterwards."""
    inputs = {"wordnet": WORDNET.sha256, "algorithm": ALGORITHM}
    folder = resources.derived("wordnet-antonyms", inputs, lambda folder: build_pairs(resources, folder))
    lines = [line.split(" ") for line in (folder / FILE).read_text(encoding="utf-8").split("\n")]
    if not all(len(line) == 2 for line in lines):
        raise AssetCorrupt(f"{folder} does not hold pairs of words", "Remove this folder; it is made again")
    return WordLexicon(((first, second) for first, second in lines), frozenset(stopwords.stop_words()))


MODEL = Model(
    name="wordnet-lexicon",
    role=ModelRole.LEXICON,
    revision=f"wordnet:{WORDNET.sha256} stop:{stopwords.SHA256} algorithm:{ALGORITHM}",
    load=load,
    assets=(WORDNET,),
    about="direct antonyms of WordNet 3.0, and the stop words that the attacks leave alone",
)
