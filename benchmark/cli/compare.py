"""``bench compare``: two defenses of one suite, paired by example and seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmark.leaderboard.paired import Comparison, Scores
    from benchmark.records import CellFile
    from benchmark.store import Store

    Places = dict[tuple[str, str], Scores]
    """By dataset and attack."""

CLEAN = "clean"
WORST = "worst case"


def compare(
    first: Annotated[str, typer.Argument(help="A defense as in the records, such as HEAD+OBJECTIVE.")],
    second: Annotated[str, typer.Argument(help="The other one; the difference is second minus first.")],
    suite: Annotated[str, typer.Option(help="Suite whose records are compared.")] = "mini",
    dataset: Annotated[list[str], typer.Option("--dataset", help="Only this dataset.")] = [],  # noqa: B006
    seed: Annotated[list[int], typer.Option("--seed", help="Only this seed (default: all).")] = [],  # noqa: B006
    store: Annotated[Path | None, typer.Option(help="Where records are kept (default: in the per-user cache).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Compare two defenses on the examples they share: clean, under each attack, and in the worst case over them.

    The difference has a bootstrap interval over examples (and seeds, where there are several), won : lost are the
    examples that decide, with their odds ratio. p exact is McNemar's (over several seeds: exact sign-flip) of the
    models as trained; p also allows for other seeds; p (Holm) is corrected for all lines printed.

    Example: bench compare mlp mvp --dataset trec
    """
    from benchmark.choice import suite_named
    from benchmark.errors import BenchError, UnknownName
    from benchmark.leaderboard.paired import compare as paired
    from benchmark.leaderboard.paired import corrected
    from benchmark.leaderboard.selection import cells_of, differences
    from benchmark.registry import load_registry
    from benchmark.store import Store, default_store

    wanted = suite_named(load_registry(), suite)
    opened = Store(store or default_store())
    cells = [c for c in cells_of(wanted, opened.cells(), (first, second)) if not differences(wanted, c)]
    measured = {cell.dataset for cell in cells}
    for name in dataset:
        if name not in measured:
            raise UnknownName("measured dataset", name, measured)
    chosen = [c for c in cells if (not dataset or c.dataset in dataset) and (not seed or c.seed in seed)]
    scores = {name: _scores(opened, [c for c in chosen if c.defense == name]) for name in (first, second)}
    shared = [place for place in scores[first] if place in scores[second]]
    if not shared:
        known = ", ".join(sorted({cell.defense for cell in cells})) or "none"
        raise BenchError(
            f"'{first}' and '{second}' have no complete cell in common in suite '{suite}'", f"Measured there: {known}"
        )
    for name in (first, second):
        scores[name] |= _worst(scores[name], wanted.attacks)
    places = sorted(
        (place for place in scores[first] if place in scores[second]),
        key=lambda place: (place[0], place[1] != CLEAN, place[1] == WORST, place[1]),
    )
    found = corrected([paired(scores[first][place], scores[second][place]) for place in places])
    if as_json:
        _print_json(f"{wanted.name} v{wanted.version}", first, second, places, found)
    else:
        _print(f"{wanted.name} v{wanted.version}", first, second, places, found)


def _worst(scores: Places, attacks: Sequence[str]) -> Places:
    """The worst case on each dataset where every attack of the suite was measured."""
    from benchmark.leaderboard.paired import worst_of

    found: Places = {}
    for dataset in sorted({place[0] for place in scores}):
        given = [scores[dataset, attack] for attack in attacks if (dataset, attack) in scores]
        if len(attacks) > 1 and len(given) == len(attacks):
            found[dataset, WORST] = worst_of(given)
    return found


def _print(suite: str, first: str, second: str, places: Sequence[tuple[str, str]], found: Sequence[Comparison]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(f"{second} minus {first}, points ({suite})"), box=None, header_style="bold")
    columns = (
        "dataset",
        "under",
        first,
        second,
        "difference (95 %)",
        "won : lost",
        "odds ratio (95 %)",
        "p exact",
        "p",
    )
    for column in (*columns, "p (Holm)", "seeds x examples"):
        table.add_column(escape(column))
    for place, comparison in zip(places, found, strict=True):
        table.add_row(*map(escape, (*place, *_cells(comparison))))
    Console().print(table)


def _cells(found: Comparison) -> list[str]:
    def odds(value: float | None) -> str:
        return "inf" if value is None else f"{value:.2f}"

    ratio = f"{odds(found.odds)} ({odds(found.odds_low)} to {odds(found.odds_high)})" if found.won + found.lost else "-"
    return [
        f"{100 * found.first:.1f}",
        f"{100 * found.second:.1f}",
        f"{100 * found.difference:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})",
        f"{found.won} : {found.lost}",
        ratio,
        f"{found.p_exact:.4f}",
        f"{found.p_value:.4f}",
        f"{found.p_adjusted:.4f}",
        f"{found.seeds} x {found.examples}",
    ]


def _print_json(
    suite: str, first: str, second: str, places: Sequence[tuple[str, str]], found: Sequence[Comparison]
) -> None:
    import json
    from dataclasses import asdict

    lines = [
        {"dataset": place[0], "under": place[1], **asdict(comparison)}
        for place, comparison in zip(places, found, strict=True)
    ]
    facts = {"suite": suite, "first": first, "second": second, "comparisons": lines}
    typer.echo(json.dumps(facts, indent=2, sort_keys=True))


def _scores(store: Store, cells: list[CellFile]) -> Places:
    """By dataset and attack: seed to example to whether the defense was right."""
    from benchmark.errors import BadRecord
    from benchmark.leaderboard.metrics import ROBUST

    found: dict[tuple[str, str], dict[int, dict[str, bool]]] = {}
    for cell in cells:
        if not store.complete(cell):
            continue
        by_seed = found.setdefault((cell.dataset, cell.attack or CLEAN), {})
        if cell.seed in by_seed:
            raise BadRecord(
                f"two cells claim {cell.dataset} / {cell.defense} / {cell.attack or CLEAN} / seed {cell.seed}",
                "Remove the older one, or give a store that holds one run (--store)",
            )
        if cell.attack is None:
            by_seed[cell.seed] = {r.example_id: r.prediction == r.label for r in store.clean_records(cell)}
        else:
            by_seed[cell.seed] = {r.example_id: r.outcome in ROBUST for r in store.records(cell)}
    return {place: by_seed for place, by_seed in found.items()}
