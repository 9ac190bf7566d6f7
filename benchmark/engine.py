"""The one way to the model: every query of every attack, and the harness's own, pass a :class:`QueryCounter`.

Two counters: *logical queries* (every text the attack asked, the published figure, independent of caching) and
*forward passes* (rows the network needs for the example's distinct texts). The budget is enforced by exception at the
query that would overshoot, so an attack cannot spend more whatever its library counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.errors import BenchError, BudgetExhausted, NotApplicable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.api import Classifier, TokenGradients

Ask = Callable[[Callable[[list[Any]], Any], Sequence[Any]], Any]
"""Calls a function for some items, for this example alone or with others (see ``benchmark.broker``)."""
DECIMALS = 5
PROBES = 3


def here_and_now(function: Callable[[list[Any]], Any], items: Sequence[Any]) -> Any:
    """The plainest :data:`Ask`."""
    return function(list(items))


class VictimInfo(NamedTuple):
    """What an attack may know of the victim besides its answers."""

    num_labels: int
    mask_token: str
    unknown_token: str


class QueryCounter:
    """A victim handle for one example. Answers come from a cache that lives as long as the example.

    The cache is not shared between examples: what an example is charged for is then a function of the example alone,
    so the order of examples and the number of workers change nothing. The victim is called by ``ask``, maybe with the
    texts of other examples: an answer does not depend on its neighbours. Logits are rounded to 1e-5: on another
    machine their last bits differ, and must not decide between two candidates. An attack (not the harness) sees them
    divided by ``temperature``.
    """

    def __init__(
        self,
        classifier: Classifier,
        info: VictimInfo,
        budget: int | None = None,
        temperature: float = 1.0,
        ask: Ask = here_and_now,
    ) -> None:
        self._classifier, self._ask = classifier, ask
        self._temperature = temperature
        self.num_labels, self.mask_token, self.unknown_token = info
        self.budget = budget
        self.queries = 0
        self.forwards = 0
        self.exhausted = False
        self._cache: dict[str, NDArray[np.float32]] = {}

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits ``[N, C]``; raises BudgetExhausted when the budget does not cover all N texts.

        A list that would overshoot is not answered in part: the attack never sees a ragged batch.
        """
        import numpy as np

        self._spend(len(texts))
        if not texts:
            return np.zeros((0, self.num_labels), np.float32)
        answers = np.stack(self._answer(texts))
        return answers if self._temperature == 1.0 else np.round(answers / np.float32(self._temperature), DECIMALS)

    def gradients(self, text: str, label: int) -> TokenGradients:
        """Gradients of one text for one label, one logical query; raises BudgetExhausted, or NotApplicable."""
        import numpy as np

        self._spend(1)
        self.forwards += self._classifier.forwards_per_prediction
        found: TokenGradients = self._white_box("gradients")(text, label)
        if not np.isfinite(found.gradients).all():  # a blind search would look like robustness
            raise BenchError("the defense returned a gradient that is not finite", "Train it again, or mend it")
        return found

    def _spend(self, queries: int) -> None:
        if self.budget is not None and self.queries + queries > self.budget:
            self.exhausted = True
            raise BudgetExhausted(f"query budget of {self.budget} spent")
        self.queries += queries

    def token_ids(self, text: str) -> list[int]:
        """Ids of the victim's tokens of ``text``; raises NotApplicable."""
        found: list[int] = self._white_box("token_ids")(text)
        return found

    def embedding_matrix(self) -> NDArray[np.float32]:
        """Word embeddings ``[V, d]``; raises NotApplicable."""
        found: NDArray[np.float32] = self._white_box("embedding_matrix")()
        return found

    def _white_box(self, what: str) -> Any:
        found = getattr(self._classifier, what, None)
        if found is None:
            raise NotApplicable(
                f"the defense shows no {what.replace('_', ' ')}", "Choose an attack that needs scores only"
            )
        return found

    def uncounted(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The harness's own look (clean check, re-scoring): no logical query, no budget; forwards still count."""
        import numpy as np

        return np.stack(self._answer(texts))

    def _answer(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        import numpy as np

        new = [text for text in dict.fromkeys(texts) if text not in self._cache]
        if new:
            self._cache.update(zip(new, np.round(self._checked(self._classifier.logits, new), DECIMALS), strict=True))
        return [self._cache[text] for text in texts]

    def _checked(self, answers: Callable[[list[str]], Any], texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits ``[N, C]``, counted; raises BenchError for a wrong shape or a logit that is not finite."""
        import numpy as np

        logits: NDArray[np.float32] = self._ask(answers, texts)
        if logits.shape != (len(texts), self.num_labels):
            raise BenchError(
                f"the defense returned logits of shape {logits.shape} for {len(texts)} texts",
                f"It must return [{len(texts)}, {self.num_labels}]",
            )
        if not np.isfinite(logits).all():
            raise BenchError("the defense returned a logit that is not finite", "Train it again, or mend it")
        self.forwards += len(texts) * self._classifier.forwards_per_prediction
        return logits


class ExpectationCounter(QueryCounter):
    """A victim handle for a randomised victim: each query is answered by the log of the mean probability over draws.

    Expectation over transformation (Athalye et al., ICML 2018): a search that saw single draws would climb on noise.
    Every call draws anew and nothing is cached. ``draws`` are asked for each query; ``seed`` fixes their numbers.
    """

    def __init__(
        self,
        classifier: Any,
        info: VictimInfo,
        budget: int | None,
        draws: int,
        seed: Callable[[str, int], int],
        ask: Ask = here_and_now,
    ) -> None:
        super().__init__(classifier, info, budget, ask=ask)
        self.draws, self._seed, self._asked = draws, seed, 0

    def _answer(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        import numpy as np
        from scipy.special import log_softmax, logsumexp

        found = []
        for _ in range(self.draws):
            self._asked += 1
            found.append(self._drawn("query", self._asked, texts))
        mean = logsumexp(log_softmax(np.stack(found).astype(np.float64), axis=-1), axis=0) - np.log(self.draws)
        return list(np.round(mean, DECIMALS).astype(np.float32))

    def votes(self, what: str, text: str, draws: int) -> list[int]:
        """The predictions of ``draws`` fresh draws on one text; no logical query. ``what`` tells the series apart."""
        return [int(self._drawn(what, number, [text])[0].argmax()) for number in range(draws)]

    def _drawn(self, what: str, number: int, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits ``[N, C]`` of one draw; within a draw a text has one answer."""
        import numpy as np

        redrawn: Callable[[int], Classifier] = getattr(self._classifier, "redrawn")  # noqa: B009 - not every one has it
        draw = self._seed(what, number)

        def answers(unique: list[str]) -> NDArray[np.float32]:  # a function of its own: no draw shares a call
            return redrawn(draw).logits(unique)

        unique = list(dict.fromkeys(texts))
        found = dict(zip(unique, self._checked(answers, unique), strict=True))
        return np.stack([found[text] for text in texts])


def probe_determinism(classifier: Classifier, texts: Sequence[str]) -> bool:
    """Whether repeated calls return the same logits, bit for bit (dropout left on at attack time would not)."""
    import numpy as np

    first = classifier.logits(texts)
    return all(np.array_equal(first, classifier.logits(texts)) for _ in range(PROBES - 1))
