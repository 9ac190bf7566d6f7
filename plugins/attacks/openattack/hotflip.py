"""``oa-hotflip``: what OpenAttack calls HotFlip: every substitute of every word alone, without gradients; mended."""

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


class HotFlipOptions(Options):
    """OpenAttack's ``HotFlipAttacker`` has no numbers of its own."""

    candidates: int = Field(
        50, ge=1, description="substitutes considered for a word (the suite's K; the library takes all synonyms)"
    )


def build(options: HotFlipOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load WordNet and the tagger once; they are shared by all examples."""
    import_openattack()
    from benchmark_plugins.attacks.openattack_parts.greedy import HotFlip
    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun
    from benchmark_plugins.attacks.openattack_parts.substitutes import of_wordnet
    from benchmark_plugins.attacks.openattack_parts.tags import TextTagger
    from benchmark_plugins.attacks.synsets import load_synsets

    synsets, words = load_synsets(resources), stop_words()
    count = min(options.candidates, contract.candidates)

    def assemble(scene: Scene) -> Any:
        return HotFlip(scene, of_wordnet(synsets, count, scene.tags), words)

    return OpenAttackRun(assemble, contract, TextTagger.load(resources))


ATTACK = Attack(
    name="oa-hotflip",
    display="oa-hotflip[wordnet,spacy,without-gradients]+fix",
    build=build,
    options=HotFlipOptions,
    assets=(WORDNET, SPACY_EN),
    about="one synonym at a time in the order of the text, by OpenAttack (named after Ebrahimi et al. 2018)",
    family=Family.WORD,
    access=Access.DECISION,
    paper="Ebrahimi et al., HotFlip, ACL 2018, arXiv 1712.06751; the library keeps the name, not the gradients",
    state=listing.listed(AttackState.FIXED),
    card=listing.card(
        "The library edits its list of words in place, so failed swaps pile up; here each candidate is one swap. It"
        " uses no gradient: it is the search for a single decisive synonym, not HotFlip. WordNet and tagger are ours."
    ),
    cost=60,
    unavailable=missing,
    parameters={**listing.COMMON, **listing.WORDNET_PARAMETER, **listing.TAGGER_PARAMETER},
)
