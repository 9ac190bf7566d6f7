"""Greedy word swap with word importance ranking, as in TextAttack, with two faults of the library mended.

The ranking is sorted stably (the library's order of ties depends on the processor), and positions are followed when an
edit changes the number of words (the library goes on with the positions of the original text).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.search_methods import GreedyWordSwapWIR  # noqa: E402

RANKINGS = ("delete", "unk", "weighted-saliency")
CHUNK = 128
"""Substitutes scored in one call; a list of all of them would hold a copy of a long text for each."""
DECIMALS = 10


class SteadyWIR(GreedyWordSwapWIR):  # type: ignore[misc]
    """``wir_method`` is one of RANKINGS; ``unk_token`` is the victim's own unknown-word token.

    ``delete`` and ``unk``: the score without the word. ``weighted-saliency``: the softmax over the words of the scores
    by ``unk``, times the best score of a substitute (Ren et al. 2019, section 3.3, as TextAttack reads it).
    """

    get_transformations: Any  # set by the library's Attack

    def __init__(self, wir_method: str, unk_token: str) -> None:
        if wir_method not in RANKINGS:
            raise ValueError(f"no ranking by {wir_method!r} here")
        super().__init__(wir_method=wir_method, unk_token=unk_token)

    def _get_index_order(self, initial_text: Any, max_len: int = -1) -> tuple[list[int], bool]:
        """Word positions by falling importance (ties: from left to right)."""
        _, found = self.get_indices_to_order(initial_text)
        indices = sorted(int(i) for i in found)
        if not indices:
            return [], False
        scores, over = self._by_omission(initial_text, indices)
        if self.wir_method == "weighted-saliency" and not over:
            best, over = self._best_substitutes(initial_text, indices)
            scores = [round(share * score, DECIMALS) for share, score in zip(softmax(scores), best, strict=True)]
        order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
        return [indices[i] for i in order], over

    def _by_omission(self, text: Any, indices: Sequence[int]) -> tuple[list[float], bool]:
        """The score of the text without each word, asked in lists of CHUNK: of a long text they are not all made when
        the budget ends the search at the first."""
        scores: list[float] = []
        over = False
        for start in range(0, len(indices), CHUNK):
            texts = [self._without(text, index) for index in indices[start : start + CHUNK]]
            results, over = self.get_goal_results(texts)
            scores += [float(result.score) for result in results]
            if over:
                break
        return scores, over

    def _without(self, text: Any, index: int) -> Any:
        if self.wir_method == "delete":
            return text.delete_word_at_index(index)
        return text.replace_word_at_index(index, self.unk_token)

    def _best_substitutes(self, text: Any, indices: Sequence[int]) -> tuple[list[float], bool]:
        """The best score that a substitute reaches at each position; 0 where there is none."""
        best, over = [0.0] * len(indices), False
        for owners, candidates in self._chunks(text, indices):
            results, over = self.get_goal_results(candidates)
            for owner, result in zip(owners, results, strict=False):  # fewer results when a budget ends
                best[owner] = max(best[owner], float(result.score))
            if over:
                break
        return best, over

    def _chunks(self, text: Any, indices: Sequence[int]) -> Iterator[tuple[list[int], list[Any]]]:
        owners: list[int] = []
        candidates: list[Any] = []
        for place, index in enumerate(indices):
            found = self.get_transformations(text, original_text=text, indices_to_modify=[index])
            owners += [place] * len(found)
            candidates += found
            if len(candidates) >= CHUNK:
                yield owners, candidates
                owners, candidates = [], []
        if candidates:
            yield owners, candidates

    def perform_search(self, initial_result: Any) -> Any:
        unshifted = self.get_transformations
        self.get_transformations = partial(unshifted, shifted_idxs=True)
        try:
            return super().perform_search(initial_result)
        finally:
            self.get_transformations = unshifted


def softmax(scores: Sequence[float]) -> list[float]:
    """In float64, so that equal scores have equal shares."""
    import math

    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    total = math.fsum(powers)
    return [power / total for power in powers]
