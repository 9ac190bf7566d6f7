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
    options stand in brackets, such as HEAD[OPTION=VALUE]. Beside an attack stands its state: faithful, variant (a part
    or an asset is replaced, see its card in --json) and fixed run; the others are listed with the reason.
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
                    "slot": _slot(wanted, entry.item),
                    "about": getattr(entry.item, "about", ""),
                    **_declared(wanted, entry.item),
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


def _slot(kind: str, item: Any) -> str:
    """What kind of a defense's part, or how an attack runs."""
    if kind == "defense":
        return type(item).__name__.lower()
    return str(item.state) if kind == "attack" else ""


def _declared(kind: str, item: Any) -> dict[str, Any]:
    """What a part of a defense or an attack declares; nothing for other kinds."""
    return _part(item) if kind == "defense" else _attack(item) if kind == "attack" else {}


def _options(item: Any) -> dict[str, Any]:
    return {
        name: {"default": field.get_default(call_default_factory=True), "about": field.description or ""}
        for name, field in item.options.model_fields.items()
    }


def _attack(item: Any) -> dict[str, Any]:
    return {
        "display": item.display,
        "family": str(item.family),
        "access": str(item.access),
        "state": str(item.state),
        "card": item.card,
        "missing": item.unavailable(item.options()),
        "tracks": sorted(item.tracks),
        "diagnostic": item.diagnostic,
        "needs": sorted(item.needs),
        "assets": sorted(asset.name for asset in item.assets),
        "models": sorted(item.models),
        "cost": item.cost,
        "paper": item.paper,
        "parameters": dict(item.parameters),
        "options": _options(item),
    }


def _part(item: Any) -> dict[str, Any]:
    """What a part of a defense declares."""
    from benchmark.api import Wrapper

    return {
        "needs": sorted(item.needs),
        "offers": sorted(getattr(item, "offers", ())),
        "randomised": isinstance(item, Wrapper) and item.randomised(item.options()),
        "paper": item.paper,
        "options": _options(item),
    }


def _print(rows: list[dict[str, Any]], problems: list[dict[str, str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns: tuple[str, ...]
    if rows and all(row["kind"] == "attack" for row in rows):
        columns = ("name", "state", "family", "access", "about", "plugin")
    else:
        columns = ("kind", "name", "about", "plugin")
    for column in columns:
        table.add_column(column)
    for row in rows:
        if "state" in columns:
            shown = {**row, "plugin": f"{row['distribution']} {row['version']}"}
            table.add_row(*(escape(shown[column]) for column in columns))
            continue
        kind = f"{row['kind']} ({row['slot']})" if row["slot"] else row["kind"]
        origin = f"{row['plugin']} ({row['distribution']} {row['version']})"
        table.add_row(*(escape(cell) for cell in (kind, row["name"], row["about"], origin)))
    console.print(table)
    for problem in problems:
        console.print(f"[bold red]broken plugin[/] {escape(problem['plugin'])}: {escape(problem['message'])}")
