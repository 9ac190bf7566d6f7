"""``oa-genetic``: Alzantot et al. 2018 (EMNLP), by OpenAttack, without language model; with our own parts."""

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


class GeneticOptions(Options):
    """Defaults of OpenAttack 2.1.1 ``GeneticAttacker``."""

    population: int = Field(20, ge=2, description="members of the population (library; paper: 60)")
    generations: int = Field(20, ge=1, description="generations at most (library and authors' code)")
    candidates: int = Field(
        50, ge=1, description="substitutes considered for a word (the suite's K; paper: 8; the library takes all)"
    )


def build(options: GeneticOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load WordNet and the tagger once; they are shared by all examples."""
    import_openattack()
    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun
    from benchmark_plugins.attacks.openattack_parts.substitutes import of_wordnet
    from benchmark_plugins.attacks.openattack_parts.swarm import Genetic
    from benchmark_plugins.attacks.openattack_parts.tags import TextTagger
    from benchmark_plugins.attacks.synsets import load_synsets

    synsets, words = load_synsets(resources), stop_words()
    count = min(options.candidates, contract.candidates)

    def assemble(scene: Scene) -> Any:
        substitute = of_wordnet(synsets, count, scene.tags)
        return Genetic(scene, substitute, words, options.population, options.generations)

    return OpenAttackRun(assemble, contract, TextTagger.load(resources))


ATTACK = Attack(
    name="oa-genetic",
    display="oa-genetic[wordnet,spacy,without-lm]",
    build=build,
    options=GeneticOptions,
    assets=(WORDNET, SPACY_EN),
    about="a genetic algorithm over synonyms, by OpenAttack (Alzantot et al. 2018)",
    family=Family.EVOLUTIONARY,
    access=Access.SCORE,
    paper="Alzantot et al., Generating Natural Language Adversarial Examples, EMNLP 2018, arXiv 1804.07998",
    state=listing.listed(AttackState.VARIANT),
    card=listing.card(
        "As in the library, synonyms are WordNet's (the paper has counter-fitted vectors), no language model chooses"
        " among them, and nothing but the contract limits the edits. WordNet and tagger are the catalogue's."
    ),
    cost=1500,
    unavailable=missing,
    parameters={
        **listing.COMMON,
        **listing.WORDNET_PARAMETER,
        **listing.TAGGER_PARAMETER,
        "children": "a child outside the contract gives way to its first parent",
    },
)
