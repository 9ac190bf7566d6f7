"""``bench flags``: signs of gradient masking, from stored records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def flags(
    suite: Annotated[str, typer.Option(help="A suite's name (bench list suites) or a TOML file.")] = "mini",
    defense: Annotated[list[str], typer.Option("--defense", "-d", help="Only this defense.")] = [],  # noqa: B006
    dataset: Annotated[list[str], typer.Option("--dataset", help="Only this dataset.")] = [],  # noqa: B006
    store: Annotated[Path | None, typer.Option(help="Where records are kept (default: in the per-user cache).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines, with the numbers.")] = False,
) -> None:
    """Show signs of gradient masking: a reason to look closer, never a verdict.

    Three are looked for: a black-box attack breaks significantly more than the strongest white-box one, most gradients
    are zero, and success does not grow with the query budget.
    """
    import dataclasses
    import json

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from benchmark.choice import suite_named
    from benchmark.cli.selected import selected
    from benchmark.leaderboard.curves import by_victim
    from benchmark.leaderboard.flags import access_of, flags_of
    from benchmark.registry import load_registry
    from benchmark.store import Store, default_store

    registry = load_registry()
    wanted = suite_named(registry, suite)
    attacked = selected(registry, wanted, Store(store or default_store()), defense, (), dataset)
    found, victims = flags_of(attacked), len(by_victim(attacked))
    unknown = sorted({str(cell.attack) for cell, _ in attacked if access_of(cell) is None})
    if as_json:
        facts = {
            "suite": wanted.name,
            "version": wanted.version,
            "victims": victims,
            "attacks_of_unknown_access": unknown,
        }
        typer.echo(json.dumps({**facts, "flags": [dataclasses.asdict(f) for f in found]}, indent=2, sort_keys=True))
        return
    console = Console()
    if found:
        table = Table(
            box=None, header_style="bold", title=f"Signs of gradient masking ({wanted.name} v{wanted.version})"
        )
        for column in ("dataset", "defense", "seed", "flag", "what was seen"):
            table.add_column(column, overflow="fold")
        for flag in found:
            table.add_row(*map(escape, [flag.dataset, flag.defense, str(flag.seed), flag.name, flag.sentence]))
        console.print(table)
    flagged = len({(f.dataset, f.model, f.defense, f.seed) for f in found})
    console.print(f"{flagged} of {victims} victims have a flag", markup=False, highlight=False)
    if unknown:
        line = f"These cells do not say what the attack sees, so it was not compared: {', '.join(unknown)}"
        console.print(line, markup=False, highlight=False)
