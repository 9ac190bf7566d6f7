"""``input-reduction``: Feng et al. 2018 (EMNLP), by TextAttack's recipe, with positions that follow deletions.

A diagnostic: it keeps the label and removes words as long as it can. It says what a victim needs to see, not how
robust it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.attacks.stopwords import SHA256

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class InputReductionOptions(Options):
    """The recipe ``InputReductionFeng2018`` of TextAttack 0.3.11 has no other parameter."""

    target_num_words: int = Field(1, ge=1, description="words that must remain (library default of the recipe's goal)")


def build(options: InputReductionOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Loads nothing."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.goal_functions import InputReduction
    from textattack.transformations import WordDeletion

    from benchmark_plugins.attacks.bounds import WordsLeft
    from benchmark_plugins.attacks.constraints import ContractConstraint
    from benchmark_plugins.attacks.runner import GOAL_OPTIONS, TextAttackRun
    from benchmark_plugins.attacks.search import SteadyWIR

    def goal(wrapper: Any) -> Any:
        return InputReduction(
            wrapper,
            maximizable=True,
            **GOAL_OPTIONS,
            target_num_words=options.target_num_words,
        )

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        constraints = [RepeatModification(), WordsLeft(options.target_num_words), ContractConstraint(contract)]
        return constraints, WordDeletion(), SteadyWIR("delete", victim.unknown_token)

    return TextAttackRun(assemble, goal)


ATTACK = Attack(
    name="input-reduction",
    display="input-reduction+fix",
    build=build,
    options=InputReductionOptions,
    about="removes words, the least important first, as long as the label stays (Feng et al. 2018)",
    family=Family.WORD,
    access=Access.SCORE,
    paper="Feng et al., Pathologies of Neural Models Make Interpretations Difficult, EMNLP 2018, arXiv 1804.07781",
    state=AttackState.FIXED,
    card=(
        "After the first deletion the library goes on with the positions of the original text and removes other words; "
        "here positions follow. It keeps the label, so it is a diagnostic and enters no ranking."
    ),
    cost=40,
    diagnostic=True,
    parameters={
        "recipe": "TextAttack 0.3.11 InputReductionFeng2018; positions follow deletions, stable ranking",
        "ranking": "by deletion, once (recipe; the paper ranks anew at every step, with a beam of 5)",
        "stop words": f"266 words, sha256 {SHA256}; may be removed: the recipe's rule concerns swaps only",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
