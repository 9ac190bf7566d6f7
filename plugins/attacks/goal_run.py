"""Runs a TextAttack attack whose goal is not simply another label than the example's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark import BadData
from benchmark_plugins.attacks.runner import VictimWrapper, seeded

if TYPE_CHECKING:
    from benchmark.api import Example, Victim


@dataclass(frozen=True)
class GoalRun:
    """An :class:`benchmark.api.AttackRun`; ``goal(wrapper)`` makes the goal function, ``assemble`` is TextAttackRun's.

    A goal without an end (TextAttack calls it maximizable) yields the best text found, if it is another one.
    """

    assemble: Callable[[Victim], tuple[list[Any], Any, Any]]
    goal: Callable[[VictimWrapper], Any]

    def attack(self, victim: Victim, example: Example, seed: int) -> str | None:
        """The text found, or None. BudgetExhausted passes through; raises BadData on the library's separator."""
        from benchmark_plugins.attacks.textattack_env import import_textattack

        import_textattack()
        from textattack import Attack
        from textattack.attack_results import MaximizedAttackResult, SuccessfulAttackResult
        from textattack.shared import AttackedText

        if AttackedText.SPLIT_TOKEN in example.text:
            raise BadData(
                f"example {example.id} contains '{AttackedText.SPLIT_TOKEN}', at which TextAttack would cut the text",
                "Remove it from the dataset",
            )
        text = AttackedText(example.text)
        if not text.num_words:
            return None
        with seeded(seed):
            attack = Attack(self.goal(VictimWrapper(victim)), *self.assemble(victim))
            try:
                result = attack.attack(text, int(example.label))
            finally:
                attack.clear_cache()
        if not isinstance(result, SuccessfulAttackResult | MaximizedAttackResult):
            return None
        found = str(result.perturbed_result.attacked_text.text)
        return found if found != example.text else None
