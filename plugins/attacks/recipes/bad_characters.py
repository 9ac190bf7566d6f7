"""``bad-characters``: Boucher et al. 2022, "Bad Characters: Imperceptible NLP Attacks" (IEEE S&P), in four kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.attacks.evolution_de import Evolution, EvolutionRun
from benchmark_plugins.attacks.imperceptible import Kind

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task

KIND = "the kind of edit (paper, section IV)"


class BadCharactersOptions(Options):
    """Defaults are those of the paper's classification experiments, and scipy's where the authors' code names none."""

    kind: Kind = Field("homoglyph", description=KIND)
    perturbations: int = Field(5, ge=1, le=100, description="most edits of a text (paper: 1 to 5; recipe: 1)")
    population: int = Field(32, ge=5, description="members for each gene (paper and recipe)")
    generations: int = Field(3, ge=1, description="generations after the first (authors' code for MNLI; recipe: 10)")
    strategy: Literal["best1bin", "rand1bin", "randtobest1bin"] = Field(
        "best1bin", description="how a trial is made (scipy 1.15)"
    )
    least_mutation: float = Field(0.5, ge=0, lt=2, description="least differential weight of a generation (scipy 1.15)")
    greatest_mutation: float = Field(1.0, ge=0, lt=2, description="greatest differential weight (scipy 1.15)")
    recombination: float = Field(0.7, ge=0, le=1, description="share of a trial's genes that are new (scipy 1.15)")


class InvisibleOptions(BadCharactersOptions):
    """As ``bad-characters``, with zero-width characters."""

    kind: Literal["invisible"] = Field("invisible", description=KIND)


class DeletionsOptions(BadCharactersOptions):
    """As ``bad-characters``, with characters and backspaces."""

    kind: Literal["deletions"] = Field("deletions", description=KIND)


class ReorderingsOptions(BadCharactersOptions):
    """As ``bad-characters``, with bidirectional controls."""

    kind: Literal["reorderings"] = Field("reorderings", description=KIND)


def build(options: BadCharactersOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Nothing to load."""
    low, high = sorted((options.least_mutation, options.greatest_mutation))
    settings = Evolution(
        options.perturbations,
        options.population,
        options.generations,
        options.strategy,
        (low, high),
        options.recombination,
    )
    return EvolutionRun(options.kind, settings, contract)


MENDED = (
    "One call of the victim a generation, an own random generator, vectors that mean no edit, an end at the first "
    "success; the library asks one text at a time, polishes the result and never stops early. "
)


def attack(name: str, options: type[BadCharactersOptions], about: str, display: str, card: str, cost: float) -> Attack:
    """The attack of one kind."""
    return Attack(
        name=name,
        display=display,
        build=build,
        options=options,
        about=f"{about}, by differential evolution (Boucher et al. 2022)",
        family=Family.CHARACTER,
        access=Access.SCORE,
        paper="Boucher et al., Bad Characters: Imperceptible NLP Attacks, IEEE S&P 2022, arXiv 2106.09898",
        state=AttackState.VARIANT if "[" in display else AttackState.FIXED,
        card=MENDED + card,
        cost=cost,
        parameters={
            "recipe": "TextAttack 0.3.11 BadCharacters2021 for untargeted classification; search written anew",
            "search": "scipy differential_evolution, deferred and vectorised, Latin hypercube, no polishing, no "
            "convergence test",
            "queries": "each distinct text once",
            "homoglyphs": "31 Latin letters with 45 Greek and Cyrillic ones, by hand after Unicode UTS #39",
            "stop words": "not used (paper)",
            "contract": "candidates outside the suite's contract are not considered",
        },
    )


ATTACKS = (
    attack(
        "bad-characters",
        BadCharactersOptions,
        "letters of other alphabets with the same shape",
        "bad-characters+fix[greek-cyrillic]",
        "The table of look-alikes is the suite's own.",
        400,
    ),
    attack(
        "bad-characters-invisible",
        InvisibleOptions,
        "zero-width characters",
        "bad-characters-invisible+fix",
        "Victims whose tokenizer drops zero-width characters see no change.",
        1000,
    ),
    attack(
        "bad-characters-deletions",
        DeletionsOptions,
        "characters followed by a backspace",
        "bad-characters-deletions+fix",
        "Victims whose tokenizer drops backspaces still see the character before it.",
        800,
    ),
    attack(
        "bad-characters-reorderings",
        ReorderingsOptions,
        "letters in another order, shown in the old one",
        "bad-characters-reorderings+fix",
        "Victims whose tokenizer drops bidirectional controls still see the letters in the other order.",
        400,
    ),
)
