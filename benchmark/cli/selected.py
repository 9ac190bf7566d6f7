"""The attack cells a command reads: those of the suite's page, filtered by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.records import CellFile, ExampleRecord
    from benchmark.registry import Registry
    from benchmark.store import Store
    from benchmark.suite import Suite


def selected(
    registry: Registry,
    suite: Suite,
    store: Store,
    defenses: Sequence[str] = (),
    attacks: Sequence[str] = (),
    datasets: Sequence[str] = (),
) -> list[tuple[CellFile, list[ExampleRecord]]]:
    """Complete attack cells measured under the suite's conditions, with their records.

    Named defenses and attacks need not be the suite's own. Raises UnknownName for a name nothing was measured of, and
    NothingToPublish for a store without a cell of the suite.
    """
    from benchmark.cli.leaderboard import prescribed
    from benchmark.errors import UnknownName
    from benchmark.leaderboard.selection import select

    update = {
        "defenses": tuple(dict.fromkeys((*suite.defenses, *defenses))),
        "attacks": tuple(dict.fromkeys((*suite.attacks, *attacks))),
    }
    cells = [c for c in select(suite.model_copy(update=update), store, prescribed(registry, suite)) if c.attack]
    for kind, names in (("defense", defenses), ("attack", attacks), ("dataset", datasets)):
        known = {str(getattr(cell, kind)) for cell in cells}
        for name in names:
            if name not in known:
                raise UnknownName(f"measured {kind}", name, known)
        cells = [cell for cell in cells if not names or getattr(cell, kind) in names]
    return [(cell, store.records(cell)) for cell in cells]
