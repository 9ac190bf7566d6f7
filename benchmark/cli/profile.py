"""``bench profile``: where the time of one cell goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.plan import CellPlan, Plan
    from benchmark.profile import Profile

MEANINGS = {
    "victim": "texts to logits: pieces, forward passes, wrappers",
    "sentence encoder": "texts to vectors, cached ones too",
    "language model": "proposals of masked or causal models",
    "tagging": "parts of speech",
    "search": "everything else: the attack library, the contract, the harness",
}


def profile(
    suite: Annotated[str, typer.Option(help="A suite's name (bench list suites) or a TOML file.")] = "mini",
    defense: Annotated[
        list[str], typer.Option("--defense", "-d", help="The defense; one of the suite's or another.")
    ] = [],  # noqa: B006
    attack: Annotated[list[str], typer.Option("--attack", "-a", help="The attack.")] = [],  # noqa: B006
    dataset: Annotated[list[str], typer.Option("--dataset", help="The dataset, where the suite has several.")] = [],  # noqa: B006
    limit: Annotated[int, typer.Option(min=1, help="Attack the first N examples of the sample.")] = 20,
    options: Annotated[list[str], typer.Option("--set", help="As for bench run.")] = [],  # noqa: B006
    concurrency: Annotated[int, typer.Option(min=1, help="Examples attacked side by side.")] = 16,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps, or auto.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Run one cell in this process and show where its time went. No record is stored.

    The floor is the time in which the bare network, on full batches, would compute the distinct tokens that the victim
    was asked about. A victim without a checkpoint is fitted first. Meanings of all figures: docs/performance.md.
    """
    import dataclasses
    import json
    import sys

    from rich.console import Console

    from benchmark.assets.cache import cache_root
    from benchmark.assets.store import AssetStore
    from benchmark.attacking import Execution
    from benchmark.choice import selected, suite_named
    from benchmark.cli.run import with_set
    from benchmark.data.source import sources_of
    from benchmark.devices import resolve
    from benchmark.plan import assets_for, make_plan
    from benchmark.profile import profile as profiled
    from benchmark.registry import load_registry

    resolve(device)
    registry = load_registry()
    wanted = with_set(selected(registry, suite_named(registry, suite), defense, attack, dataset), options)
    plan = make_plan(registry, wanted, sources_of(registry, wanted), limit)
    cell = only(plan)
    told = Console(stderr=True)
    AssetStore(cache_root(), progress=sys.stderr.isatty()).ensure(assets_for(registry, wanted))
    with told.status("") as status:
        found = profiled(cell, wanted, cache_root(), registry, Execution(concurrency, None, device), status.update)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(found), indent=1, sort_keys=True))
    else:
        show(Console(), found)


def only(plan: Plan) -> CellPlan:
    """The one attack cell that was chosen. Raises BadOptions for several, NotApplicable for one that cannot run."""
    from benchmark.cli.progress import title
    from benchmark.errors import BadOptions, NotApplicable

    cells = [cell for cell in plan.cells if cell.attack is not None]
    if len(cells) != 1:
        raise BadOptions(
            f"{len(cells)} cells were chosen, a profile is of one ({', '.join(map(title, cells[:3]))}, ...)",
            "Name one each with --defense, --attack and --dataset",
        )
    if cells[0].reason is not None:
        raise NotApplicable(f"{title(cells[0])} is not applicable: {cells[0].reason}", "Choose another cell")
    return cells[0]


def show(console: Console, found: Profile) -> None:
    from rich.markup import escape
    from rich.table import Table

    outcomes = ", ".join(f"{number} {name}" for name, number in found.outcomes.items())
    console.print(
        f"{found.cell}: {found.examples} examples ({outcomes}), {found.concurrency} side by side on {found.device} in "
        f"{found.precision}",
        markup=False,
        highlight=False,
    )
    table = Table(box=None, header_style="bold")
    for column in ("part", "seconds", "share", "calls", "items", "what"):
        table.add_column(column, justify="left" if column in ("part", "what") else "right")
    for name, part in sorted(found.parts.items(), key=lambda entry: -entry[1].seconds):
        share = f"{100 * part.seconds / found.work:.1f} %" if found.work else ""
        cells = (f"{part.seconds:.2f}", share, str(part.calls), str(part.items or ""))
        table.add_row(escape(name), *cells, MEANINGS.get(name, "a tool of the attack"))
    console.print(table)
    for line in _lines(found):
        console.print(line, markup=False, highlight=False)


def _lines(found: Profile) -> list[str]:
    values = found.derived
    lines = [
        f"wall {found.wall:.2f} s = work {found.work:.2f} s + waiting for a core {values['waiting_seconds']:.2f} s",
        f"texts: {found.queries} queried by the attack, {found.texts} asked of the victim, the harness's checks among "
        f"them; caches saved {_percent(values['saved_by_caches'])}",
    ]
    if found.rate is None:
        return [*lines, "the victim's network was not seen: no tokens, no floor"]
    return [
        *lines,
        f"rows: {found.rows} in {found.batches} batches, {found.rows / found.batches:.1f} each "
        f"(fill {_percent(values['batch_fill'])} of {found.batch_rows})",
        f"tokens: {found.tokens}, {values['tokens_per_second']:.0f} a second in the victim, padding "
        f"{_percent(values['padding_waste'])}; {found.distinct_tokens} distinct",
        f"floor: {values['floor_seconds']:.2f} s ({found.rate:.0f} tokens a second, bare network); work is "
        f"{values['work_over_floor']:.2f} times the floor",
    ]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"
