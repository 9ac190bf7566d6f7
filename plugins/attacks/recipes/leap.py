"""``leap``: the Lévy-flight particle swarm of Xiao et al. 2023, by TextAttack's recipe, mended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import WORDNET
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class LeapOptions(Options):
    """Every default is that of TextAttack 0.3.11's recipe ``LEAP2023``."""

    particles: int = Field(60, ge=1, description="particles of the swarm (recipe)")
    iterations: int = Field(20, ge=1, description="iterations (recipe)")
    post_turn_check: bool = Field(True, description="a turned text must pass the constraints (recipe)")
    turn_retries: int = Field(20, ge=0, description="further tries for such a text, then no turn (recipe)")
    max_rate: float = Field(
        0.16, gt=0, le=1, description="largest share of edited words, rounded up (recipe: 0.16, for AG's News)"
    )
    towards_elite: bool = Field(
        False, description="a turn starts from the particle; otherwise from the elite (recipe and authors' program)"
    )
    candidates: int = Field(50, ge=1, description="synonyms considered for a word (none in the recipe; the suite's K)")
    legacy: bool = Field(
        False, description="the library's search with its faults, to come near published TextAttack numbers"
    )


def build(options: LeapOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load WordNet once; it is shared by all examples."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import MaxModificationRate, StopwordModification
    from textattack.search_methods import ParticleSwarmOptimizationLEAP

    from benchmark_plugins.attacks.constraints import ContractConstraint
    from benchmark_plugins.attacks.population_pso import FixedLEAP
    from benchmark_plugins.attacks.runner import TextAttackRun
    from benchmark_plugins.attacks.synsets import WordNetSwap, load_synsets

    words = stop_words()
    synsets = load_synsets(resources)
    limit = min(options.candidates, contract.candidates)

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        constraints = [
            MaxModificationRate(max_rate=options.max_rate),
            StopwordModification(stopwords=words),
            ContractConstraint(contract),
        ]
        settings = options.particles, options.iterations, options.post_turn_check, options.turn_retries
        if options.legacy:
            return constraints, WordNetSwap(synsets, limit), ParticleSwarmOptimizationLEAP(*settings)
        # The rate limits where the search may edit; a turn mixes two texts and must be measured itself.
        constraints.insert(0, MaxWordsPerturbed(max_percent=options.max_rate))
        return constraints, WordNetSwap(synsets, limit), FixedLEAP(*settings, options.towards_elite)

    return TextAttackRun(assemble)


ATTACK = Attack(
    name="leap",
    display="leap+fix[wordnet]",
    build=build,
    options=LeapOptions,
    assets=(WORDNET,),
    about="a Lévy-flight particle swarm with greedy mutation over WordNet synonyms (Xiao et al. 2023)",
    family=Family.EVOLUTIONARY,
    access=Access.SCORE,
    paper="Xiao et al., LEAP: Efficient and Automated Test Method for NLP Software, ASE 2023, arXiv 2308.11284",
    state=AttackState.FIXED,
    card=(
        "The library's turns break the limit on edited words and ignore turn_retries, and a success is noticed only "
        "at the end of an iteration: mended. Turns start from the elite, as in the authors' program."
    ),
    cost=40000,
    parameters={
        "recipe": "TextAttack 0.3.11 LEAP2023, mended",
        "words": "WordNet 3.0 lemmas of all senses",
        "inertia": "between 0.2 and 0.8 by score below the average, a Lévy draw from [0.5, 0.8] above (recipe)",
        "mutation": "the best neighbour over all positions (paper)",
        "columns": "one text",
        "stop words": f"266 words, sha256 {SHA256}",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
