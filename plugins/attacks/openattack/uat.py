"""``oa-uat``: Wallace et al. 2019, universal triggers (EMNLP), by OpenAttack: listed, without triggers of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, NotApplicable, Options
from benchmark_plugins.attacks.openattack_env import import_openattack, missing
from benchmark_plugins.attacks.openattack_parts import listing

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task
    from benchmark_plugins.attacks.openattack_parts.runner import Scene

WHY = (
    "The library's triggers 'the the the' mean nothing, and its search for others (over training data, which no attack"
    " is given here) asks for its tokenizer exactly when it already has one"
)


class UatOptions(Options):
    """OpenAttack's ``UATAttacker`` puts the same words before every text."""

    triggers: str = Field("", description="words put before every text, with blanks between (paper: three, by search)")


def build(options: UatOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Raises NotApplicable without triggers."""
    if not options.triggers.split():
        raise NotApplicable(f"oa-uat has no triggers: {WHY}", "Name words found on training data as its triggers")
    import_openattack()
    from OpenAttack.attackers import UATAttacker

    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun

    def assemble(scene: Scene) -> Any:
        return UATAttacker(options.triggers.split(), scene.tokenizer)

    return OpenAttackRun(assemble, contract)


ATTACK = Attack(
    name="oa-uat",
    display="oa-uat",
    build=build,
    options=UatOptions,
    about="the same words before every text, by OpenAttack (Wallace et al. 2019)",
    family=Family.GRADIENT,
    access=Access.DECISION,
    paper="Wallace et al., Universal Adversarial Triggers, EMNLP 2019, arXiv 1908.07125",
    state=listing.listed(AttackState.DEFECTIVE),
    card=listing.card(f"{WHY}."),
    cost=1,
    unavailable=missing,
    parameters={"library": listing.COMMON["library"], "search": "none: triggers are given"},
)
