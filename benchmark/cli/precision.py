"""``bench precision``: what bf16 changes in the answers of fitted victims."""

from __future__ import annotations

from typing import Annotated

import typer


def precision(
    suite: Annotated[str, typer.Option(help="A suite's name (bench list suites) or a TOML file.")] = "mini",
    defense: Annotated[list[str], typer.Option("--defense", "-d", help="Only this defense.")] = [],  # noqa: B006
    dataset: Annotated[list[str], typer.Option("--dataset", help="Only this dataset.")] = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Compare bf16 with fp32 on the clean test rows: equal predictions, accuracy, difference of logits.

    Asks the checkpoints that a run made; a victim without one is fitted first. Nothing is stored but that. A suite asks
    for bf16 with inference.precision (see docs/performance.md).
    """
    import json

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from benchmark.agreement import agreements
    from benchmark.assets.cache import cache_root
    from benchmark.assets.store import AssetStore
    from benchmark.choice import selected, suite_named
    from benchmark.data.source import sources_of
    from benchmark.plan import assets_for, make_plan
    from benchmark.registry import load_registry
    from benchmark.suite import Inference

    registry = load_registry()
    wanted = selected(registry, suite_named(registry, suite), defense, (), dataset)
    wanted = wanted.model_copy(update={"inference": Inference(precision="bf16")})
    plan = make_plan(registry, wanted, sources_of(registry, wanted))
    console = Console()
    AssetStore(cache_root(), progress=console.is_terminal).ensure(assets_for(registry, wanted))
    found = agreements(plan, cache_root(), registry)
    if as_json:
        facts = {"suite": wanted.name, "suite_version": wanted.version, "victims": [a._asdict() for a in found]}
        typer.echo(json.dumps(facts, indent=1, sort_keys=True))
        return
    table = Table(title=f"bf16 against fp32, suite {wanted.name} v{wanted.version}", box=None, header_style="bold")
    for column in ("dataset", "defense", "seed", "equal predictions", "accuracy fp32", "bf16", "logits differ by"):
        table.add_column(column)
    for one in found:
        shares = [f"{100 * right / one.rows:.2f} %" for right in one.right.values()]
        equal = f"{one.equal} of {one.rows} ({100 * one.equal / one.rows:.2f} %)"
        gap = f"{one.mean:.4f} (mean), {one.largest:.4f} (most)"
        table.add_row(escape(one.dataset), escape(one.defense), str(one.seed), equal, *shares, gap)
    console.print(table)
