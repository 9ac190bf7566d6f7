"""``pruthi``: Pruthi et al. 2019, "Combating Adversarial Misspellings with Robust Word Recognition" (ACL)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.attacks.limits import most_substitutes
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class PruthiOptions(Options):
    """Defaults are those of TextAttack 0.3.11's recipe ``Pruthi2019``, but for what its authors' code does."""

    max_words: int = Field(1, ge=1, description="most misspelt words, one edit each (recipe; the paper has 1 and 2)")
    min_length: int = Field(4, ge=1, description="shortest word that is edited (recipe; the paper's code has 3 and 5)")
    exhaustive: bool = Field(
        True, description="insert every letter in every inner gap (paper's code); otherwise one random letter (recipe)"
    )
    first_hit: bool = Field(
        True, description="end at the first list of edits with a success (paper's code: at the first); recipe: ask all"
    )
    letters: str = Field(
        "abcdefghijklmnopqrstuvwxyz", min_length=1, description="letters of the exhaustive insertions (paper's code)"
    )


def build(options: PruthiOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Nothing to load but the stop list."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import MinWordLength, RepeatModification, StopwordModification
    from textattack.transformations import (
        WordSwapNeighboringCharacterSwap,
        WordSwapQWERTY,
        WordSwapRandomCharacterDeletion,
        WordSwapRandomCharacterInsertion,
    )

    from benchmark_plugins.attacks.bugs import EveryInsertion, LimitedComposite
    from benchmark_plugins.attacks.constraints import ContractConstraint
    from benchmark_plugins.attacks.greedy import CappedGreedy, FirstHitGreedy
    from benchmark_plugins.attacks.runner import TextAttackRun

    words = stop_words()
    limit = most_substitutes(contract)

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        inner: dict[str, Any] = {"random_one": False, "skip_first_char": True, "skip_last_char": True}
        kinds = [
            WordSwapNeighboringCharacterSwap(**inner),
            WordSwapRandomCharacterDeletion(**inner),
            EveryInsertion(options.letters) if options.exhaustive else WordSwapRandomCharacterInsertion(**inner),
            WordSwapQWERTY(**inner),
        ]
        constraints = [
            MinWordLength(min_length=options.min_length),
            StopwordModification(stopwords=words),
            MaxWordsPerturbed(max_num_words=options.max_words),
            RepeatModification(),
            ContractConstraint(contract),
        ]
        search = (FirstHitGreedy if options.first_hit else CappedGreedy)(options.max_words)
        return constraints, LimitedComposite(kinds, limit), search

    return TextAttackRun(assemble)


ATTACK = Attack(
    name="pruthi",
    display="pruthi+fix",
    build=build,
    options=PruthiOptions,
    about="the one misspelt word that hurts most: swap, deletion, insertion, neighbouring key (Pruthi et al. 2019)",
    family=Family.CHARACTER,
    access=Access.SCORE,
    paper="Pruthi et al., Combating Adversarial Misspellings with Robust Word Recognition, ACL 2019, arXiv 1905.11268",
    state=AttackState.FIXED,
    card="Every letter is tried in every inner gap, as in the paper's code; the library inserts one random letter and "
    "leaves out the last gap. Its search asks for all edits at once; ours ends at a hit.",
    cost=2000,
    parameters={
        "recipe": "TextAttack 0.3.11 Pruthi2019; exhaustive insertions, ends at a hit",
        "search": "greedy over all edits, word by word, in lists of about 128; as many steps as words may be edited",
        "edits": "inner neighbours swapped, inner letter deleted, letter inserted, inner letter by a neighbouring key",
        "substitutes": "all; on the contract's track at most its number for one word, at even distances in the list",
        "stop words": f"266 words, sha256 {SHA256} (recipe: nltk's list)",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
