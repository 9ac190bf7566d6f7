"""``bench show``: the texts of one cell, original and adversarial side by side, changed words marked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.text import Text

    from benchmark.records import CellFile, ExampleRecord
    from benchmark.store import Store


def show(
    cell: str = typer.Argument(..., help="A cell: the start of its key, or DATASET/DEFENSE/ATTACK."),
    store: Path | None = typer.Option(None, "--store", help="The store to read (default: in the per-user cache)."),
    outcome: str = typer.Option("broken", help="Show examples with this outcome; 'all' shows every one."),
    limit: int = typer.Option(10, min=1, help="Most examples to show."),
) -> None:
    """Print original and adversarial texts side by side, with the changed words marked.

    Example: bench show rotten_tomatoes/mvp/textfooler
    """
    from benchmark.errors import BenchError, UnknownName
    from benchmark.records import Outcome
    from benchmark.store import Store, default_store

    if outcome != "all" and outcome not in list(Outcome):
        raise UnknownName("outcome", outcome, [*Outcome, "all"])
    opened = Store(store or default_store())
    found = _find(opened, cell)
    records = [r for r in opened.records(found) if outcome in ("all", r.outcome)]
    if not records:
        raise BenchError(f"cell {found.key} has no example with outcome '{outcome}'", "Try --outcome all")
    _print(found, records[:limit], len(records))


def _find(store: Store, wanted: str) -> CellFile:
    """One attack cell by key prefix or by dataset/defense/attack (the newest complete one when several match)."""
    from benchmark.errors import BenchError, UnknownName

    cells = [c for c in store.cells() if c.attack is not None]
    names = {c.key: f"{c.dataset}/{c.defense}/{c.attack}" for c in cells}
    matches = [c for c in cells if c.key.startswith(wanted) or names[c.key] == wanted]
    if not matches:
        raise UnknownName("stored cell", wanted, set(names.values()))
    if len({c.key for c in matches}) > 1:
        keys = ", ".join(sorted(f"{c.key} ({c.suite}, seed {c.seed})" for c in matches))
        raise BenchError(f"'{wanted}' is more than one cell: {keys}", "Give the key of one")
    return matches[0]


def _print(cell: CellFile, records: list[ExampleRecord], total: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{cell.dataset} · {cell.defense} · {cell.attack_display} · {cell.key}", show_lines=True)
    for column, ratio in (("outcome", 2), ("original", 7), ("adversarial", 7), ("measures", 4)):
        table.add_column(column, ratio=ratio, overflow="fold")
    for record in records:
        before, after = _marked(record.text, record.adversarial_text)
        label = f"{record.outcome}\n{record.label} → {record.adversarial_prediction}"
        measures = f"{record.perturbed_words} of {record.words} words\nsimilarity {record.similarity}\n"
        table.add_row(label, before, after, measures + f"{record.queries} queries\n{record.error or ''}")
    console = Console()
    console.print(table)
    console.print(f"{len(records)} of {total} examples; changed words are marked", markup=False, highlight=False)


def _marked(original: str, adversarial: str | None) -> tuple[Text, Text]:
    """Both texts with the words that differ in bold, underlined red and green (readable without colour too)."""
    import difflib
    import re

    from rich.text import Text

    before, after = Text(), Text()
    if adversarial is None:
        return Text(original), Text("-")
    left, right = re.findall(r"\s+|\S+", original), re.findall(r"\s+|\S+", adversarial)
    for tag, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        before.append("".join(left[a:b]), "" if tag == "equal" else "bold underline red")
        after.append("".join(right[c:d]), "" if tag == "equal" else "bold underline green")
    return before, after
