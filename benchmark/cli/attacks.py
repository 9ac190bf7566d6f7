"""``bench attacks``: how the attacks of a run did, from stored records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def attacks(
    suite: Annotated[str, typer.Option(help="A suite's name (bench list suites) or a TOML file.")] = "mini",
    attack: Annotated[
        list[str], typer.Option("--attack", "-a", help="Only this attack; all means every one that can run.")
    ] = [],  # noqa: B006
    defense: Annotated[list[str], typer.Option("--defense", "-d", help="Only this defense.")] = [],  # noqa: B006
    dataset: Annotated[list[str], typer.Option("--dataset", help="Only this dataset.")] = [],  # noqa: B006
    limit: Annotated[int | None, typer.Option(min=1, help="The --limit that the run had.")] = None,
    store: Annotated[Path | None, typer.Option(help="Where records are kept (default: in the per-user cache).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines, with intervals.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a markdown table.")] = False,
) -> None:
    """Compare attacks by success, queries, words changed, similarity, invalid texts and seconds an example.

    Reads what `bench run` with the same --suite, -a, -d, --dataset and --limit has stored; runs nothing.
    """
    import dataclasses
    import json

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from benchmark.choice import selected, suite_named
    from benchmark.data.source import sources_of
    from benchmark.errors import BenchError
    from benchmark.leaderboard.by_attack import COLUMNS, as_cells, as_markdown, rows_of
    from benchmark.plan import make_plan
    from benchmark.registry import load_registry
    from benchmark.store import Store, default_store

    registry = load_registry()
    wanted = selected(registry, suite_named(registry, suite), defense, attack, dataset)
    plan = make_plan(registry, wanted, sources_of(registry, wanted), limit)
    opened = Store(store or default_store())
    planned = [cell for cell in plan.ready if cell.attack is not None]
    complete = [cell for cell in planned if opened.is_complete(cell.key)]
    if not complete:
        raise BenchError(
            f"none of the {len(planned)} attack cells of this selection is complete in {opened.root}",
            "Run `bench run` with the same options first",
        )
    rows = rows_of([(cell.file, opened.records(cell.file)) for cell in complete])
    if as_json:
        facts = {"suite": wanted.name, "version": wanted.version, "planned": len(planned), "complete": len(complete)}
        shown = [dataclasses.asdict(row) for row in rows]
        typer.echo(json.dumps({**facts, "attacks": shown}, indent=2, sort_keys=True))
        return
    if markdown:
        typer.echo(as_markdown(rows), nl=False)
        return
    table = Table(box=None, header_style="bold", title=f"attacks, {wanted.name} v{wanted.version}")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "attack" else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, as_cells(row)))
    console = Console()
    console.print(table)
    if len(complete) < len(planned):
        console.print(f"{len(planned) - len(complete)} of {len(planned)} cells are not complete and not counted")
