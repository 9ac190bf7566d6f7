"""The genetic searches of TextAttack with their faults mended (Alzantot et al. 2018; Wang et al. 2019).

Mended, for both: parents are drawn by ``exp(+score / temperature)`` (the library draws the weakest); children must
pass the constraints, those against the original text included; the children of the last generation count; a success
ends the search; a position is tried once, and one without substitutes is not drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from benchmark_plugins.attacks.population import EndsAtSuccess, inherit_edits, word_counts
from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.search_methods import (  # noqa: E402
    AlzantotGeneticAlgorithm,
    ImprovedGeneticAlgorithm,
    PopulationMember,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COUNTED = 400
"""Words of a text up to which substitutes are counted after the constraints, as the library does. The work is square
in the length: longer texts take the number of substitutes of each word, as the authors' program does."""


def parent_weights(scores: Sequence[float], temperature: float) -> NDArray[np.float64]:
    """Probability of each member to be a parent: softmax of score / temperature (Alzantot et al., algorithm 1)."""
    import numpy as np

    raised = np.asarray(scores, dtype=np.float64) / temperature
    powers = np.exp(raised - raised.max())
    weights: NDArray[np.float64] = powers / powers.sum()
    return weights


class MendedGenetic(EndsAtSuccess):
    """Mixed in before a genetic search of the library, whose operators and bookkeeping it uses."""

    pop_size: int
    max_iters: int
    temp: float
    max_crossover_retries: int
    _check_constraints: Callable[..., bool]
    _crossover_operation: Callable[[Any, Any], tuple[Any, dict[str, Any]]]
    _get_word_select_prob_weights: Callable[[Any], Any]
    _initialize_population: Callable[[Any, int], list[Any]]
    _modify_population_member: Callable[..., Any]

    def _search(self, initial_result: Any) -> Any:
        import numpy as np

        population = self._initialize_population(initial_result, self.pop_size)
        if not population:
            return initial_result
        for _ in range(self.max_iters):
            population.sort(key=lambda member: member.result.score, reverse=True)
            size = len(population)
            weights = parent_weights([member.result.score for member in population], self.temp)
            first, second = (np.random.choice(size, size=size - 1, p=weights) for _ in range(2))
            children = [
                self._perturb(
                    self._crossover(population[a], population[b], initial_result.attacked_text), initial_result
                )
                for a, b in zip(first, second, strict=True)
            ]
            population = [population[0], *children]
        return max(population, key=lambda member: member.result.score).result

    def _perturb(self, pop_member: Any, original_result: Any, index: int | None = None) -> Any:
        """Try random positions, each once, until one improves the score; ``index`` (also 0) names the only one."""
        import numpy as np

        weights = np.array(self._get_word_select_prob_weights(pop_member), dtype=np.float64)
        if index is not None:
            return self._try(pop_member, original_result, index)[0]
        while weights.any():
            place = int(np.random.choice(len(weights), 1, p=weights / weights.sum())[0])
            member, _ = self._try(pop_member, original_result, place)
            if member is not pop_member:
                return member
            weights[place] = 0
        return pop_member

    def _try(self, member: Any, original_result: Any, index: int) -> tuple[Any, bool]:
        """The member improved at ``index``, or itself; and whether there was any substitute."""
        texts = self.substitutes(member.attacked_text, original_result.attacked_text, index)
        if not texts:
            return member, False
        best = self.best(texts)
        if best.score <= member.result.score:
            return member, True
        return self._modify_population_member(member, best.attacked_text, best, index), True

    def _crossover(self, pop_member1: Any, pop_member2: Any, original_text: Any) -> Any:
        """A child within the constraints; after too many tries one of the parents. Equal to a parent: not asked again.

        The constraints see the original text and the first parent, of which the child is an edit.
        """
        import numpy as np

        first, second = pop_member1.attacked_text, pop_member2.attacked_text
        for _ in range(self.max_crossover_retries + 1):
            text, attributes = self._crossover_operation(pop_member1, pop_member2)
            edited = inherit_edits(text, first, second, set(text.attack_attrs["newly_modified_indices"]))
            for parent in (pop_member1, pop_member2):
                if text.text == parent.attacked_text.text:
                    return PopulationMember(parent.attacked_text, parent.result, attributes)
            if not edited or self._check_constraints(text, first, original_text=original_text):
                return PopulationMember(text, self.get_goal_results([text])[0][0], attributes)
        return pop_member1 if np.random.uniform() < 0.5 else pop_member2


class FixedAlzantot(MendedGenetic, AlzantotGeneticAlgorithm):  # type: ignore[misc]
    """``count(word)`` is the number of substitutes of a word."""

    def __init__(
        self, pop_size: int, max_iters: int, temp: float, max_crossover_retries: int, count: Callable[[str], int]
    ) -> None:
        super().__init__(pop_size, max_iters, temp, False, True, max_crossover_retries)
        self._count = count

    def _initialize_population(self, initial_result: Any, pop_size: int) -> list[Any]:
        text = initial_result.attacked_text
        counts = self._counts(text)
        if not counts.any():
            return []
        return [
            self._perturb(
                PopulationMember(text, initial_result, {"num_candidate_transformations": counts.copy()}), initial_result
            )
            for _ in range(pop_size)
        ]

    def _counts(self, text: Any) -> NDArray[np.int64]:
        places = self.eligible(text)
        counts: NDArray[np.int64] = word_counts(text, places, self._count)
        if text.num_words <= COUNTED:
            for index in places:
                counts[index] = len(self.substitutes(text, text, index)) if counts[index] else 0
        return counts


class FixedImproved(MendedGenetic, ImprovedGeneticAlgorithm):  # type: ignore[misc]
    """A text of more words than ``pop_size`` starts from its best members (library: those of its first words)."""

    def __init__(
        self, pop_size: int, max_iters: int, temp: float, max_crossover_retries: int, max_replace_times_per_index: int
    ) -> None:
        super().__init__(pop_size, max_iters, temp, False, True, max_crossover_retries, max_replace_times_per_index)

    def _initialize_population(self, initial_result: Any, pop_size: int) -> list[Any]:
        """One member for each word, with that word's best substitute; none when no word has a substitute."""
        import numpy as np

        text = initial_result.attacked_text
        left = np.full(text.num_words, self.max_replace_times_per_index)
        barred = np.ones(text.num_words, dtype=bool)
        barred[self.eligible(text)] = False
        population = []
        for index in range(text.num_words):
            member = PopulationMember(text, initial_result, {"num_replacements_left": left.copy()})
            if not barred[index]:
                member, found = self._try(member, initial_result, index)
                barred[index] = not found
            population.append(member)
        if barred.all():
            return []
        for member in population:
            member.attributes["num_replacements_left"][barred] = 0
        population.sort(key=lambda member: member.result.score, reverse=True)
        return population[:pop_size]
