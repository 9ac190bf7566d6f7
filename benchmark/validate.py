"""The contract, checked after the attack and independent of the attack's library, always against the original text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from benchmark.suite import Contract

if TYPE_CHECKING:
    from benchmark.api import SentenceEncoder

WORD = re.compile(r"\w+(?:['’\-]\w+)*|[^\w\s]+")


class Verdict(NamedTuple):
    """Measures of one adversarial text and the clauses it breaks (empty: within the contract)."""

    perturbed_words: int
    perturbed_share: float
    similarity: float | None
    violations: tuple[str, ...]


def words_of(text: str) -> list[str]:
    """Words (letters and digits with inner apostrophes and hyphens) and runs of punctuation, in order."""
    return WORD.findall(text)


def word_distance(original: str, other: str) -> int:
    """Word-level Levenshtein distance: substitutions, insertions and deletions count one each."""
    from rapidfuzz.distance import Levenshtein

    return int(Levenshtein.distance(words_of(original), words_of(other)))


class Validator:
    """Checks texts against one contract. Also the :class:`benchmark.api.ContractCheck` that attacks may search with."""

    def __init__(self, contract: Contract, encoder: SentenceEncoder | None) -> None:
        if contract.similarity is not None and encoder is None:
            raise ValueError("a contract with a similarity clause needs its encoder")
        self.contract = contract
        self.candidates = contract.candidates
        self.track = contract.track
        self._encoder = encoder
        self._words = lru_cache(maxsize=64)(words_of)

    def allowed_words(self, original: str) -> int:
        """Most perturbed words: the contract's share of the original's words, rounded down, at least one."""
        return max(1, math.floor(self.contract.perturbed_words * len(self._words(original)) + 1e-9))

    def budget(self, original: str) -> int | None:
        """Query budget for this text, or None."""
        per_word = self.contract.queries_per_word
        return None if per_word is None else per_word * max(1, len(self._words(original)))

    def admissible(self, original: str, candidates: Sequence[str]) -> list[bool]:
        """Whether each candidate is within the contract; the cheap clause first, the encoder for survivors only."""
        limit = self.allowed_words(original)
        near = [word_distance(original, text) <= limit for text in candidates]
        clause = self.contract.similarity
        if clause is None:
            return near
        left = [text for text, ok in zip(candidates, near, strict=True) if ok]
        scores = iter(self._similarities(original, left))
        return [ok and next(scores) >= clause.minimum for ok in near]

    def check(self, original: str, adversarial: str) -> Verdict:
        """All measures of one text, and every clause it breaks."""
        distance = word_distance(original, adversarial)
        limit = self.allowed_words(original)
        violations = []
        if distance > limit:
            violations.append(f"perturbed words: {distance} > {limit}")
        similarity = None
        clause = self.contract.similarity
        if clause is not None:
            similarity = self._similarities(original, [adversarial])[0]
            if similarity < clause.minimum:
                violations.append(f"similarity: {similarity:.4f} < {clause.minimum}")
        share = distance / max(1, len(self._words(original)))
        return Verdict(distance, round(share, 6), similarity, tuple(violations))

    def _similarities(self, original: str, texts: Sequence[str]) -> list[float]:
        """Similarity of each text to the original, rounded to 1e-5 (batch shape must not decide a threshold)."""
        clause = self.contract.similarity
        if not texts or clause is None or self._encoder is None:
            return []
        vectors = self._encoder.encode([original, *texts])
        cosines = [min(1.0, max(-1.0, float(c))) for c in vectors[1:] @ vectors[0]]
        if clause.metric == "cosine":
            return [round(c, 5) for c in cosines]
        return [round(1 - math.acos(c) / math.pi, 5) for c in cosines]
