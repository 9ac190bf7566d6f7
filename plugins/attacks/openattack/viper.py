"""``oa-viper``: Eger et al. 2019 (NAACL), random accents of the easy character embedding space, by OpenAttack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.attacks.openattack_env import import_openattack, missing
from benchmark_plugins.attacks.openattack_parts import listing

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task
    from benchmark_plugins.attacks.openattack_parts.runner import Scene


class ViperOptions(Options):
    """Defaults of OpenAttack 2.1.1 ``VIPERAttacker``; its other table of characters (DCES) is on no package index."""

    probability: float = Field(0.3, gt=0, le=1, description="chance of each character to change (library)")
    generations: int = Field(120, ge=1, description="texts drawn at most (library; the paper draws one)")


def build(options: ViperOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Nothing to load: the library carries the table."""
    import_openattack()
    from OpenAttack.attackers import VIPERAttacker

    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun

    def assemble(scene: Scene) -> Any:
        return VIPERAttacker(options.probability, generations=options.generations, method="eces")

    return OpenAttackRun(assemble, contract)


ATTACK = Attack(
    name="oa-viper",
    display="oa-viper[eces]",
    build=build,
    options=ViperOptions,
    about="texts with random accents until one is misread, by OpenAttack (Eger et al. 2019)",
    family=Family.CHARACTER,
    access=Access.DECISION,
    paper="Eger et al., Text Processing Like Humans Do, NAACL 2019, arXiv 1903.11508",
    state=listing.listed(AttackState.FAITHFUL),
    card=listing.card(
        "The library's attacker and its table of accents, unchanged. An uncased BERT strips nearly all of these accents"
        " before it reads, so that little is attacked there; a byte-level victim sees them all."
    ),
    cost=120,
    unavailable=missing,
    parameters={
        "library": listing.COMMON["library"],
        "goal": listing.COMMON["goal"],
        "characters": "ECES: each letter has one accented form",
        "contract": "a text outside the suite's contract is no success",
    },
)
