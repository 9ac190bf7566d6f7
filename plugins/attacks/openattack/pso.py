"""``oa-pso``: Zang et al. 2020, particle swarm over words (ACL), by OpenAttack, with its elites mended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import SPACY_EN, WORDNET
from benchmark_plugins.attacks.openattack_env import import_openattack, missing
from benchmark_plugins.attacks.openattack_parts import listing
from benchmark_plugins.attacks.stopwords import stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task
    from benchmark_plugins.attacks.openattack_parts.runner import Scene


class PsoOptions(Options):
    """Defaults of OpenAttack 2.1.1 ``PSOAttacker``."""

    particles: int = Field(20, ge=2, description="particles (library; paper: 60)")
    steps: int = Field(20, ge=1, description="steps at most (library and paper)")
    candidates: int = Field(
        50, ge=1, description="substitutes considered for a word (the suite's K; paper and library take all)"
    )


def build(options: PsoOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load WordNet and the tagger once; they are shared by all examples."""
    import_openattack()
    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun
    from benchmark_plugins.attacks.openattack_parts.substitutes import of_wordnet
    from benchmark_plugins.attacks.openattack_parts.swarm import PSO
    from benchmark_plugins.attacks.openattack_parts.tags import TextTagger
    from benchmark_plugins.attacks.synsets import load_synsets

    synsets, words = load_synsets(resources), stop_words()
    count = min(options.candidates, contract.candidates)

    def assemble(scene: Scene) -> Any:
        return PSO(scene, of_wordnet(synsets, count, scene.tags), words, options.particles, options.steps)

    return OpenAttackRun(assemble, contract, TextTagger.load(resources))


ATTACK = Attack(
    name="oa-pso",
    display="oa-pso[wordnet,without-hownet,spacy]+fix",
    build=build,
    options=PsoOptions,
    assets=(WORDNET, SPACY_EN),
    about="a particle swarm over synonyms, by OpenAttack (Zang et al. 2020)",
    family=Family.EVOLUTIONARY,
    access=Access.SCORE,
    paper="Zang et al., Word-level Textual Adversarial Attacking as Combinatorial Optimization, ACL 2020",
    state=listing.listed(AttackState.FIXED),
    card=listing.card(
        "The library's elites start below every score and are the population's own list, so they never update and the"
        " search is a random walk; here they are kept as in the paper. WordNet stands in for HowNet, as in the library."
    ),
    cost=600,
    unavailable=missing,
    parameters={
        **listing.COMMON,
        **listing.WORDNET_PARAMETER,
        **listing.TAGGER_PARAMETER,
        "swarm": "inertia 0.8 to 0.2, pull to the own best 0.8 to 0.2 and to the common one 0.2 to 0.8, velocity 3",
        "mutation": "one random substitute of one random word (library; paper: the best one)",
        "queries": "texts met before are not asked again",
    },
)
