"""``pso``: the particle swarm of Zang et al. 2020, by TextAttack's recipe, mended, over WordNet instead of HowNet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import WORDNET
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class PsoOptions(Options):
    """Every default is that of TextAttack 0.3.11's recipe ``PSOZang2020``."""

    particles: int = Field(60, ge=1, description="particles of the swarm (paper: 60)")
    iterations: int = Field(20, ge=1, description="iterations (paper: G = 20)")
    post_turn_check: bool = Field(True, description="a turned text must pass the constraints (library default)")
    turn_retries: int = Field(20, ge=0, description="further tries for such a text, then no turn (library default)")
    candidates: int = Field(50, ge=1, description="synonyms considered for a word (none in the recipe; the suite's K)")
    legacy: bool = Field(
        False, description="the library's search with its faults, to come near published TextAttack numbers"
    )


def build(options: PsoOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load WordNet once; it is shared by all examples."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.search_methods import ParticleSwarmOptimization

    from benchmark_plugins.attacks.constraints import ContractConstraint
    from benchmark_plugins.attacks.population_pso import FixedPSO
    from benchmark_plugins.attacks.runner import TextAttackRun
    from benchmark_plugins.attacks.synsets import WordNetSwap, load_synsets

    words = stop_words()
    synsets = load_synsets(resources)
    limit = min(options.candidates, contract.candidates)

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        constraints = [RepeatModification(), StopwordModification(stopwords=words), ContractConstraint(contract)]
        swap = WordNetSwap(synsets, limit)
        settings = options.particles, options.iterations, options.post_turn_check, options.turn_retries
        search: Any = (
            ParticleSwarmOptimization(*settings)
            if options.legacy
            else FixedPSO(*settings, lambda word: len(swap._get_replacement_words(word)))
        )
        return constraints, swap, search

    return TextAttackRun(assemble)


ATTACK = Attack(
    name="pso",
    display="pso+fix[wordnet,without-hownet]",
    build=build,
    options=PsoOptions,
    assets=(WORDNET,),
    about="a particle swarm over WordNet synonyms (Zang et al. 2020, who take words of equal HowNet sememes)",
    family=Family.EVOLUTIONARY,
    access=Access.SCORE,
    paper="Zang et al., Word-level Textual Adversarial Attacking as Combinatorial Optimization, ACL 2020",
    state=AttackState.VARIANT,
    card=(
        "HowNet is on no package index: WordNet synonyms take its place. The library turns particles away from the "
        "elite, mutates at every position and ignores turn_retries: mended after the authors' program."
    ),
    cost=6000,
    parameters={
        "recipe": "TextAttack 0.3.11 PSOZang2020, mended; HowNet replaced by WordNet 3.0 synonyms",
        "inertia": "0.8 falling to 0.2 (paper)",
        "turns": "towards own elite 0.8 falling to 0.2, towards the common one 0.2 rising to 0.8 (authors' program)",
        "velocity": "at most 3 (paper)",
        "mutation": "one position, drawn by its number of substitutes, at most 10 (authors' program)",
        "text length": "any (the paper takes texts of 10 to 100 words)",
        "change rate": "no limit (recipe; the paper counts a success up to 25% of the words)",
        "columns": "one text; the recipe's frozen premise concerns text pairs only",
        "stop words": f"266 words, sha256 {SHA256}",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
