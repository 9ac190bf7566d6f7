"""Greedy search over whole neighbourhoods, as in TextAttack, with three faults of the library mended.

The number of steps can be capped (the library goes on as long as there are candidates), the best text seen is returned
(the library returns the last, and a step may make the score worse), and an empty list of results ends the search (the
library stops with an error there, which a query budget of 1 is enough for). Ties go to the earliest candidate.
"""

from __future__ import annotations

from typing import Any

from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.goal_function_results import GoalFunctionResultStatus  # noqa: E402
from textattack.search_methods import GreedySearch  # noqa: E402


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
        steps = 0
        while current.goal_status != GoalFunctionResultStatus.SUCCEEDED and steps != self.max_steps:
            steps += 1
            candidates = self.get_transformations(current.attacked_text, original_text=initial_result.attacked_text)
            if not candidates:
                break
            results, over = self.get_goal_results(candidates)
            if not results:
                break
            current = max(results, key=lambda result: float(result.score))
            if current.score > best.score or current.goal_status == GoalFunctionResultStatus.SUCCEEDED:
                best = current
            if over:
                break
        return best

    def extra_repr_keys(self) -> list[str]:
        return ["max_steps"]
