"""``oa-fd``: Papernot et al. 2016 (MILCOM), signs of the gradient, by OpenAttack, mended; white box."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Capability, Family, Options
from benchmark_plugins.assets import WORDNET
from benchmark_plugins.attacks.openattack_env import import_openattack, missing
from benchmark_plugins.attacks.openattack_parts import listing
from benchmark_plugins.attacks.stopwords import stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task
    from benchmark_plugins.attacks.openattack_parts.runner import Scene


class FdOptions(Options):
    """Defaults of OpenAttack 2.1.1 ``FDAttacker``."""

    steps: int = Field(100, ge=1, description="words replaced at most, one after the other (library)")
    candidates: int = Field(
        50, ge=1, description="substitutes considered for a word (the suite's K; paper: the whole vocabulary)"
    )


def build(options: FdOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load WordNet once; it is shared by all examples."""
    import_openattack()
    from benchmark_plugins.attacks.openattack_parts.gradient import FD
    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun
    from benchmark_plugins.attacks.openattack_parts.substitutes import of_wordnet
    from benchmark_plugins.attacks.synsets import load_synsets

    synsets, words = load_synsets(resources), stop_words()
    count = min(options.candidates, contract.candidates)

    def assemble(scene: Scene) -> Any:
        return FD(scene, of_wordnet(synsets, count, scene.tags), words, options.steps)

    return OpenAttackRun(assemble, contract)


ATTACK = Attack(
    name="oa-fd",
    display="oa-fd[wordnet]+fix",
    build=build,
    options=FdOptions,
    needs=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS}),
    assets=(WORDNET,),
    about="random words by the synonym along the signs of the gradient, by OpenAttack (Papernot et al. 2016)",
    family=Family.GRADIENT,
    access=Access.GRADIENT,
    paper="Papernot et al., Crafting Adversarial Input Sequences for Recurrent Neural Networks, MILCOM 2016",
    state=listing.listed(AttackState.FIXED),
    card=listing.card(
        "With the library's own victims it follows the gradient of minus the loss, and it wants victims whose tokens"
        " are words; here it climbs the loss, and a word's gradient is the sum over its tokens. WordNet is ours."
    ),
    cost=100,
    unavailable=missing,
    parameters={
        **listing.COMMON,
        "substitutes": "WordNet 3.0, single-word lemmas of all parts of speech that are one token of the victim",
        "queries": "a step costs two: the label and the gradient",
    },
)
