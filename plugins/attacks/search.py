"""Greedy word swap with word importance ranking, as in TextAttack, with two faults of the library mended.

The ranking is sorted stably (the library's order of ties depends on the processor), and positions are followed when an
edit changes the number of words (the library goes on with the positions of the original text).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.search_methods import GreedyWordSwapWIR  # noqa: E402


class SteadyWIR(GreedyWordSwapWIR):  # type: ignore[misc]
    """``wir_method`` is ``delete`` or ``unk``; ``unk_token`` is the victim's own unknown-word token."""

    def __init__(self, wir_method: str, unk_token: str) -> None:
        if wir_method not in ("delete", "unk"):
            raise ValueError(f"no ranking by {wir_method!r} here")
        super().__init__(wir_method=wir_method, unk_token=unk_token)

    def _get_index_order(self, initial_text: Any, max_len: int = -1) -> tuple[list[int], bool]:
        """Word positions by falling importance (ties: from left to right), from one call of the victim."""
        _, found = self.get_indices_to_order(initial_text)
        indices = sorted(int(i) for i in found)
        if not indices:
            return [], False
        if self.wir_method == "delete":
            texts = [initial_text.delete_word_at_index(i) for i in indices]
        else:
            texts = [initial_text.replace_word_at_index(i, self.unk_token) for i in indices]
        results, over = self.get_goal_results(texts)
        scores = [float(result.score) for result in results]
        order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
        return [indices[i] for i in order], over

    def perform_search(self, initial_result: Any) -> Any:
        unshifted = self.get_transformations
        self.get_transformations = partial(unshifted, shifted_idxs=True)
        try:
            return super().perform_search(initial_result)
        finally:
            self.get_transformations = unshifted
