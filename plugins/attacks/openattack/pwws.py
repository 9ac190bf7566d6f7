"""``oa-pwws``: Ren et al. 2019, probability-weighted word saliency (ACL), by OpenAttack, with our own parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import SPACY_EN, WORDNET
from benchmark_plugins.attacks.openattack_env import import_openattack, missing
from benchmark_plugins.attacks.openattack_parts import listing
from benchmark_plugins.attacks.stopwords import stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task
    from benchmark_plugins.attacks.openattack_parts.runner import Scene


class PwwsOptions(Options):
    """OpenAttack's ``PWWSAttacker`` has no numbers of its own."""

    candidates: int = Field(
        50, ge=1, description="substitutes considered for a word (the suite's K; paper and library take all synonyms)"
    )


def build(options: PwwsOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load WordNet and the tagger once; they are shared by all examples."""
    import_openattack()
    from benchmark_plugins.attacks.openattack_parts.greedy import PWWS
    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun
    from benchmark_plugins.attacks.openattack_parts.substitutes import of_wordnet
    from benchmark_plugins.attacks.openattack_parts.tags import TextTagger
    from benchmark_plugins.attacks.synsets import load_synsets

    synsets, words = load_synsets(resources), stop_words()
    count = min(options.candidates, contract.candidates)

    def assemble(scene: Scene) -> Any:
        return PWWS(scene, of_wordnet(synsets, count, scene.tags), words)

    return OpenAttackRun(assemble, contract, TextTagger.load(resources))


ATTACK = Attack(
    name="oa-pwws",
    display="oa-pwws[wordnet,spacy]",
    build=build,
    options=PwwsOptions,
    assets=(WORDNET, SPACY_EN),
    about="synonyms of WordNet in order of saliency times gain, by OpenAttack (Ren et al. 2019)",
    family=Family.WORD,
    access=Access.SCORE,
    paper="Ren et al., Probability Weighted Word Saliency, ACL 2019",
    state=listing.listed(AttackState.VARIANT),
    card=listing.card(
        "WordNet is read from the catalogue's archive and the tagger is spaCy's; as in the library, no named entities."
    ),
    cost=250,
    unavailable=missing,
    parameters={**listing.COMMON, **listing.WORDNET_PARAMETER, **listing.TAGGER_PARAMETER},
)
