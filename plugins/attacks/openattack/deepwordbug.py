"""``oa-deepwordbug``: Gao et al. 2018 (IEEE SPW), by OpenAttack: one shot, with swap and ranking mended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.attacks.openattack_env import import_openattack, missing
from benchmark_plugins.attacks.openattack_parts import listing

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task
    from benchmark_plugins.attacks.openattack_parts.runner import Scene


class DeepWordBugOptions(Options):
    """Defaults of OpenAttack 2.1.1 ``DeepWordBugAttacker``."""

    scoring: Literal["replaceone", "temporal", "tail", "combined"] = Field(
        "replaceone", description="how words are ranked (library; the paper's best for recurrent readers is combined)"
    )
    transform: Literal["homoglyph", "swap"] = Field("homoglyph", description="how a word is edited (library)")
    power: int = Field(5, ge=1, description="words that are edited, all at once (library)")


def build(options: DeepWordBugOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Nothing to load."""
    import_openattack()
    from benchmark_plugins.attacks.openattack_parts.characters import DeepWordBug
    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun

    def assemble(scene: Scene) -> Any:
        return DeepWordBug(scene, options.scoring, options.transform, options.power)

    return OpenAttackRun(assemble, contract)


ATTACK = Attack(
    name="oa-deepwordbug",
    display="oa-deepwordbug+fix",
    build=build,
    options=DeepWordBugOptions,
    about="a look-alike letter in each of the five most important words, by OpenAttack (Gao et al. 2018)",
    family=Family.CHARACTER,
    access=Access.SCORE,
    paper="Gao et al., DeepWordBug, IEEE SPW 2018, arXiv 1801.04354",
    state=listing.listed(AttackState.FIXED),
    card=listing.card(
        "The library's swap stops with an error and its temporal scores edit the least important words; both are mended"
        " and ties go to the left. As in the library, all words are edited at once and the victim is asked once."
    ),
    cost=25,
    unavailable=missing,
    parameters={
        **{name: text for name, text in listing.COMMON.items() if name not in ("stop words", "contract")},
        "stop words": "none (library)",
        "contract": "a text outside the suite's contract is no success",
    },
)
