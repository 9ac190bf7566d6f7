"""``checklist``: the invariance tests of Ribeiro et al. 2020, "Beyond Accuracy" (ACL), by TextAttack's recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import SPACY_EN
from benchmark_plugins.attacks.limits import most_substitutes

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class CheckListOptions(Options):
    """Defaults are those of TextAttack 0.3.11's recipe ``CheckList2020``, but for the cap on steps."""

    names: int = Field(3, ge=1, description="random names tried for a person (recipe)")
    locations: int = Field(3, ge=1, description="random places tried for a place (recipe)")
    numbers: int = Field(3, ge=1, description="random numbers tried for a number (recipe)")
    max_change: float = Field(1.0, gt=0, le=1, description="most change of a number, as a share of it (recipe)")
    max_steps: int = Field(10, ge=1, description="most edits of a text (suite; the recipe has no limit)")


def build(options: CheckListOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the recogniser of names once; it is shared by all examples."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.pre_transformation import RepeatModification

    from benchmark_plugins.attacks.bugs import LimitedComposite
    from benchmark_plugins.attacks.constraints import ContractConstraint
    from benchmark_plugins.attacks.entities import SpacyEntities
    from benchmark_plugins.attacks.greedy import CappedGreedy
    from benchmark_plugins.attacks.invariance import ChangeLocation, ChangeName, ChangeNumber, Contract, Extend
    from benchmark_plugins.attacks.runner import TextAttackRun

    entities = SpacyEntities.load(resources)
    limit = most_substitutes(contract)

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        kinds = [
            Extend(),
            Contract(),
            ChangeName(entities, options.names),
            ChangeNumber(options.max_change, options.numbers),
            ChangeLocation(entities, options.locations),
        ]
        constraints = [RepeatModification(), ContractConstraint(contract)]
        return constraints, LimitedComposite(kinds, limit), CappedGreedy(options.max_steps)

    return TextAttackRun(assemble)


ATTACK = Attack(
    name="checklist",
    display="checklist+fix[spacy]",
    build=build,
    options=CheckListOptions,
    assets=(SPACY_EN,),
    about="contractions, names, numbers and places that should change nothing (Ribeiro et al. 2020)",
    family=Family.WORD,
    access=Access.SCORE,
    paper="Ribeiro et al., Beyond Accuracy: Behavioral Testing with CheckList, ACL 2020, arXiv 2005.04118",
    state=AttackState.VARIANT,
    card="Names and places are found by spaCy (no probabilities, so no least one); mended: contractions after an edit "
    "or at a capital, and number words inside other words. Many texts have nothing to edit.",
    cost=20,
    parameters={
        "recipe": "TextAttack 0.3.11 CheckList2020; recogniser replaced, defects mended, capped search",
        "search": "greedy over all edits; the best text of all steps",
        "names and places": "spaCy en_core_web_sm 3.8.0 (PERSON, GPE, LOC); lists of TextAttack 0.3.11",
        "stop words": "not used (recipe)",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
