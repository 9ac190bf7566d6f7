"""What a picture or the page draws of a table: one line a defense and dataset, over the seeds ranked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from benchmark.leaderboard.table import Row, Table


class Share(Protocol):
    """A share in 0..1 of ``n`` examples, with the ends of its 95 % interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def n(self) -> int: ...


@dataclass(frozen=True)
class Line:
    """One line. What was not measured with every seed is None (no key); ``rows`` are its seeds one by one.

    ``name`` is the defense, and the model where the page has another.
    """

    dataset: str
    model: str
    defense: str
    name: str
    worst_case: Share | None
    clean: Share | None
    attacks: Mapping[str, Share]
    rank: int | None
    unranked_reason: str | None
    forwards: int | None
    seconds: float | None
    badges: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def seeds(self) -> str:
        """The seeds in words."""
        return ", ".join(str(row.seed) for row in self.rows)


def lines_of(table: Table) -> list[Line]:
    """The lines of every dataset, in page order."""
    rows: dict[tuple[str, str, str], list[Row]] = {}
    for row in sorted(table.rows, key=lambda row: row.seed):
        rows.setdefault((row.dataset, row.model, row.defense), []).append(row)
    several = len({row.model for row in table.rows}) > 1
    return [
        Line(
            dataset=entry.dataset,
            model=entry.model,
            defense=entry.defense,
            name=f"{entry.defense} ({entry.model})" if several else entry.defense,
            worst_case=entry.worst_case,
            clean=entry.clean,
            attacks=entry.attacks,
            rank=entry.rank,
            unranked_reason=entry.unranked_reason,
            forwards=entry.forwards_per_prediction,
            seconds=entry.training_seconds,
            badges=entry.badges,
            rows=tuple(rows[entry.dataset, entry.model, entry.defense]),
        )
        for entry in table.entries
    ]


def datasets_of(table: Table) -> list[str]:
    """The datasets that have rows."""
    return sorted({row.dataset for row in table.rows})


def name_of(row: Row, table: Table) -> str:
    """The defense, and the model where the page has another."""
    return row.defense if all(row.model == other.model for other in table.rows) else f"{row.defense} ({row.model})"
