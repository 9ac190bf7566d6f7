"""Worst case without waste: attacks in the order of their cost, each on the examples that nobody has broken yet.

A record depends on its cell and example only, so a cascade writes some of the records of a full run and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from benchmark.plan import CellPlan
from benchmark.records import CellFile, ExampleRecord, Outcome

SETTLED = frozenset({Outcome.BROKEN, Outcome.SKIPPED})
"""Outcomes that no later attack can make worse: the example is wrong already."""


class Records(Protocol):
    """What is read of a store."""

    def records(self, cell: CellFile) -> list[ExampleRecord]: ...


class Cascade:
    """The stages of each victim. ``order`` names the attacks, cheapest first; others follow in the plan's order."""

    def __init__(self, cells: Iterable[CellPlan], order: Sequence[str], store: Records) -> None:
        self._store = store
        self._left: dict[str, list[CellPlan]] = {}
        self._past: dict[str, list[CellPlan]] = {}
        place = {name: number for number, name in enumerate(order)}
        for cell in cells:
            if cell.attack is not None:
                self._left.setdefault(cell.victim.key, []).append(cell)
        for stages in self._left.values():
            stages.sort(key=lambda cell: place.get(str(cell.attack), len(place)))

    @property
    def victims(self) -> list[str]:
        """Keys of the victims, in the plan's order."""
        return list(self._left)

    def next_stage(self, victim: str) -> tuple[CellPlan, tuple[str, ...]] | None:
        """The next cell with examples to attack, and these examples in the plan's order; None at the end.

        Call it again only when every record of the stage before is stored.
        """
        while self._left[victim]:
            cell = self._left[victim].pop(0)
            past = self._past.setdefault(victim, [])
            settled = {
                r.example_id for before in past for r in self._store.records(before.file) if r.outcome in SETTLED
            }
            done = {record.example_id for record in self._store.records(cell.file)}
            past.append(cell)
            ids = tuple(i for i in cell.ids if i not in settled and i not in done)
            if ids:
                return cell, ids
        return None
