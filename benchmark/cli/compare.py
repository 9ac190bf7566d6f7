"""``bench compare``: two defenses of one suite, paired by example and seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmark.leaderboard.paired import Scores
    from benchmark.records import CellFile
    from benchmark.store import Store

CLEAN = "clean"


def compare(
    first: Annotated[str, typer.Argument(help="A defense as in the records, such as HEAD+OBJECTIVE.")],
    second: Annotated[str, typer.Argument(help="The other one; the difference is second minus first.")],
    suite: Annotated[str, typer.Option(help="Suite whose records are compared.")] = "mini",
    dataset: Annotated[list[str], typer.Option("--dataset", help="Only this dataset.")] = [],  # noqa: B006
    store: Annotated[Path | None, typer.Option(help="Where records are kept (default: in the per-user cache).")] = None,
) -> None:
    """Compare two defenses on the examples and seeds they share: clean accuracy, and accuracy under each attack.

    The interval is a bootstrap over seeds and examples; p comes from a paired permutation test over examples.
    """
    from rich.console import Console
    from rich.table import Table

    from benchmark.choice import suite_named
    from benchmark.errors import BenchError
    from benchmark.leaderboard.paired import compare as paired
    from benchmark.leaderboard.selection import cells_of, differences
    from benchmark.registry import load_registry
    from benchmark.store import Store, default_store

    wanted = suite_named(load_registry(), suite)
    opened = Store(store or default_store())
    cells = [c for c in cells_of(wanted, opened.cells(), (first, second)) if not differences(wanted, c)]
    scores = {name: _scores(opened, [c for c in cells if c.defense == name]) for name in (first, second)}
    shared = [place for place in scores[first] if place in scores[second] and (not dataset or place[0] in dataset)]
    if not shared:
        known = ", ".join(sorted({cell.defense for cell in cells})) or "none"
        raise BenchError(
            f"'{first}' and '{second}' have no complete cell in common in suite '{suite}'", f"Measured there: {known}"
        )
    table = Table(title=f"{second} minus {first}, points ({suite} v{wanted.version})", box=None, header_style="bold")
    for column in ("dataset", "under", first, second, "difference (95 % interval)", "p", "seeds x examples"):
        table.add_column(column.replace("[", "\\["))
    for place in sorted(shared, key=lambda place: (place[0], place[1] != CLEAN, place[1])):
        found = paired(scores[first][place], scores[second][place])
        table.add_row(
            *place,
            f"{100 * found.first:.1f}",
            f"{100 * found.second:.1f}",
            f"{100 * found.difference:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})",
            f"{found.p_value:.4f}",
            f"{found.seeds} x {found.examples}",
        )
    Console().print(table)


def _scores(store: Store, cells: list[CellFile]) -> dict[tuple[str, str], Scores]:
    """By dataset and attack: seed to example to whether the defense was right."""
    from benchmark.errors import BadRecord
    from benchmark.leaderboard.metrics import ROBUST

    found: dict[tuple[str, str], dict[int, dict[str, bool]]] = {}
    for cell in cells:
        if not store.complete(cell):
            continue
        by_seed = found.setdefault((cell.dataset, cell.attack or CLEAN), {})
        if cell.seed in by_seed:
            raise BadRecord(
                f"two cells claim {cell.dataset} / {cell.defense} / {cell.attack or CLEAN} / seed {cell.seed}",
                "Remove the older one, or give a store that holds one run (--store)",
            )
        if cell.attack is None:
            by_seed[cell.seed] = {r.example_id: r.prediction == r.label for r in store.clean_records(cell)}
        else:
            by_seed[cell.seed] = {r.example_id: r.outcome in ROBUST for r in store.records(cell)}
    return {place: by_seed for place, by_seed in found.items()}
