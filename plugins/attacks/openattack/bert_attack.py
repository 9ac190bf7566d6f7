"""``oa-bert-attack``: Li et al. 2020 (EMNLP), by OpenAttack, mended, with the catalogue's masked language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.attacks.assets import MASKED_LM
from benchmark_plugins.attacks.openattack_env import import_openattack, missing
from benchmark_plugins.attacks.openattack_parts import listing
from benchmark_plugins.attacks.stopwords import stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task
    from benchmark_plugins.attacks.openattack_parts.runner import Scene


class BertAttackOptions(Options):
    """Defaults of OpenAttack 2.1.1 ``BERTAttacker``."""

    masked_language_model: str = Field(MASKED_LM, description="registered model that proposes words (catalogue)")
    candidates: int = Field(36, ge=1, description="most probable pieces at a word (library; paper: 48)")
    least_score: float = Field(
        0.3, ge=0, description="least logit of a piece, 0 for none (library; authors' README: 0)"
    )
    max_share: float = Field(
        0.2, gt=0, le=1, description="no further word once more than this share is edited (library; paper: 0.4)"
    )


def build(options: BertAttackOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the masked LM once; it is shared by all examples. Raises NotApplicable without WordPiece."""
    import_openattack()
    from benchmark_plugins.attacks.openattack_parts.masked import BertAttack, checked
    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun

    model, words = checked(resources.model(options.masked_language_model)), stop_words()
    count = min(options.candidates, contract.candidates)

    def assemble(scene: Scene) -> Any:
        return BertAttack(scene, model, words, count, options.least_score, options.max_share)

    return OpenAttackRun(assemble, contract)


ATTACK = Attack(
    name="oa-bert-attack",
    display="oa-bert-attack[minilm-mlm]+fix",
    build=build,
    options=BertAttackOptions,
    models=(MASKED_LM,),
    about="words by what a masked language model finds likely there, by OpenAttack (Li et al. 2020)",
    family=Family.MASKED_LM,
    access=Access.SCORE,
    paper="Li et al., BERT-ATTACK, EMNLP 2020, arXiv 2004.09984",
    state=listing.listed(AttackState.FIXED),
    card=listing.card(
        "The library softmaxes probabilities again, keeps the last tried word when none helps, never ranks the last"
        " word and stops at a text of one; all are mended. The masked LM is the catalogue's; candidates are letters."
    ),
    cost=150,
    unavailable=missing,
    parameters={
        **listing.COMMON,
        "candidates": "of the unmasked original; of words of several pieces 4 for each of 12, the first 24",
        "similarity": "none of its own, as in the library",
    },
)
