"""The contract, checked after the attack and independent of the attack's library, always against the original text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from benchmark import clauses
from benchmark.api import Track
from benchmark.clauses import Edit, Text, word_distance, words_of
from benchmark.suite import Contract
from benchmark.window import readable

if TYPE_CHECKING:
    from benchmark.api import Lexicon, SentenceEncoder
    from benchmark.window import Window

__all__ = ["UNBOUND_CANDIDATES", "Validator", "Verdict", "word_distance", "words_of"]

UNBOUND_CANDIDATES = 1_000_000
"""K on the native track: more than any vocabulary has, so that an attack keeps its own."""


class Verdict(NamedTuple):
    """Measures of one adversarial text and the clauses it breaks (empty: within the contract)."""

    perturbed_words: int
    perturbed_share: float
    similarity: float | None
    violations: tuple[str, ...]


class Validator:
    """Checks texts against one contract. Also the :class:`benchmark.api.ContractCheck` that attacks may search with.

    On the native track everything is measured and nothing is forbidden. Raises ValueError where a clause that binds
    lacks its encoder, lexicon or window.
    """

    def __init__(
        self,
        contract: Contract,
        encoder: SentenceEncoder | None,
        lexicon: Lexicon | None = None,
        window: Window | None = None,
    ) -> None:
        self.binds = contract.track is not Track.NATIVE
        if contract.similarity is not None and encoder is None:
            raise ValueError("a contract with a similarity clause needs its encoder")
        if self.binds and (contract.keep_stop_words or contract.forbid_antonyms) and lexicon is None:
            raise ValueError("a contract with a clause on stop words or antonyms needs its lexicon")
        if self.binds and contract.forbid_truncation and window is None:
            raise ValueError("a contract with a truncation clause needs the victim's window")
        self.contract = contract
        self.candidates = contract.candidates if self.binds else UNBOUND_CANDIDATES
        self.track = contract.track
        self._encoder, self._lexicon = encoder, lexicon
        self._text = lru_cache(maxsize=64)(Text)
        self._read = lru_cache(maxsize=64)(window) if window is not None else None

    def allowed_words(self, original: str) -> int:
        """Most perturbed words: the contract's share of the original's words, rounded down, at least one."""
        return max(1, math.floor(self.contract.perturbed_words * len(self._text(original).words) + 1e-9))

    def budget(self, original: str) -> int | None:
        """Query budget for this text, or None."""
        per_word = self.contract.queries_per_word
        return None if per_word is None else per_word * max(1, len(self._text(original).words))

    def admissible(self, original: str, candidates: Sequence[str]) -> list[bool]:
        """Whether each candidate is within the contract; cheap clauses first, the encoder for survivors only."""
        if not self.binds:
            return [True] * len(candidates)
        near = [next(self._broken(Edit(self._text(original), Text(text))), None) is None for text in candidates]
        clause = self.contract.similarity
        if clause is None:
            return near
        left = [text for text, ok in zip(candidates, near, strict=True) if ok]
        scores = iter(self._similarities(original, left))
        return [ok and clauses.similarity(next(scores), clause.minimum) is None for ok in near]

    def check(self, original: str, adversarial: str) -> Verdict:
        """All measures of one text, and every clause it breaks."""
        edit = Edit(self._text(original), Text(adversarial))
        violations = list(self._broken(edit)) if self.binds else []
        score = None
        clause = self.contract.similarity
        if clause is not None:
            score = self._similarities(original, [adversarial])[0]
            found = clauses.similarity(score, clause.minimum) if self.binds else None
            violations += [found] if found else []
        share = edit.distance / max(1, len(edit.original.words))
        return Verdict(edit.distance, round(share, 6), score, tuple(violations))

    def _broken(self, edit: Edit) -> Iterator[str]:
        """Violations of the clauses that need no encoder, the cheap ones first."""
        return (found for found in self._findings(edit) if found is not None)

    def _findings(self, edit: Edit) -> Iterator[str | None]:
        contract = self.contract
        if contract.longest is not None:
            yield clauses.length(edit, contract.longest)
        yield clauses.frozen(edit, contract.frozen_columns)
        yield clauses.perturbed(edit, self.allowed_words(edit.original.text))
        if contract.forbid_repeats:
            yield clauses.repeats(edit)
        if contract.keep_stop_words and self._lexicon is not None:
            yield clauses.stop_words(edit, self._lexicon.stop_words)
        if contract.forbid_antonyms and self._lexicon is not None:
            yield clauses.antonyms(edit, self._lexicon)
        if contract.forbid_truncation and self._read is not None:
            read, read_now = self._read(edit.original.text), self._read(edit.adversarial.text)
            yield clauses.pushed_out(edit, read, read_now)
            yield clauses.hidden(edit, read, read_now)

    def _similarities(self, original: str, texts: Sequence[str]) -> list[float]:
        """Similarity of each text to the original, rounded to 1e-5 (batch shape must not decide a threshold)."""
        clause = self.contract.similarity
        if not texts or clause is None or self._encoder is None:
            return []
        vectors = self._encoder.encode([readable(text) for text in (original, *texts)])
        cosines = [min(1.0, max(-1.0, float(c))) for c in vectors[1:] @ vectors[0]]
        if clause.metric == "cosine":
            return [round(c, 5) for c in cosines]
        return [round(1 - math.acos(c) / math.pi, 5) for c in cosines]
