"""The table at the end of a run: the same metrics as the page, from the same records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.leaderboard.table import Row, Table
    from benchmark.plan import Plan
    from benchmark.store import Store


MOST_COLUMNS = 6
"""Attacks that fit side by side on a terminal."""


def summary_table(plan: Plan, store: Store) -> Table:
    """Rows of the plan's complete cells, each dataset with the examples that this plan attacks."""
    from benchmark.leaderboard.evidence import make_evidence
    from benchmark.leaderboard.table import build_table

    planned = [cell for cell in plan.ready if store.is_complete(cell.key)]
    samples = {cell.victim.dataset: cell.ids for cell in plan.cells if cell.attack}
    datasets = {
        name: use.model_copy(update={"sample": samples.get(name, use.sample)})
        for name, use in plan.suite.datasets.items()
    }
    keys = {cell.key for cell in planned}
    stored = [cell for cell in store.cells() if cell.key in keys]
    evidence = make_evidence(
        stored,
        {cell.key: store.records(cell) for cell in stored if cell.attack is not None},
        {cell.key: store.clean_records(cell) for cell in stored if cell.attack is None},
    )
    return build_table(plan.suite.model_copy(update={"datasets": datasets}), evidence)


def print_summary(console: Console, plan: Plan, store: Store) -> None:
    """Print accuracies in per cent; a value that was not measured is a dash, never a zero."""
    from rich.markup import escape
    from rich.table import Table as RichTable

    table = summary_table(plan, store)
    if not table.rows:
        return
    attacks = list(plan.suite.attacks)
    hidden = len(attacks) > MOST_COLUMNS
    attacks = [] if hidden else attacks
    shown = RichTable(box=None, header_style="bold", title=f"{plan.suite.name} v{plan.suite.version}")
    for column in ("dataset", "defense", "seed", "clean", *attacks, "worst case (95 % interval)"):
        shown.add_column(column, justify="left" if column in ("dataset", "defense") else "right")
    for row in table.rows:
        cells = [row.dataset, row.defense, str(row.seed), _percent(row.clean)]
        cells += [_percent(row.attacks[a].accuracy) if a in row.attacks else "-" for a in attacks]
        shown.add_row(*map(escape, [*cells, _worst(row)]))
    console.print(shown)
    if hidden:
        line = f"{len(plan.suite.attacks)} attacks: bench attacks, with the same options, shows each"
        console.print(line, markup=False, highlight=False)


def _percent(share: Any) -> str:
    return "-" if share is None else f"{100 * share.value:.1f}"


def _worst(row: Row) -> str:
    worst = row.worst_case
    if worst is None:
        return "-"
    return f"{100 * worst.value:.1f} ({100 * worst.low:.1f}-{100 * worst.high:.1f}), n={worst.n}"
