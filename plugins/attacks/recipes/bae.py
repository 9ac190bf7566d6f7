"""``bae``: Garg and Ramakrishnan 2020, BAE-R (EMNLP), by TextAttack's recipe with the project's assets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import SPACY_EN
from benchmark_plugins.attacks.assets import ENCODER, MASKED_LM, load_tagger
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class BaeOptions(Options):
    """Every default is that of TextAttack 0.3.11's recipe ``BAEGarg2019``, but for the model."""

    candidates: int = Field(50, ge=1, description="most probable whole words considered (paper, section 2: K = 50)")
    min_confidence: float = Field(0.0, ge=0, le=1, description="least probability of a substitute (recipe)")
    masked_language_model: str = Field(MASKED_LM, description="registered model that fills in the mask")
    recover_case: bool = Field(False, description="give a substitute the case of the word it replaces (recipe: no)")
    threshold: float = Field(
        0.936338023,
        ge=-1,
        le=1,
        description="least similarity of the windows (recipe; authors' code has cosine 0.980, the paper says 0.80)",
    )
    metric: Literal["angular", "cosine"] = Field(
        "cosine", description="how windows are compared (recipe; its threshold was converted for the angular metric)"
    )
    window: int = Field(15, ge=1, description="words around the edit that are compared (recipe and authors' code)")
    skip_short: bool = Field(True, description="texts shorter than the window are not compared (recipe)")
    compare_against_original: bool = Field(True, description="compare with the original text (recipe and paper)")
    allow_verb_noun_swap: bool = Field(True, description="a noun may replace a verb and the reverse (recipe)")


def build(options: BaeOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the masked LM, the tagger and the encoder once; they are shared by all examples."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification

    from benchmark_plugins.attacks.constraints import ContractConstraint, MuseSimilarity, SpacyPOS
    from benchmark_plugins.attacks.runner import TextAttackRun
    from benchmark_plugins.attacks.search import SteadyWIR
    from benchmark_plugins.attacks.transformations import WholeWordMLMSwap, filler

    words = stop_words()
    source = filler(resources.model(options.masked_language_model))
    tagger = load_tagger(resources)
    encoder = resources.model(ENCODER)

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        constraints = [
            RepeatModification(),
            StopwordModification(stopwords=words),
            SpacyPOS(tagger, options.allow_verb_noun_swap),
            MuseSimilarity(
                encoder,
                options.threshold,
                options.metric,
                options.compare_against_original,
                options.window,
                options.skip_short,
            ),
            ContractConstraint(contract),
        ]
        count = min(options.candidates, contract.candidates)
        swap = WholeWordMLMSwap(source, count, options.min_confidence, options.recover_case)
        return constraints, swap, SteadyWIR("delete", victim.unknown_token)

    return TextAttackRun(assemble)


ATTACK = Attack(
    name="bae",
    display="bae[minilm-mlm,muse,spacy]",
    build=build,
    options=BaeOptions,
    assets=(SPACY_EN,),
    models=(ENCODER, MASKED_LM),
    about="words that a masked language model fills in, in order of importance (Garg and Ramakrishnan 2020)",
    family=Family.MASKED_LM,
    access=Access.SCORE,
    paper="Garg and Ramakrishnan, BAE, EMNLP 2020, arXiv 2004.01970",
    state=AttackState.VARIANT,
    card="Masked LM, sentence encoder and tagger are the catalogue's; word pieces are not proposed as words.",
    cost=200,
    parameters={
        "recipe": "TextAttack 0.3.11 BAEGarg2019; assets replaced, whole words only, stable ranking",
        "ranking": "by deletion (recipe)",
        "substitutes": "whole words of letters; the library also turns word pieces into words",
        "sentence encoder": "Universal Sentence Encoder multilingual v3",
        "part of speech": "spaCy en_core_web_sm 3.8.0, universal tags, context of the original text",
        "stop words": f"266 words, sha256 {SHA256}",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
