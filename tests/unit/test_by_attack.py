"""The table of attacks: every figure computed by hand, and the command over a store."""

from __future__ import annotations

import math

from benchmark.leaderboard.by_attack import COLUMNS, as_cells, as_markdown, rows_of
from benchmark.records import CellFile, ExampleRecord, Outcome, Timing


def cell(key: str, attack: str, display: str | None = None) -> CellFile:
    return CellFile(
        key=key,
        suite="s",
        suite_version=1,
        dataset="d",
        defense="x",
        attack=attack,
        attack_display=display,
        seed=0,
        model="m",
        spec={},
    )


def record(
    key: str,
    example: str,
    outcome: Outcome,
    queries: int = 0,
    share: float | None = None,
    similarity: float | None = None,
    seconds: float = 0.0,
) -> ExampleRecord:
    return ExampleRecord(
        cell=key,
        example_id=example,
        label=0,
        prediction=0,
        outcome=outcome,
        text="a b",
        queries=queries,
        forwards=0,
        words=2,
        perturbed_share=share,
        similarity=similarity,
        timing=Timing(seconds=seconds),
    )


def test_a_row_by_hand() -> None:
    first = [
        record("k1", "a", Outcome.BROKEN, 10, 0.5, 0.9, 1.0),
        record("k1", "b", Outcome.HELD, 30, seconds=2.0),
        record("k1", "c", Outcome.SKIPPED, 0, seconds=99.0),  # never tried: in no figure
    ]
    second = [
        record("k2", "a", Outcome.BROKEN, 20, 0.25, 0.8, 3.0),
        record("k2", "b", Outcome.INVALID, 40, 0.75, 0.1, 4.0),  # its edits are in no mean of the broken ones
        record("k2", "c", Outcome.ERROR, 0, seconds=5.0),  # counts as tried: no better success by crashing
    ]
    (row,) = rows_of([(cell("k1", "z", "z[w]"), first), (cell("k2", "z", "z[w]"), second)])
    assert (row.attack, row.display, row.cells) == ("z", "z[w]", 2)
    assert (row.attacked, row.broken, row.errors) == (5, 2, 1)
    assert row.success is not None
    assert row.invalid is not None
    assert (row.success.value, row.invalid.value) == (0.4, 0.2)
    # Wilson for 2 of 5, z = 1.959964: (p + z2/2n -+ z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n)
    z, n, p = 1.959964, 5, 0.4
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert abs(row.success.low - (middle - half) / (1 + z * z / n)) < 1e-5
    assert abs(row.success.high - (middle + half) / (1 + z * z / n)) < 1e-5
    assert row.queries == (10 + 30 + 20 + 40 + 0) / 5
    assert row.perturbed_share == 0.375
    assert row.similarity == 0.85
    assert row.seconds == 3.0
    assert as_cells(row) == ("z[w]", "2", "5", "40.0 (12-77)", "20", "37.5", "0.850", "20.0", "1", "3.00")


def test_order_and_an_attack_that_could_not_be_tried() -> None:
    rows = rows_of(
        [
            (cell("k1", "never"), [record("k1", "a", Outcome.SKIPPED)]),
            (cell("k2", "weak"), [record("k2", "a", Outcome.HELD)]),
            (cell("k3", "strong"), [record("k3", "a", Outcome.BROKEN, 1, 0.5)]),
            (cell("k4", "also-weak"), [record("k4", "a", Outcome.EXHAUSTED)]),
        ]
    )
    assert [row.attack for row in rows] == ["strong", "also-weak", "weak", "never"]
    assert as_cells(rows[-1]) == ("never", "0", "0", "-", "-", "-", "-", "-", "0", "-")
    lines = as_markdown(rows).splitlines()
    assert len(lines) == 2 + 4
    assert {line.count("|") for line in lines} == {len(COLUMNS) + 1}
