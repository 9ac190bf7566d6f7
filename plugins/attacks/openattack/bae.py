"""``oa-bae``: Garg and Ramakrishnan 2020 (EMNLP), replacement, by OpenAttack, mended, with the catalogue's models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import SPACY_EN
from benchmark_plugins.attacks.assets import ENCODER, MASKED_LM
from benchmark_plugins.attacks.openattack_env import import_openattack, missing
from benchmark_plugins.attacks.openattack_parts import listing
from benchmark_plugins.attacks.stopwords import stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task
    from benchmark_plugins.attacks.openattack_parts.runner import Scene


class BaeOptions(Options):
    """Defaults of OpenAttack 2.1.1 ``BAEAttacker``."""

    masked_language_model: str = Field(MASKED_LM, description="registered model that proposes words (catalogue)")
    candidates: int = Field(50, ge=1, description="most probable words at a mask (library and paper)")
    threshold: float = Field(
        0.936,
        ge=-1,
        le=1,
        description="least cosine of the whole text with the original (library; the paper says 0.80)",
    )
    max_share: float = Field(
        0.2, gt=0, le=1, description="no further word once more than this share is edited (library; paper: no limit)"
    )


def build(options: BaeOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load masked LM, encoder and tagger once; shared by all examples. Raises NotApplicable without WordPiece."""
    import_openattack()
    from benchmark_plugins.attacks.openattack_parts.encoder import CosineEncoder
    from benchmark_plugins.attacks.openattack_parts.masked import BAE, checked
    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun
    from benchmark_plugins.attacks.openattack_parts.tags import TextTagger

    model, words = checked(resources.model(options.masked_language_model)), stop_words()
    encoder, tagger = resources.model(ENCODER), TextTagger.load(resources)
    count = min(options.candidates, contract.candidates)

    def assemble(scene: Scene) -> Any:
        similar = CosineEncoder(encoder, scene.tags)
        return BAE(scene, model, words, similar, tagger.many, count, options.threshold, options.max_share)

    return OpenAttackRun(assemble, contract, tagger)


ATTACK = Attack(
    name="oa-bae",
    display="oa-bae[minilm-mlm,muse,spacy]+fix",
    build=build,
    options=BaeOptions,
    assets=(SPACY_EN,),
    models=(ENCODER, MASKED_LM),
    about="words that a masked language model fills in, by OpenAttack (Garg and Ramakrishnan 2020)",
    family=Family.MASKED_LM,
    access=Access.SCORE,
    paper="Garg and Ramakrishnan, BAE, EMNLP 2020, arXiv 2004.01970",
    state=listing.listed(AttackState.FIXED),
    card=listing.card(
        "The library masks another word after the first one of several pieces, softmaxes probabilities again, ranks by"
        " insertion and keeps rejected words in the text; all are mended. Models are the catalogue's; replacement only."
    ),
    cost=80,
    unavailable=missing,
    parameters={
        **listing.COMMON,
        **listing.ENCODER_PARAMETER,
        "part of speech": "spaCy en_core_web_sm 3.8.0; that of the edited word stays (library: those of all words)",
        "ranking": "by replacement with the victim's unknown word (paper)",
    },
)
