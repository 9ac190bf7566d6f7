"""How each attack did over several cells: one row an attack, from the records alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.leaderboard.metrics import (
    Proportion,
    mean,
    outcome_counts,
    perturbed_share_mean,
    proportion,
    queries_mean,
    similarity_mean,
)
from benchmark.records import CellFile, ExampleRecord, Outcome

Attacked = tuple[CellFile, Sequence[ExampleRecord]]
"""An attack's cell and its records."""
COLUMNS = (
    "attack",
    "broken",
    "of",
    "success, %",
    "queries",
    "words changed, %",
    "similarity",
    "invalid, %",
    "errors",
    "s",
)


@dataclass(frozen=True)
class AttackRow:
    """One attack over all its cells. Shares are of the examples it was tried on (clean prediction right), errors too.

    ``queries`` is the mean of logical queries over these, ``perturbed_share`` and ``similarity`` are means over the
    broken ones; ``seconds`` is the mean wall time of an example in its worker. None where there is nothing to average.
    """

    attack: str
    display: str
    cells: int
    attacked: int
    broken: int
    errors: int
    success: Proportion | None
    invalid: Proportion | None
    queries: float | None
    perturbed_share: float | None
    similarity: float | None
    seconds: float | None


def rows_of(attacked: Sequence[Attacked]) -> list[AttackRow]:
    """Rows by falling success rate (attacks that could not be tried last), equals by name."""
    cells: dict[str, list[Attacked]] = {}
    for cell, records in attacked:
        cells.setdefault(str(cell.attack), []).append((cell, records))
    rows = [_row(name, found) for name, found in cells.items()]
    return sorted(rows, key=lambda row: (-(row.success.value if row.success else -1.0), row.attack))


def _row(name: str, cells: Sequence[Attacked]) -> AttackRow:
    tried = [record for _, records in cells for record in records if record.outcome is not Outcome.SKIPPED]
    counts = outcome_counts(tried)
    return AttackRow(
        attack=name,
        display=cells[0][0].attack_display or name,
        cells=len(cells),
        attacked=len(tried),
        broken=counts[Outcome.BROKEN],
        errors=counts[Outcome.ERROR],
        success=proportion(counts[Outcome.BROKEN], len(tried)),
        invalid=proportion(counts[Outcome.INVALID], len(tried)),
        queries=queries_mean(tried),
        perturbed_share=perturbed_share_mean(tried),
        similarity=similarity_mean(tried),
        seconds=mean([record.timing.seconds for record in tried if record.timing is not None]),
    )


def as_cells(row: AttackRow) -> tuple[str, ...]:
    """The row as shown, one text a column of COLUMNS."""
    success = "-" if row.success is None else f"{_percent(row.success.value)} ({_range(row.success)})"
    return (
        row.display,
        str(row.broken),
        str(row.attacked),
        success,
        _number(row.queries, 0),
        _percent(row.perturbed_share),
        _number(row.similarity, 3),
        _percent(row.invalid.value if row.invalid else None),
        str(row.errors),
        _number(row.seconds, 2),
    )


def as_markdown(rows: Sequence[AttackRow]) -> str:
    """The rows as a markdown table."""
    lines = [COLUMNS, ("---", *("---:" for _ in COLUMNS[1:]))]
    lines += [(f"`{name}`", *rest) for name, *rest in map(as_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _range(share: Proportion) -> str:
    return f"{100 * share.low:.0f}-{100 * share.high:.0f}"


def _number(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
