"""The end of ``bench run --cascade``: the worst case of each victim, and what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.plan import CellPlan, Plan
    from benchmark.store import Store


def print_worst_cases(console: Console, plan: Plan, store: Store) -> None:
    """A row a victim; a worst case that still hangs on a missing record is a dash."""
    from rich.markup import escape
    from rich.table import Table

    from benchmark.leaderboard.metrics import by_example, worst_case_accuracy

    table = Table(box=None, header_style="bold", title=f"worst case, {plan.suite.name} v{plan.suite.version}")
    for column in ("dataset", "defense", "seed", "worst case (95 % interval)", "n", "attacked", "logical queries"):
        table.add_column(column, justify="left" if column in ("dataset", "defense") else "right")
    victims: dict[str, list[CellPlan]] = {}
    for cell in plan.ready:
        if cell.attack is not None:
            victims.setdefault(cell.victim.key, []).append(cell)
    for cells in victims.values():
        records = {str(cell.attack): store.records(cell.file) for cell in cells}
        sample = list(dict.fromkeys(i for cell in cells for i in cell.ids))
        worst = worst_case_accuracy(sample, {name: by_example(found) for name, found in records.items()})
        shown = "-" if worst is None else f"{100 * worst.value:.1f} ({100 * worst.low:.1f}-{100 * worst.high:.1f})"
        asked = sum(record.queries for found in records.values() for record in found)
        count = sum(len(found) for found in records.values())
        victim = cells[0].victim
        row = (victim.dataset, victim.defense, str(victim.seed), shown, str(len(sample)), str(count), str(asked))
        table.add_row(*map(escape, row))
    console.print(table)
