"""White-box parts: the gradient as a ranking of words (A2T) and as a first-order estimate of a flip (HotFlip)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from benchmark_plugins.attacks.search import SteadyWIR
from benchmark_plugins.attacks.spans import tokens_of_words, word_spans
from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.goal_function_results import GoalFunctionResultStatus  # noqa: E402
from textattack.search_methods import BeamSearch  # noqa: E402
from textattack.transformations.word_swaps.word_swap import WordSwap  # noqa: E402
from textattack.transformations.word_swaps.word_swap_embedding import recover_word_case  # noqa: E402

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.api import TokenGradients, Victim


def word_importance(gradients: TokenGradients, text: Any) -> list[float | None]:
    """For each word the L1 norm of the mean gradient of its tokens (Yoo and Qi 2021, section 3).

    0 for a word without tokens, None for one whose tokens the victim does not read (their gradients are all zero, as
    past its longest input): no edit of it can change the answer.
    """
    import numpy as np

    owned = tokens_of_words(word_spans(text.text, text.words), gradients.spans)
    found: list[float | None] = []
    for tokens in owned:
        rows = np.asarray(gradients.gradients[tokens], dtype=np.float64)
        unread = bool(tokens) and not rows.any()
        found.append(None if unread else float(np.abs(rows.mean(axis=0)).sum()) if tokens else 0.0)
    return found


class GradientWIR(SteadyWIR):
    """Greedy word swap in the order of :func:`word_importance`, for the example's own label. One gradient a text.

    The library ranks by the gradient for the *predicted* label, taken with dropout on, and pairs words and tokens by
    their spelling; here the gradient is the harness's (no dropout) and words and tokens are paired by character.
    """

    def __init__(self, victim: Victim) -> None:
        super().__init__("delete", victim.unknown_token)
        self._victim = victim
        self._label = 0

    @property
    def is_black_box(self) -> bool:
        return False

    def perform_search(self, initial_result: Any) -> Any:
        self._label = int(initial_result.ground_truth_output)
        return super().perform_search(initial_result)

    def _get_index_order(self, initial_text: Any, max_len: int = -1) -> tuple[list[int], bool]:
        _, found = self.get_indices_to_order(initial_text)
        indices = sorted(int(i) for i in found)
        if not indices:
            return [], False
        scores = word_importance(self._victim.gradients(initial_text.text, self._label), initial_text)
        ranked = [(-score, i) for i in indices if (score := scores[i]) is not None]
        return [i for _, i in sorted(ranked)], False


class FirstOrderFlips(WordSwap):  # type: ignore[misc]
    """Flips of words that are one token into neighbours that are one token, by the rise of the loss they promise.

    The promise is ``(e_new - e_old) . gradient`` (Ebrahimi et al. 2018, section 3.2), in ``attack_attrs`` under
    ``first_order``; the ``pool`` best of a text, all above zero, are proposed. ``label`` is set by the search.
    Made anew for every example: what it remembers of the victim's vocabulary is that victim's.
    """

    def __init__(self, victim: Victim, embedding: Any, candidates: int, min_cos_sim: float, pool: int) -> None:
        super().__init__()
        self._victim = victim
        self._embedding = embedding
        self.candidates, self.min_cos_sim, self.pool = candidates, min_cos_sim, pool
        self.label = 0
        self._matrix: NDArray[np.float32] | None = None
        self._ids: dict[str, int | None] = {}
        self._prefix: list[int] | None = None

    def _get_transformations(self, current_text: Any, indices_to_modify: Iterable[int]) -> list[Any]:
        indices = sorted(int(i) for i in indices_to_modify)
        if not indices:
            return []
        if self._matrix is None:
            self._matrix = self._victim.embedding_matrix()
        found = self._victim.gradients(current_text.text, self.label)
        token_at = {span: token for token, span in enumerate(found.spans)}
        spans = word_spans(current_text.text, current_text.words)
        flips: list[tuple[float, int, str]] = []
        for i in indices:
            token = token_at.get(spans[i])
            if token is None:
                continue
            old = self._matrix[found.ids[token]]
            for word in self._neighbours(current_text.words[i]):
                piece = self._piece(word)
                if piece is not None:
                    promise = float((self._matrix[piece] - old) @ found.gradients[token])
                    if promise > 0:
                        flips.append((-promise, i, word))
        made = []
        for loss, i, word in sorted(flips)[: self.pool]:
            text = current_text.replace_word_at_index(i, word)
            text.attack_attrs["first_order"] = -loss
            made.append(text)
        return made

    def _neighbours(self, word: str) -> list[str]:
        try:
            own = self._embedding.word2index(word.lower())
        except KeyError:
            return []
        near = self._embedding.nearest_neighbours(own, self.candidates)
        kept = [n for n in near if self._embedding.get_cos_sim(int(own), int(n)) >= self.min_cos_sim]
        return [recover_word_case(self._embedding.index2word(n), word) for n in kept]

    def _piece(self, word: str) -> int | None:
        """The id of a word that is one token after another word, else None."""
        if self._prefix is None:
            self._prefix = self._victim.token_ids("a")
        if word not in self._ids:
            ids = self._victim.token_ids(f"a {word}")
            one = len(ids) == len(self._prefix) + 1 and ids[:-1] == self._prefix
            self._ids[word] = ids[-1] if one else None
        return self._ids[word]


class FirstOrderBeam(BeamSearch):  # type: ignore[misc]
    """A beam of texts; of each the ``beam_width`` flips that promise most are asked, and the best answers kept.

    At most ``max_flips`` steps. Returns the best result seen; ties go to the greater promise, then to the text.
    """

    def __init__(self, flips: FirstOrderFlips, beam_width: int, max_flips: int) -> None:
        super().__init__(beam_width=beam_width)
        self._flips = flips
        self.max_flips = max_flips

    @property
    def is_black_box(self) -> bool:
        return False

    def perform_search(self, initial_result: Any) -> Any:
        self._flips.label = int(initial_result.ground_truth_output)
        original = initial_result.attacked_text
        best, beam = initial_result, [original]
        for _ in range(self.max_flips):
            asked: dict[str, Any] = {}
            for text in beam:
                flips = self.get_transformations(text, original_text=original)
                promising = sorted(flips, key=lambda flip: (-flip.attack_attrs["first_order"], flip.text))
                for flip in promising[: self.beam_width]:
                    asked.setdefault(flip.text, flip)
            if not asked:
                break
            results, over = self.get_goal_results(list(asked.values()))
            ranked = sorted(results, key=lambda result: -float(result.score))
            if ranked and ranked[0].score > best.score:
                best = ranked[0]
            if over or not ranked or best.goal_status == GoalFunctionResultStatus.SUCCEEDED:
                break
            beam = [result.attacked_text for result in ranked[: self.beam_width]]
        return best
