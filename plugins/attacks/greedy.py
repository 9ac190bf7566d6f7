"""Greedy search over whole neighbourhoods, as in TextAttack, with three faults of the library mended.

The number of steps can be capped (the library goes on as long as there are candidates), the best text seen is returned
(the library returns the last, and a step may make the score worse), and an empty list of results ends the search (the
library stops with an error there, which a query budget of 1 is enough for). Ties go to the earliest candidate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.goal_function_results import GoalFunctionResultStatus  # noqa: E402
from textattack.search_methods import GreedySearch  # noqa: E402

CHUNK = 128


class CappedGreedy(GreedySearch):  # type: ignore[misc]
    """Each step goes to the candidate of the highest score; ``max_steps`` of None is the library's search, uncapped."""

    def __init__(self, max_steps: int | None) -> None:
        if max_steps is not None and max_steps < 1:
            raise ValueError("a search needs one step or more")
        super().__init__()
        self.max_steps = max_steps

    def perform_search(self, initial_result: Any) -> Any:
        """The first success, or else the result of the highest score (the initial one when no step helps)."""
        best = current = initial_result
        steps, over = 0, False
        while not is_success(current) and steps != self.max_steps and not over:
            steps += 1
            found, over = self._best_neighbour(current.attacked_text, initial_result.attacked_text)
            if found is None:
                break
            current = found
            if current.score > best.score or is_success(current):
                best = current
        return best

    def _best_neighbour(self, text: Any, original: Any) -> tuple[Any, bool]:
        """The best result, None without any; and whether the library's own query budget is spent."""
        best, over = None, False
        for candidates in self._lists(text, original):
            results, over = self.get_goal_results(candidates)
            best = max([*([] if best is None else [best]), *results], key=lambda x: float(x.score), default=None)
            if over or (best is not None and is_success(best)):
                break
        return best, over

    def _lists(self, text: Any, original: Any) -> Iterator[list[Any]]:
        """Lists of candidates that are asked one after the other; here one list of all."""
        candidates = self.get_transformations(text, original_text=original)
        if candidates:
            yield candidates

    def extra_repr_keys(self) -> list[str]:
        return ["max_steps"]


class FirstHitGreedy(CappedGreedy):
    """Asks word by word, from left to right, in lists of about CHUNK, and ends at the first list with a success.

    A neighbourhood of thousands is then neither held in memory nor lost as a whole to a query budget.
    """

    def _lists(self, text: Any, original: Any) -> Iterator[list[Any]]:
        _, found = self.get_indices_to_order(text)
        waiting: list[Any] = []
        for index in sorted(int(i) for i in found):
            waiting += self.get_transformations(text, original_text=original, indices_to_modify=[index])
            if len(waiting) >= CHUNK:
                yield waiting
                waiting = []
        if waiting:
            yield waiting


def is_success(result: Any) -> bool:
    """Whether the goal is reached."""
    return bool(result.goal_status == GoalFunctionResultStatus.SUCCEEDED)
