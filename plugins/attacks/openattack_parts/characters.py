"""Character attackers of OpenAttack, mended: TextBugger and DeepWordBug."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark_plugins.attacks.openattack_env import import_openattack
from benchmark_plugins.attacks.runner import DECIMALS

import_openattack()  # must come before the library's own import

from OpenAttack.attackers import DeepWordBugAttacker, TextBuggerAttacker  # noqa: E402

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark_plugins.attacks.openattack_parts.runner import Scene
    from benchmark_plugins.attacks.openattack_parts.substitutes import Substitutes

SHORTEST_SWAP = 4


class TextBugger(TextBuggerAttacker):  # type: ignore[misc]
    """The library's, with the paper's swap of two *adjacent* inner letters, and bugs inside the contract."""

    def __init__(self, scene: Scene, substitute: Substitutes, words: Sequence[str]) -> None:
        super().__init__(True, scene.tokenizer, substitute, list(words))
        self._inside = scene.inside

    def bug_swap(self, word: str) -> str:
        """Two neighbouring letters, neither the first nor the last (the library swaps any two inner letters)."""
        import random

        if len(word) < SHORTEST_SWAP:
            return word
        at = random.randint(1, len(word) - 3)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    def getScore(self, candidate: list[str], clsf: Any, goal: Any) -> float:
        if not self._inside([self.tokenizer.detokenize(candidate)])[0]:
            return float("-inf")
        return float(super().getScore(candidate, clsf, goal))


class DeepWordBug(DeepWordBugAttacker):  # type: ignore[misc]
    """The library's, with a ``swap`` that runs and temporal scores that edit the *most* important words."""

    def __init__(self, scene: Scene, scoring: str, transform: str, power: int) -> None:
        super().__init__(scene.victim.unknown_token, scoring, transform, power, scene.tokenizer)

    def scorefunc(self, type_: str, victim: Any, tokens: list[str], goal: Any) -> NDArray[np.int64]:
        """Ranks: the word to be edited first has 0; ties go to the left.

        The library sorts what this returns in rising order. Replacement scores are what is left of the gold label, so
        the lowest comes first; temporal scores are how much a word changes, so the highest has to.
        """
        import numpy as np

        scores = np.round(super().scorefunc(type_, victim, tokens, goal), DECIMALS)
        order = np.argsort(scores if type_ == "replaceone" else -scores, kind="stable")
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(len(order))
        return ranks

    def transform(self, type_: str, word: str) -> str:
        """The edited word; the library's ``swap`` calls the function that scores by position, which fails."""
        return str(self.swap(word) if type_ == "swap" else super().transform(type_, word))
