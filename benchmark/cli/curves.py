"""``bench curves``: accuracy under attack by query budget, from stored records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmark.leaderboard.curves import Curve, CurvePoint

UPPER_BOUND = "*"


def curves(
    suite: Annotated[str, typer.Option(help="A suite's name (bench list suites) or a TOML file.")] = "mini",
    defense: Annotated[list[str], typer.Option("--defense", "-d", help="Only this defense.")] = [],  # noqa: B006
    attack: Annotated[list[str], typer.Option("--attack", "-a", help="Only this attack.")] = [],  # noqa: B006
    dataset: Annotated[list[str], typer.Option("--dataset", help="Only this dataset.")] = [],  # noqa: B006
    store: Annotated[Path | None, typer.Option(help="Where records are kept (default: in the per-user cache).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines, with intervals.")] = False,
) -> None:
    """Show the accuracy under attack at 10 to 1000 logical queries an example. Nothing runs again.

    An example counts as broken at a budget where the attack needed at most that many queries.
    """
    import dataclasses
    import json

    from benchmark.choice import suite_named
    from benchmark.cli.selected import selected
    from benchmark.leaderboard.curves import curves_of
    from benchmark.registry import load_registry
    from benchmark.store import Store, default_store

    registry = load_registry()
    wanted = suite_named(registry, suite)
    found = curves_of(selected(registry, wanted, Store(store or default_store()), defense, attack, dataset))
    per_word = wanted.contract.queries_per_word
    if as_json:
        facts = {"suite": wanted.name, "version": wanted.version, "queries_per_word": per_word}
        typer.echo(json.dumps({**facts, "curves": [dataclasses.asdict(c) for c in found]}, indent=2, sort_keys=True))
        return
    _print(f"{wanted.name} v{wanted.version}", found, per_word)


def _print(suite: str, found: list[Curve], per_word: int | None) -> None:
    """A table a victim: budgets as columns, each value above its interval, so that it fits a terminal."""
    from itertools import groupby

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    console.print(
        f"Accuracy under attack by query budget, per cent with 95 % interval ({suite})", markup=False, highlight=False
    )
    for (dataset, defense, seed), group in groupby(found, key=lambda curve: (curve.dataset, curve.defense, curve.seed)):
        curves = list(group)
        title = escape(f"{dataset} · {defense} · seed {seed}")
        table = Table(box=None, header_style="bold", title=title, title_justify="left")
        table.add_column("attack", overflow="fold")
        for column in (*(str(point.budget) for point in curves[0].points), "n", "errors"):
            table.add_column(column, justify="right")
        for curve in curves:
            cells = [curve.attack, *map(_shown, curve.points), str(curve.examples), str(curve.errors)]
            table.add_row(*map(escape, cells))
        console.print(table)
    for line in _notes(found, per_word):
        console.print(line, markup=False, highlight=False)


def _notes(found: list[Curve], per_word: int | None) -> list[str]:
    lines = ["Budgets are logical queries an example; in the worst case every attack has the budget for itself."]
    if per_word is not None:
        lines.append(
            f"The contract gave each example {per_word} queries a word (queries_per_word). Beyond an example's own "
            f"budget the attack's success cannot rise; {UPPER_BOUND} marks values that are upper bounds because "
            "examples ran out of queries below that budget."
        )
    broken = sum(curve.errors > 0 for curve in found)
    if broken:
        lines.append(f"{broken} curve(s) have errors: those examples count as not robust at every budget.")
    return lines


def _shown(point: CurvePoint) -> str:
    share = point.accuracy
    if share is None:
        return "-"
    mark = UPPER_BOUND if point.cut else ""
    return f"{100 * share.value:.1f}{mark}\n{100 * share.low:.0f}-{100 * share.high:.0f}"
