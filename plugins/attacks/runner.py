"""Runs a TextAttack attack on one example at a time, behind the harness's contract for attacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from benchmark import BadData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.api import Example, Victim

WHOLE_LIST = 1 << 20
"""The goal function's batch size: the engine sees every list whole and cuts it as it likes."""
GOAL_OPTIONS: Mapping[str, Any] = MappingProxyType(
    {"use_cache": False, "query_budget": float("inf"), "model_batch_size": WHOLE_LIST}
)
"""Of every goal function: caching, counting and the budget are the harness's."""
DECIMALS = 12


class VictimWrapper:
    """The victim as TextAttack sees it: texts in, probabilities out.

    The library softmaxes every row that does not sum to 1 within 1e-6, so logits would be fine but float32
    probabilities could be flattened a second time: it gets float64 probabilities that sum to 1.
    """

    def __init__(self, victim: Victim) -> None:
        self._victim = victim
        self.model = victim  # the goal function asks for the class of this attribute

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return probabilities(self._victim.logits(list(texts)))


def probabilities(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Softmax in float64, rounded to 1e-12 so that equal logits give equal scores on every machine."""
    import numpy as np

    wide = np.asarray(logits, dtype=np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    rounded: NDArray[np.float64] = np.round(powers / powers.sum(axis=1, keepdims=True), DECIMALS)
    return rounded


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """``random``, numpy and torch seeded inside, and back in their old state afterwards."""
    import random

    import numpy as np
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed % 2**63)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def untargeted(wrapper: VictimWrapper) -> Any:
    """The usual goal: any label but the example's."""
    from textattack.goal_functions import UntargetedClassification

    return UntargetedClassification(wrapper, **GOAL_OPTIONS)


@dataclass(frozen=True)
class TextAttackRun:
    """An :class:`benchmark.api.AttackRun` over TextAttack.

    ``assemble(victim)`` returns ``(constraints, transformation, search)``, all new: TextAttack keeps the state
    of a search on these objects, and one that stopped half-way (budget, error) would leak into the next example.
    """

    assemble: Callable[[Victim], tuple[list[Any], Any, Any]]
    goal: Callable[[VictimWrapper], Any] = untargeted
    """Makes the goal function. One without an end (TextAttack: maximizable) yields the best text found."""

    def attack(self, victim: Victim, example: Example, seed: int) -> str | None:
        """The adversarial text, or None. BudgetExhausted passes through; raises BadData on the library's separator."""
        from benchmark_plugins.attacks.textattack_env import import_textattack

        import_textattack()
        from textattack import Attack
        from textattack.attack_results import MaximizedAttackResult, SuccessfulAttackResult

        from benchmark_plugins.attacks.quick_text import QuickText

        if QuickText.SPLIT_TOKEN in example.text:
            raise BadData(
                f"example {example.id} contains '{QuickText.SPLIT_TOKEN}', at which TextAttack would cut the text",
                "Remove it from the dataset",
            )
        text = QuickText(example.text)
        if not text.num_words:
            return None
        with seeded(seed):
            attack = Attack(self.goal(VictimWrapper(victim)), *self.assemble(victim))
            try:
                result = attack.attack(text, int(example.label))
            finally:
                attack.clear_cache()
        found = isinstance(result, SuccessfulAttackResult | MaximizedAttackResult)
        return str(result.perturbed_result.attacked_text.text) if found else None
