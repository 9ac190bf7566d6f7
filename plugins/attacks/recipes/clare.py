"""``clare``: Li et al. 2021 (NAACL), by TextAttack's recipe: replace, insert and merge by a masked language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import SPACY_EN
from benchmark_plugins.attacks.assets import ENCODER, MASKED_LM, load_tagger
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class ClareOptions(Options):
    """Defaults are those of TextAttack 0.3.11's recipe ``CLARE2020``, unless they say otherwise."""

    candidates: int = Field(50, ge=1, description="most probable words at each place, for each action (recipe)")
    replace_confidence: float = Field(5e-4, ge=0, le=1, description="least probability of a replacement (recipe)")
    insert_confidence: float = Field(0.0, ge=0, le=1, description="least probability of an insertion (recipe)")
    merge_confidence: float = Field(5e-3, ge=0, le=1, description="least probability of a merged word (recipe)")
    masked_language_model: str = Field(MASKED_LM, description="registered model that fills in the masks")
    max_steps: int = Field(
        5, ge=1, description="edits at most; ours: each step asks every edit of the text (recipe: no limit)"
    )
    max_words: int = Field(
        128, ge=1, description="words from the start that may be edited; ours (authors skip texts of over 128 tokens)"
    )
    threshold: float = Field(
        0.7,
        ge=-1,
        le=1,
        description="least similarity of the windows (recipe; the authors' 0.7 is cosine 0.955)",
    )
    metric: Literal["angular", "cosine"] = Field("cosine", description="how windows are compared (recipe)")
    window: int = Field(15, ge=1, description="words around the edit that are compared (recipe and authors' program)")
    skip_short: bool = Field(True, description="texts shorter than the window are not compared (recipe)")
    compare_against_original: bool = Field(
        True, description="compare with the original text (recipe; the authors compare with the current one)"
    )


def build(options: ClareOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the masked LM, the tagger and the encoder once; they are shared by all examples."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.transformations import CompositeTransformation

    from benchmark_plugins.attacks.bounds import FirstWords
    from benchmark_plugins.attacks.constraints import ContractConstraint, MuseSimilarity
    from benchmark_plugins.attacks.greedy import CappedGreedy
    from benchmark_plugins.attacks.infill import MaskedInsertion, MaskedMerge
    from benchmark_plugins.attacks.runner import TextAttackRun
    from benchmark_plugins.attacks.transformations import WholeWordMLMSwap, filler

    words = stop_words()
    source = filler(resources.model(options.masked_language_model))
    tagger = load_tagger(resources)
    encoder = resources.model(ENCODER)

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        constraints = [
            RepeatModification(),
            StopwordModification(stopwords=words),
            FirstWords(options.max_words),
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
        count = min(options.candidates, contract.candidates)
        actions = CompositeTransformation(
            [
                WholeWordMLMSwap(source, count, options.replace_confidence),
                MaskedInsertion(source, count, options.insert_confidence),
                MaskedMerge(source, tagger, count, options.merge_confidence),
            ]
        )
        return constraints, actions, CappedGreedy(options.max_steps)

    return TextAttackRun(assemble)


ATTACK = Attack(
    name="clare",
    display="clare+fix[minilm-mlm,muse,spacy,5-steps]",
    build=build,
    options=ClareOptions,
    assets=(SPACY_EN,),
    models=(ENCODER, MASKED_LM),
    about="replace, insert and merge words by a masked language model, the best edit of all first (Li et al. 2021)",
    family=Family.MASKED_LM,
    access=Access.SCORE,
    paper="Li et al., Contextualized Perturbation for Textual Adversarial Attack, NAACL 2021, arXiv 2009.07502",
    state=AttackState.VARIANT,
    card=(
        "Masked LM, encoder and tagger are the catalogue's, and steps are capped. The library never inserts before the "
        "first word nor merges at either end, and merges words that may not be modified: both mended."
    ),
    cost=10000,
    parameters={
        "recipe": "TextAttack 0.3.11 CLARE2020; assets replaced, whole words only, mended, steps capped",
        "search": "greedy over all edits of every step (recipe; the authors rank places once)",
        "protected words": "none (recipe; the authors protect negations and modals on most data)",
        "merges": "pairs of universal tags as in the recipe, both words unmodified, never across columns",
        "sentence encoder": "Universal Sentence Encoder multilingual v3",
        "part of speech": "spaCy en_core_web_sm 3.8.0, universal tags, four words before and three after",
        "stop words": f"266 words, sha256 {SHA256}; not replaced, but merged (recipe)",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
