"""``pwws``: Ren et al. 2019, "Generating Natural Language Adversarial Examples through Probability Weighted Word
Saliency" (ACL), by TextAttack's recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import WORDNET
from benchmark_plugins.attacks.limits import most_substitutes
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class PwwsOptions(Options):
    """Every default is that of TextAttack 0.3.11's recipe ``PWWSRen2019``."""

    keep_stop_words: bool = Field(True, description="stop words are not replaced (recipe; the paper has no such rule)")


def build(options: PwwsOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the synonyms once; they are shared by all examples."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification

    from benchmark_plugins.attacks.constraints import ContractConstraint
    from benchmark_plugins.attacks.runner import TextAttackRun
    from benchmark_plugins.attacks.search import SteadyWIR
    from benchmark_plugins.attacks.synsets import WordNetSwap, load_synsets

    words = stop_words() if options.keep_stop_words else ()
    synsets = load_synsets(resources)
    limit = most_substitutes(contract)

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        constraints = [RepeatModification(), StopwordModification(stopwords=words), ContractConstraint(contract)]
        return constraints, WordNetSwap(synsets, limit), SteadyWIR("weighted-saliency", victim.unknown_token)

    return TextAttackRun(assemble)


ATTACK = Attack(
    name="pwws",
    display="pwws+fix",
    build=build,
    options=PwwsOptions,
    assets=(WORDNET,),
    about="WordNet synonyms, in order of saliency times their best effect (Ren et al. 2019)",
    family=Family.WORD,
    access=Access.SCORE,
    paper="Ren et al., Generating Natural Language Adversarial Examples through PWWS, ACL 2019, P19-1103",
    state=AttackState.FIXED,
    card="WordNet is read by the suite (the library's reader misreads CRLF files); ties of the ranking are stable.",
    cost=250,
    parameters={
        "recipe": "TextAttack 0.3.11 PWWSRen2019; stable ranking",
        "ranking": "softmax of the scores by the victim's unknown-word token, times the best score of a substitute",
        "substitutes": "single-word lemmas of all WordNet 3.0 synsets, all parts of speech; no named entities (recipe)",
        "stop words": f"266 words, sha256 {SHA256} (recipe: nltk's list)",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
