"""``deepwordbug``: Gao et al. 2018, "Black-box Generation of Adversarial Text Sequences", by TextAttack's recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class DeepWordBugOptions(Options):
    """Every default is that of TextAttack 0.3.11's recipe ``DeepWordBugGao2018``."""

    max_edit_distance: int = Field(30, ge=1, description="most character edits in the whole text (paper, section 4)")
    all_transformations: bool = Field(
        True, description="swap, substitute, delete and insert a character; otherwise substitute only (recipe)"
    )


def build(options: DeepWordBugOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Nothing to load but the stop list."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.overlap import LevenshteinEditDistance
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.transformations import (
        CompositeTransformation,
        WordSwapNeighboringCharacterSwap,
        WordSwapRandomCharacterDeletion,
        WordSwapRandomCharacterInsertion,
        WordSwapRandomCharacterSubstitution,
    )

    from benchmark_plugins.attacks.constraints import ContractConstraint
    from benchmark_plugins.attacks.runner import TextAttackRun
    from benchmark_plugins.attacks.search import SteadyWIR

    words = stop_words()

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        kinds = [WordSwapRandomCharacterSubstitution(random_one=True)]
        if options.all_transformations:
            kinds = [
                WordSwapNeighboringCharacterSwap(random_one=True),
                *kinds,
                WordSwapRandomCharacterDeletion(random_one=True),
                WordSwapRandomCharacterInsertion(random_one=True),
            ]
        # One random variant of each kind; a contract with fewer candidates keeps the first kinds.
        swap = CompositeTransformation(kinds[: contract.candidates])
        constraints = [
            RepeatModification(),
            StopwordModification(stopwords=words),
            LevenshteinEditDistance(options.max_edit_distance),
            ContractConstraint(contract),
        ]
        return constraints, swap, SteadyWIR("unk", victim.unknown_token)

    return TextAttackRun(assemble)


ATTACK = Attack(
    name="deepwordbug",
    display="deepwordbug",
    build=build,
    options=DeepWordBugOptions,
    about="one character edit a word, in order of importance (Gao et al. 2018)",
    family=Family.CHARACTER,
    access=Access.SCORE,
    paper="Gao et al., Black-box Generation of Adversarial Text Sequences, 2018, arXiv 1801.04354",
    state=AttackState.FIXED,
    card="Ties of the ranking go from left to right; the library's order of them depends on the processor.",
    cost=50,
    parameters={
        "recipe": "TextAttack 0.3.11 DeepWordBugGao2018; stable ranking",
        "ranking": "by the victim's unknown-word token (recipe: the text '[UNK]')",
        "letters": "a-z and A-Z, drawn at random with the example's seed (recipe)",
        "stop words": f"266 words, sha256 {SHA256} (recipe: nltk's list)",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
