"""OpenAttack's FD (after Papernot et al.) over the gradients and embeddings of the victim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark_plugins.attacks.openattack_env import import_openattack

import_openattack()  # must come before the library's own import

from OpenAttack.attackers import FDAttacker  # noqa: E402

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark_plugins.attacks.openattack_parts.runner import Scene
    from benchmark_plugins.attacks.openattack_parts.substitutes import Substitutes

TRIES_PER_TOKEN = 5


class FD(FDAttacker):  # type: ignore[misc]
    """A random word becomes the substitute whose step has the signs of the gradient, until the label changes.

    The library wants a victim whose tokens are words, and its own victim hands over the gradient of *minus* the loss,
    along which the gold label gains. Here a word's gradient is the sum over its tokens, its vector the mean, and
    substitutes are single tokens.
    """

    def __init__(self, scene: Scene, substitute: Substitutes, words: Sequence[str], steps: int) -> None:
        super().__init__(substitute, scene.tokenizer, scene.victim.unknown_token, steps, filter_words=list(words))
        self._victim, self._inside = scene.victim, scene.inside
        self._matrix: NDArray[np.float32] | None = None

    def attack(self, victim: Any, x_orig: str, goal: Any) -> str | None:
        import numpy as np

        tokens = self.tokenizer.tokenize(x_orig.lower(), pos_tagging=False)
        for _ in range(self.max_iter):
            text = self.tokenizer.detokenize(tokens)
            if goal.check(text, victim.get_pred([text])[0]):
                return str(text)
            chosen = self._choose(tokens)
            if chosen is None:
                return None
            index, words = chosen
            signs = np.sign(self._gradient(tokens, index, goal.target))
            old = self._vector(tokens[index])
            gaps = [float(np.abs(np.sign(self._vector(word) - old) - signs).sum()) for word in words]
            tokens[index] = words[int(np.argmin(gaps))]
        return None

    def _choose(self, tokens: list[str]) -> tuple[int, list[str]] | None:
        """A random word that has substitutes which are one token of the victim and inside the contract."""
        import numpy as np

        for _ in range(TRIES_PER_TOKEN * len(tokens)):
            index = int(np.random.choice(len(tokens)))
            if tokens[index] in self.filter_words or not self._victim.token_ids(tokens[index]):
                continue
            words = [word for word, _ in self.substitute(tokens[index], None)]
            words = [word for word in words if len(self._victim.token_ids(word)) == 1]
            texts = [self.tokenizer.detokenize([*tokens[:index], word, *tokens[index + 1 :]]) for word in words]
            words = [word for word, ok in zip(words, self._inside(texts), strict=True) if ok]
            if words:
                return index, words
        return None

    def _vector(self, word: str) -> NDArray[np.float32]:
        if self._matrix is None:  # a copy of the whole vocabulary: once an example, not once a candidate
            self._matrix = self._victim.embedding_matrix()
        vector: NDArray[np.float32] = self._matrix[self._victim.token_ids(word)].mean(axis=0)
        return vector

    def _gradient(self, tokens: list[str], index: int, label: int) -> NDArray[np.float32]:
        """The gradient of the gold label's loss, summed over the victim's tokens that overlap the word."""
        import numpy as np

        found = self._victim.gradients(self.tokenizer.detokenize(tokens), label)
        start, stop = self.tokenizer.spans(tokens)[index]
        rows = [i for i, (first, last) in enumerate(found.spans) if first < stop and last > start]
        total: NDArray[np.float32] = (
            found.gradients[rows].sum(axis=0) if rows else np.zeros_like(found.gradients[:1].sum(0))
        )
        return total
