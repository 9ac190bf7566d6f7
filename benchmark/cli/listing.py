"""``bench list``: what is registered, and by whom."""

from __future__ import annotations

from typing import Any

import typer


def list_items(
    kind: str = typer.Argument("", help="defense, attack, dataset, model or suite; nothing lists all."),
    defenses: bool = typer.Option(False, "--defenses", help="Heads, objectives, wrappers and complete defenses."),
    attacks: bool = typer.Option(False, "--attacks", help="Attacks only."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON for machines."),
) -> None:
    """List defenses, attacks, datasets, models and suites with the plugin each comes from.

    Defenses compose: a head, an objective and wrappers are joined by plus signs, such as HEAD+OBJECTIVE+WRAPPER;
    options stand in brackets, such as HEAD[OPTION=VALUE].
    """
    from benchmark.errors import UnknownName
    from benchmark.registry import KINDS, load_registry

    kind = kind or ("defense" if defenses else "attack" if attacks else "")
    singular = kind.removesuffix("s")
    if kind and singular not in KINDS:
        raise UnknownName("kind", kind, KINDS)
    registry = load_registry()
    rows: list[dict[str, Any]] = []
    for wanted in [singular] if kind else list(KINDS):
        for entry in registry.items(wanted):
            rows.append(
                {
                    "kind": wanted,
                    "name": entry.name,
                    "slot": type(entry.item).__name__.lower() if wanted == "defense" else "",
                    "about": getattr(entry.item, "about", ""),
                    **(_part(entry.item) if wanted == "defense" else {}),
                    "plugin": entry.plugin.name,
                    "distribution": entry.plugin.distribution,
                    "version": entry.plugin.version,
                }
            )
    problems = [{"plugin": str(p.plugin), "message": p.message} for p in registry.problems]
    if as_json:
        import json

        typer.echo(json.dumps({"items": rows, "problems": problems}, indent=1, sort_keys=True))
        return
    _print(rows, problems)


def _part(item: Any) -> dict[str, Any]:
    """What a part of a defense declares."""
    from benchmark.api import Wrapper

    options = {
        name: {"default": field.get_default(call_default_factory=True), "about": field.description or ""}
        for name, field in item.options.model_fields.items()
    }
    return {
        "needs": sorted(item.needs),
        "offers": sorted(getattr(item, "offers", ())),
        "randomised": isinstance(item, Wrapper) and item.randomised(item.options()),
        "paper": item.paper,
        "options": options,
    }


def _print(rows: list[dict[str, Any]], problems: list[dict[str, str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("kind", "name", "about", "plugin"):
        table.add_column(column)
    for row in rows:
        kind = f"{row['kind']} ({row['slot']})" if row["slot"] else row["kind"]
        origin = f"{row['plugin']} ({row['distribution']} {row['version']})"
        table.add_row(*(escape(cell) for cell in (kind, row["name"], row["about"], origin)))
    console.print(table)
    for problem in problems:
        console.print(f"[bold red]broken plugin[/] {escape(problem['plugin'])}: {escape(problem['message'])}")
