"""What the population searches share: a success ends the search at once, and substitutes are looked up per position."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.goal_function_results import GoalFunctionResultStatus  # noqa: E402

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

Ask = Callable[[Sequence[Any]], tuple[list[Any], bool]]


class SearchEnded(Exception):
    """Leaves a search from any depth with its result."""

    def __init__(self, result: Any) -> None:
        super().__init__("the search is over")
        self.result = result


class Questions:
    """Stands in for the goal function's ``get_results`` during one search; raises SearchEnded at a success.

    With ``remember`` a text is asked once and its answer is given again for nothing.
    """

    def __init__(self, ask: Ask, remember: bool) -> None:
        self._ask = ask
        self._known: dict[str, Any] | None = {} if remember else None

    def __call__(self, texts: Sequence[Any]) -> tuple[list[Any], bool]:
        results = self._answers(texts)
        won = [result for result in results if result.goal_status == GoalFunctionResultStatus.SUCCEEDED]
        if won:
            raise SearchEnded(max(won, key=lambda result: result.score))
        return results, False

    def _answers(self, texts: Sequence[Any]) -> list[Any]:
        if self._known is None:
            return self._ask(texts)[0]
        new = {text.text: text for text in texts if text.text not in self._known}
        if new:
            found = self._ask(list(new.values()))[0]
            self._known.update(zip(new, found, strict=True))
        return [self._for(text) for text in texts]

    def _for(self, text: Any) -> Any:
        """The known answer with this very text: which of its words count as edited is not in its letters."""
        assert self._known is not None
        result = copy.copy(self._known[text.text])
        result.attacked_text = text
        return result


class EndsAtSuccess:
    """Mixed in before a search of the library.

    The library looks for a success once in a generation, after paying for all of it; a budget that ends within the
    generation would lose a success that was already found.
    """

    remember = False
    get_goal_results: Ask
    get_transformations: Callable[..., list[Any]]
    get_indices_to_order: Callable[..., tuple[int, list[int]]]

    def perform_search(self, initial_result: Any) -> Any:
        """The result of the successful text, else the best of the search."""
        ask = self.get_goal_results
        self.get_goal_results = Questions(ask, self.remember)
        try:
            return self._search(initial_result)
        except SearchEnded as ended:
            return ended.result
        finally:
            self.get_goal_results = ask

    def _search(self, initial_result: Any) -> Any:
        return super().perform_search(initial_result)  # type: ignore[misc]

    def eligible(self, text: Any) -> list[int]:
        """Positions that the recipe's pre-constraints leave open, in order."""
        return sorted(int(i) for i in self.get_indices_to_order(text)[1])

    def substitutes(self, text: Any, original: Any, index: int) -> list[Any]:
        """The texts with another word at ``index`` that pass all constraints."""
        # A tuple, where the library has a list: its cache of transformations leaves out what cannot be hashed.
        return self.get_transformations(text, original_text=original, indices_to_modify=(index,))

    def best(self, texts: Sequence[Any]) -> Any:
        """The answer with the highest score (ties: the first); asks once."""
        return max(self.get_goal_results(texts)[0], key=lambda result: result.score)


def inherit_edits(child: Any, first: Any, second: Any, taken: set[int]) -> bool:
    """Set which words of ``child`` count as edited, and by what; whether either parent was edited at all.

    ``child`` is ``first`` with the words at ``taken`` from ``second``.
    """
    old, new = first.attack_attrs, second.attack_attrs
    child.attack_attrs["modified_indices"] = (old["modified_indices"] - taken) | (new["modified_indices"] & taken)
    last = old.get("last_transformation") or new.get("last_transformation")
    if last is not None:
        child.attack_attrs["last_transformation"] = last
    return last is not None


def word_counts(text: Any, eligible: Sequence[int], count: Callable[[str], int]) -> Counts:
    """How many substitutes the word at each position has, ``[words]``; 0 where no edit is allowed."""
    import numpy as np

    counts = np.zeros(text.num_words, dtype=np.int64)
    words = text.words
    for index in eligible:
        counts[index] = count(words[index])
    return counts
