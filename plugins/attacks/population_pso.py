"""The particle swarms of TextAttack with their faults mended (Zang et al. 2020; Xiao et al. 2023, LEAP).

Mended for both: a success ends the search, ``max_turn_retries`` is honoured (the library always takes 20), and a text
without substitutes is not asked over and over. For PSO also: a turn starts from the particle and takes words of the
elite (the library does the reverse, so that a high velocity keeps a particle away from it), and a mutation tries one
position, as the authors' program does (the library asks for every substitute of every word).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchmark_plugins.attacks.population import EndsAtSuccess, SearchEnded, inherit_edits, word_counts
from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.search_methods import (  # noqa: E402
    ParticleSwarmOptimization,
    ParticleSwarmOptimizationLEAP,
    PopulationMember,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST_WEIGHT = 10
"""A position is drawn by its number of substitutes, at most this many (authors' program)."""


class MendedTurn(EndsAtSuccess):
    """Mixed in before a particle swarm of the library."""

    towards_elite = True
    post_turn_check: bool
    max_turn_retries: int
    _check_constraints: Callable[..., bool]

    def _turn(self, source_text: Any, target_text: Any, prob: Any, original_text: Any) -> Any:
        """The particle after a turn. The library hands over the elite as source and the particle as target."""
        import numpy as np

        start, goal = (target_text, source_text) if self.towards_elite else (source_text, target_text)
        words = goal.words
        for _ in range(self.max_turn_retries + 1):
            drawn = [i for i, p in enumerate(prob) if np.random.uniform() < p]
            text = start.attacked_text.replace_words_at_indices(drawn, [words[i] for i in drawn])
            if text.text == start.attacked_text.text:
                break
            edited = inherit_edits(text, start.attacked_text, goal.attacked_text, set(drawn))
            if not (self.post_turn_check and edited) or self._check_constraints(
                text, start.attacked_text, original_text=original_text
            ):
                return PopulationMember(text)
        return copy.copy(start)  # a copy: the library changes members in place, and ``start`` may be an elite


class FixedPSO(MendedTurn, ParticleSwarmOptimization):  # type: ignore[misc]
    """``count(word)`` is the number of substitutes of a word. Answers are remembered, as in the authors' program."""

    remember = True

    def __init__(
        self,
        pop_size: int,
        max_iters: int,
        post_turn_check: bool,
        max_turn_retries: int,
        count: Callable[[str], int],
    ) -> None:
        super().__init__(pop_size, max_iters, post_turn_check, max_turn_retries)
        self.max_turn_retries = max_turn_retries
        self._count = count
        self._weights: NDArray[np.int64] | None = None

    def _initialize_population(self, initial_result: Any, pop_size: int) -> list[Any]:
        """Each member is the original with the best substitute at one random position (authors' program)."""
        text = initial_result.attacked_text
        self._weights = word_counts(text, self.eligible(text), self._count).clip(max=LARGEST_WEIGHT)
        if not self._weights.any():
            raise SearchEnded(initial_result)
        population = [PopulationMember(text, initial_result) for _ in range(pop_size)]
        for member in population:
            self._perturb(member, initial_result)
        return population

    def _perturb(self, pop_member: Any, original_result: Any) -> bool:
        """Improve the member in place at one random position not yet edited; whether that was possible."""
        import numpy as np

        assert self._weights is not None, "the population comes first"
        original = original_result.attacked_text
        untouched = [a == b for a, b in zip(pop_member.words, original.words, strict=True)]
        weights = np.where(untouched, self._weights, 0).astype(np.float64)
        if not weights.any():
            return False
        place = int(np.random.choice(len(weights), 1, p=weights / weights.sum())[0])
        texts = self.substitutes(pop_member.attacked_text, original, place)
        best = self.best(texts) if texts else pop_member.result
        if best.score <= pop_member.result.score:
            return False
        pop_member.attacked_text, pop_member.result = best.attacked_text, best
        return True


class FixedLEAP(MendedTurn, ParticleSwarmOptimizationLEAP):  # type: ignore[misc]
    """Mutation stays greedy over all positions, which is what LEAP is; they are asked for one after the other.

    ``towards_elite`` False is the direction of the authors' program and the library.
    """

    def __init__(
        self, pop_size: int, max_iters: int, post_turn_check: bool, max_turn_retries: int, towards_elite: bool
    ) -> None:
        super().__init__(pop_size, max_iters, post_turn_check, max_turn_retries)
        self.max_turn_retries = max_turn_retries
        self.towards_elite = towards_elite

    def _initialize_population(self, initial_result: Any, pop_size: int) -> list[Any]:
        text = initial_result.attacked_text
        if not any(self.substitutes(text, text, index) for index in self.eligible(text)):
            raise SearchEnded(initial_result)
        population: list[Any] = super()._initialize_population(initial_result, pop_size)
        return population

    def _get_best_neighbors(self, current_result: Any, original_result: Any) -> tuple[list[Any], Any]:
        """The best neighbour at each position, and the share of each in the sum of improvements.

        As in the library, but a position's texts are made when they are asked for: a long text ends by its budget,
        not by its memory.
        """
        import numpy as np

        text, original = current_result.attacked_text, original_result.attacked_text
        neighbours = [current_result] * text.num_words
        gains = np.zeros(text.num_words)
        for index in self.eligible(text):
            texts = self.substitutes(text, original, index)
            if texts:
                neighbours[index] = self.best(texts)
                gains[index] = max(0.0, neighbours[index].score - current_result.score)
        total = gains.sum()
        return neighbours, gains / total if total else np.full(len(gains), 1 / len(gains))
