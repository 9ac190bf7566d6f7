"""Population attackers of OpenAttack: its genetic algorithm inside the contract, and its particle swarm mended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark_plugins.attacks.openattack_env import import_openattack

import_openattack()  # must come before the library's own import

from OpenAttack.attackers import GeneticAttacker, PSOAttacker  # noqa: E402

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark_plugins.attacks.openattack_parts.runner import Scene
    from benchmark_plugins.attacks.openattack_parts.substitutes import Substitutes

NEIGHBOURS_COUNTED = 10
"""More substitutes than this do not make a word likelier to be mutated (authors' code)."""


class Genetic(GeneticAttacker):  # type: ignore[misc]
    """The library's, whose every member stays inside the contract."""

    def __init__(
        self, scene: Scene, substitute: Substitutes, words: Sequence[str], population: int, steps: int
    ) -> None:
        super().__init__(population, steps, scene.tokenizer, substitute, filter_words=list(words))
        self._inside = scene.inside

    def select_best_replacements(
        self, clsf: Any, indx: int, neighbours: Sequence[str], x_cur: list[str], x_orig: list[str], goal: Any
    ) -> Any:
        texts = [self.tokenizer.detokenize([*x_cur[:indx], word, *x_cur[indx + 1 :]]) for word in neighbours]
        kept = [word for word, ok in zip(neighbours, self._inside(texts), strict=True) if ok]
        return super().select_best_replacements(clsf, indx, kept, x_cur, x_orig, goal)

    def crossover(self, x1: list[str], x2: list[str]) -> list[str]:
        """A child of two members, or the first of them where the child has more edits than the contract allows."""
        child: list[str] = super().crossover(x1, x2)
        return child if self._inside([self.tokenizer.detokenize(child)])[0] else x1


class Swarm:
    """What PSO keeps between steps: each particle, the best each has been, the best of all, and velocities."""

    def __init__(
        self, particles: list[list[str]], scores: NDArray[np.float64], velocities: NDArray[np.float64]
    ) -> None:
        self.particles, self.velocities = particles, velocities
        self.bests, self.best_scores = [list(particle) for particle in particles], scores.copy()

    def remember(self, scores: NDArray[np.float64]) -> None:
        """Take copies of the particles that are better (have less of the gold label) than they ever were."""
        for k, score in enumerate(scores):
            if score < self.best_scores[k]:
                self.bests[k], self.best_scores[k] = list(self.particles[k]), score

    @property
    def best(self) -> list[str]:
        return self.bests[int(self.best_scores.argmin())]


class PSO(PSOAttacker):  # type: ignore[misc]
    """Particle swarm over words, with the elites that the library never updates.

    There the best scores start below every probability and are only replaced by lower ones, and the elites are the
    population's own list, so that every particle is pulled towards itself and the first one. Steps, inertia, turn
    probabilities and mutation are the library's; a step's new texts are asked in one list.
    """

    def __init__(
        self, scene: Scene, substitute: Substitutes, words: Sequence[str], population: int, steps: int
    ) -> None:
        super().__init__(population, steps, scene.tokenizer, substitute, list(words))
        self._inside = scene.inside
        self._omega, self._pull, self._velocity = (0.8, 0.2), (0.8, 0.2), 3.0

    def attack(self, victim: Any, sentence: str, goal: Any) -> str | None:
        import numpy as np

        self.invoke_dict: dict[tuple[str, ...], Any] = {}
        pairs = self.tokenizer.tokenize(sentence.lower())
        tokens = [token for token, _ in pairs]
        lists = [self._choices(tokens, i, part) for i, (_, part) in enumerate(pairs)]
        counts = np.array([min(len(words), NEIGHBOURS_COUNTED) for words in lists], dtype=np.float64)
        if not counts.sum():
            return None
        weights = counts / counts.sum()
        particles = self.generate_population(tokens, lists, weights, len(tokens))
        start = np.random.uniform(-self._velocity, self._velocity, size=len(particles))
        swarm: Swarm | None = None
        for step in range(self.max_iters):
            rows = self.predict_batch(victim, particles)
            if swarm is None:
                swarm = Swarm(particles, rows[:, goal.target], np.tile(start[:, None], (1, len(tokens))))
            if (won := self._won(particles, rows, goal)) is not None:
                return won
            swarm.particles = particles
            swarm.remember(rows[:, goal.target])
            self._move(swarm, step / self.max_iters)
            rows = self.predict_batch(victim, swarm.particles)
            if (won := self._won(swarm.particles, rows, goal)) is not None:
                return won
            swarm.remember(rows[:, goal.target])
            particles = [self._mutated(particle, tokens, lists, weights) for particle in swarm.particles]
        return None

    def _choices(self, tokens: list[str], index: int, part: str) -> list[str]:
        """The substitutes of one word that are within the contract as the only edit."""
        if tokens[index] in self.filter_words:
            return []
        words = self.get_neighbours(tokens[index], part)
        texts = self.make_batch([self.do_replace(tokens, index, word) for word in words])
        return [word for word, ok in zip(words, self._inside(texts), strict=True) if ok]

    def _won(self, particles: list[list[str]], rows: NDArray[np.float64], goal: Any) -> str | None:
        best = int(rows[:, goal.target].argmin())
        text = str(self.tokenizer.detokenize(particles[best]))
        return text if goal.check(text, rows[best].argmax()) else None

    def _move(self, swarm: Swarm, progress: float) -> None:
        """Pull each particle towards its own best with falling, and to the best of all with rising probability."""
        import numpy as np

        inertia = self._omega[0] - (self._omega[0] - self._omega[1]) * progress
        swing = (self._pull[0] - self._pull[1]) * progress
        own, common = self._pull[0] - swing, self._pull[1] + swing
        best = swarm.best
        for k, particle in enumerate(swarm.particles):
            pulls = np.array(
                [self.equal(w, b) + self.equal(w, a) for w, b, a in zip(particle, swarm.bests[k], best, strict=True)]
            )
            swarm.velocities[k] = inertia * swarm.velocities[k] + (1 - inertia) * pulls
            turns = self.sigmod(swarm.velocities[k])
            for elite, chance in ((swarm.bests[k], own), (best, common)):
                if np.random.uniform() < chance:
                    moved = self.turn(elite, swarm.particles[k], turns, len(turns))
                    swarm.particles[k] = self._if_inside(moved, swarm.particles[k])

    def _mutated(self, particle: list[str], tokens: list[str], lists: Any, weights: NDArray[np.float64]) -> list[str]:
        """One word changed, the less likely the more are already."""
        import numpy as np

        if np.random.uniform() >= 1 - 2 * self.count_change_ratio(particle, tokens, len(tokens)):
            return particle
        return self._if_inside(self.mutate(particle, tokens, lists, weights), particle)

    def _if_inside(self, candidate: list[str], otherwise: list[str]) -> list[str]:
        return candidate if self._inside(self.make_batch([candidate]))[0] else otherwise

    def predict_batch(self, victim: Any, sentences: list[list[str]]) -> NDArray[np.float64]:
        """Probabilities of each; those not met before are asked in one list."""
        import numpy as np

        known = self.invoke_dict
        new = [key for key in dict.fromkeys(map(tuple, sentences)) if key not in known]
        if new:
            known.update(zip(new, victim.get_prob(self.make_batch([list(key) for key in new])), strict=True))
        return np.stack([known[tuple(sentence)] for sentence in sentences])
