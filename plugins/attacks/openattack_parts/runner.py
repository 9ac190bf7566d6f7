"""Runs an attacker of OpenAttack on one example at a time, behind the harness's contract for attacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark_plugins.attacks.openattack_parts.tokens import SplicingTokenizer
from benchmark_plugins.attacks.runner import seeded

if TYPE_CHECKING:
    from benchmark.api import ContractCheck, Example, Victim


class Scene(NamedTuple):
    """One example, as an attacker is made for it."""

    victim: Victim
    text: str
    tokenizer: SplicingTokenizer
    inside: Callable[[Sequence[str]], list[bool]]
    """Whether each text is within the contract with respect to the original."""
    tags: frozenset[Any]
    """The library's tag for English; it refuses parts without it."""


def untagged(tokens: Sequence[str]) -> list[str]:
    """For attackers that ask for no part of speech."""
    return ["other"] * len(tokens)


@dataclass(frozen=True)
class OpenAttackRun:
    """An :class:`benchmark.api.AttackRun` over OpenAttack.

    ``assemble(scene)`` returns a *new* attacker: some of the library's change their own parameters while they run.
    The attacker's ``attack`` is called, not the attacker itself, which would first ask the victim for the label to
    move away from (it is the gold one here, also where a randomised victim would answer otherwise) and ask again at
    the end (the harness re-scores).
    """

    assemble: Callable[[Scene], Any]
    contract: ContractCheck
    tag: Callable[[Sequence[str]], list[str]] = untagged

    def attack(self, victim: Victim, example: Example, seed: int) -> str | None:
        """The adversarial text, or None. BudgetExhausted passes through."""
        from benchmark_plugins.attacks.openattack_parts.victim import ENGLISH, ContractGoal, VictimClassifier

        tokenizer = SplicingTokenizer(example.text, self.tag, ENGLISH)
        if not tokenizer.has_words:
            return None
        inside = partial(self.contract.admissible, example.text)
        with seeded(seed):
            attacker = self.assemble(Scene(victim, example.text, tokenizer, inside, ENGLISH))
            classifier, goal = VictimClassifier(victim, example.text), ContractGoal(int(example.label), inside)
            found = attacker.attack(classifier, example.text, goal)
        return None if found is None or found == example.text else str(found)
