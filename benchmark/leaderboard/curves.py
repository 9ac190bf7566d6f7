"""Accuracy under attack at smaller query budgets, read off one run's records without running again.

A budget is enforced list by list: a search under budget b asks the same texts as the recorded one until the first list
that would take it beyond b, and there it ends. With the same seed it therefore ends as recorded where it used at most b
queries, and runs out of budget where it used more. Two real runs may still break more than the curve says: an attack
that returns a text although the budget has ended it, and a suite that attacks what held once more (recalibration).

The budgets of the contract stay in force: beyond an example's own budget nothing more was asked, so the curve cannot
fall there. Such points say how many examples that concerns, and how many of them ran out of queries: with more of them
the value could be lower, it is an upper bound.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmark.leaderboard.metrics import Proportion, Scored, by_example, proportions
from benchmark.records import CellFile, Outcome

BUDGETS = (10, 20, 50, 100, 200, 500, 1000)
"""Logical queries an example."""
WORST_CASE = "worst case"

Victim = tuple[str, str, str, int]
"""dataset, model, defense, seed."""


class Searched(Scored, Protocol):
    """What a curve reads of a record; local and published records both have it."""

    @property
    def words(self) -> int: ...


Attacked = tuple[CellFile, Sequence[Searched]]
"""An attack's cell and its records."""


@dataclass(frozen=True)
class CurvePoint:
    """One budget. ``capped`` examples have a budget of their own below it; ``cut`` of them ran out of queries."""

    budget: int
    accuracy: Proportion | None
    capped: int
    cut: int


@dataclass(frozen=True)
class Curve:
    """One attack on one victim, or the worst case of several. ``errors`` examples count as not robust at any budget."""

    dataset: str
    model: str
    defense: str
    seed: int
    attack: str
    examples: int
    errors: int
    points: tuple[CurvePoint, ...]


def victim_of(cell: CellFile) -> Victim:
    """What was attacked."""
    return (cell.dataset, cell.model, cell.defense, cell.seed)


def by_victim(attacked: Sequence[Attacked]) -> dict[Victim, list[Attacked]]:
    """The cells with an attack, grouped by what they attack; victims and attacks in order of their names."""
    found: dict[Victim, list[Attacked]] = {}
    for cell, records in sorted(attacked, key=lambda pair: (victim_of(pair[0]), pair[0].attack or "")):
        if cell.attack is not None:
            found.setdefault(victim_of(cell), []).append((cell, records))
    return found


def own_budget(cell: CellFile, record: Searched) -> int | None:
    """The query budget that the cell's contract gave this example; None for an unlimited one."""
    contract = cell.spec.get("contract")
    per_word = contract.get("queries_per_word") if isinstance(contract, Mapping) else None
    return None if per_word is None else int(per_word) * max(1, record.words)


def outcome_within(record: Searched, budget: int) -> Outcome:
    """How the same search ends with ``budget`` queries: as recorded, or exhausted where it used more.

    ``skipped`` and ``error`` stay: what raised is no evidence of robustness at any budget.
    """
    if record.outcome in (Outcome.SKIPPED, Outcome.ERROR) or record.queries <= budget:
        return record.outcome
    return Outcome.EXHAUSTED


def broken_within(records: Sequence[Searched], budget: int) -> int:
    """How many examples are broken with at most ``budget`` queries."""
    return sum(outcome_within(record, budget) is Outcome.BROKEN for record in records)


def curve(cell: CellFile, records: Sequence[Searched], budgets: Sequence[int] = BUDGETS) -> Curve:
    """The curve of one attack; n is every example, those with errors included."""
    by_example(records)  # an example that occurs twice would count twice
    points = _points(sorted(map(_fall, records)), [(cell, records)], budgets)
    errors = sum(record.outcome is Outcome.ERROR for record in records)
    return Curve(*victim_of(cell), cell.attack or "", len(records), errors, points)


def worst_case_curve(attacked: Sequence[Attacked], budgets: Sequence[int] = BUDGETS) -> Curve:
    """Right under every attack, each of which has the budget for itself; all of one victim.

    A point is None where an attack has no record of an example that another one attacked.
    """
    first: dict[str, float] = {}
    seen: Counter[str] = Counter()
    for _, records in attacked:
        for record in records:
            first[record.example_id] = min(_fall(record), first.get(record.example_id, math.inf))
            seen[record.example_id] += 1
    falls = sorted(first.values())
    # Whether these are robust hangs on what is missing, until some attack has broken them.
    open_until = max((first[example] for example, count in seen.items() if count < len(attacked)), default=-math.inf)
    points = _points(falls, attacked, budgets, open_until)
    errors = {r.example_id for _, records in attacked for r in records if r.outcome is Outcome.ERROR}
    return Curve(*victim_of(attacked[0][0]), WORST_CASE, len(falls), len(errors), points)


def curves_of(attacked: Sequence[Attacked], budgets: Sequence[int] = BUDGETS) -> list[Curve]:
    """The curves of every victim, and its worst case behind them where several attacks ran."""
    found = []
    for cells in by_victim(attacked).values():
        found += [curve(cell, records, budgets) for cell, records in cells]
        if len(cells) > 1:
            found.append(worst_case_curve(cells, budgets))
    return found


def _points(
    falls: Sequence[float], attacked: Sequence[Attacked], budgets: Sequence[int], open_until: float = -math.inf
) -> tuple[CurvePoint, ...]:
    """The curve over sorted ``falls``; below ``open_until`` it is not known."""
    own = _own_budgets(attacked)
    shares = proportions([len(falls) - bisect_right(falls, budget) for budget in budgets], len(falls))
    return tuple(
        CurvePoint(budget, None if open_until > budget else share, *_limits(own, budget))
        for budget, share in zip(budgets, shares, strict=True)
    )


def _fall(record: Searched) -> float:
    """The smallest budget at which the example is not robust: 0 where no query was needed, infinity for never."""
    if record.outcome in (Outcome.SKIPPED, Outcome.ERROR):
        return 0
    return record.queries if record.outcome is Outcome.BROKEN else math.inf


_Own = tuple[int, str, bool]
"""An example's own budget in a cell, its id, and whether it ran out of queries there."""


def _own_budgets(attacked: Sequence[Attacked]) -> list[_Own]:
    """Of the examples that have one."""
    found = []
    for cell, records in attacked:
        for record in records:
            own = own_budget(cell, record)
            if own is not None:
                found.append((own, record.example_id, record.outcome is Outcome.EXHAUSTED))
    return found


def _limits(own: Sequence[_Own], budget: int) -> tuple[int, int]:
    """How many examples have a budget of their own below ``budget`` in some cell, and how many of them ran out."""
    below = [(example, exhausted) for limit, example, exhausted in own if limit < budget]
    return len({example for example, _ in below}), len({example for example, exhausted in below if exhausted})
