"""``bench doctor``: what this machine has, what is missing, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from benchmark.api import Asset
    from benchmark.assets.store import AssetStore
    from benchmark.registry import Registry

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "textattack", "spacy", "pypi-simple", "pluggy")
"""Distributions whose versions matter; read from their metadata, none is imported."""


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``state`` is ok, note (worth knowing) or bad (something needed is missing)."""

    topic: str
    name: str
    state: str
    detail: str
    hint: str = ""


def doctor(
    suite: str = typer.Option("", "--suite", "-s", help="Only the assets of this suite (name or file)."),
    network: bool = typer.Option(True, "--network/--no-network", help="Ask the package index whether it answers."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON for machines."),
) -> None:
    """Check versions, plugins, cache, assets and package index. Exit code 1 when something needed is missing."""
    from benchmark.assets.cache import cache_root
    from benchmark.assets.store import AssetStore
    from benchmark.choice import suite_named
    from benchmark.plan import assets_for
    from benchmark.registry import load_registry

    registry = load_registry()
    root = cache_root()
    store = AssetStore(root, progress=False)
    assets = assets_for(registry, suite_named(registry, suite)) if suite else registry.assets()
    found = [*_versions(), *_plugins(registry), *_cache(root, store, assets), *_assets(store, assets)]
    if network:
        found.append(_index(store, assets))
    healthy = all(finding.state != "bad" for finding in found)
    if as_json:
        import json

        typer.echo(json.dumps({"ok": healthy, "findings": [asdict(f) for f in found]}, indent=1, sort_keys=True))
    else:
        _print(found, healthy)
    if not healthy:
        raise typer.Exit(1)


def _versions() -> list[Finding]:
    import platform
    import sys
    from importlib.metadata import PackageNotFoundError, version

    from benchmark import __version__

    supported = sys.version_info >= (3, 11)
    found = [
        Finding("version", "nlp-robustness-bench", "ok", __version__),
        Finding(
            "version",
            "python",
            "ok" if supported else "bad",
            f"{platform.python_version()} on {platform.system()} {platform.machine()}",
            "" if supported else "Python 3.11 or newer is needed",
        ),
    ]
    for package in PACKAGES:
        try:
            found.append(Finding("version", package, "ok", version(package)))
        except PackageNotFoundError:
            hint = "Install nlp-robustness-bench again, with its constraints file"
            found.append(Finding("version", package, "bad", "not installed", hint))
    return found


def _plugins(registry: Registry) -> list[Finding]:
    from benchmark.registry import KINDS

    sound: dict[str, int] = {}
    for kind in KINDS:
        for entry in registry.items(kind):
            sound[str(entry.plugin)] = sound.get(str(entry.plugin), 0) + 1
    found = [Finding("plugin", name, "ok", f"{count} items") for name, count in sorted(sound.items())]
    hint = "Repair or uninstall it, or run with --skip-broken"
    return found + [Finding("plugin", str(p.plugin), "bad", p.message, hint) for p in registry.problems]


def _cache(root: Path, store: AssetStore, assets: list[Asset]) -> list[Finding]:
    import shutil

    from benchmark.assets.cache import check_writable
    from benchmark.errors import StoreError

    try:
        check_writable(root)
    except StoreError as problem:
        return [Finding("cache", "folder", "bad", problem.message, problem.hint)]
    free = shutil.disk_usage(root).free
    missing = sum(asset.size for asset in assets if not store.present(asset))
    # Archives, what is extracted from them (up to four times as much) and a partial download.
    enough = free > 5 * missing
    return [
        Finding("cache", "folder", "ok", f"{root} can be written"),
        Finding(
            "cache",
            "free space",
            "ok" if enough else "bad",
            f"{free / 1e9:.1f} GB, still to fetch: {missing / 1e6:.0f} MB",
            "" if enough else "Free some space, or set BENCH_CACHE to a folder on a larger disk",
        ),
    ]


def _assets(store: AssetStore, assets: list[Asset]) -> list[Finding]:
    found = []
    for asset in assets:
        size = f"{asset.size / 1e6:.1f} MB"
        if store.intact(asset):
            found.append(Finding("asset", asset.name, "ok", f"{asset.filename}, {size}"))
        else:
            what = "damaged" if store.archive(asset).exists() else "missing"
            found.append(Finding("asset", asset.name, "bad", f"{what}: {asset.filename}, {size}", "Run `bench fetch`"))
    return found


def _index(store: AssetStore, assets: list[Asset]) -> Finding:
    """The index matters only while something is missing: a machine with a full cache may be offline."""
    from benchmark.assets.fetch import answers
    from benchmark.assets.index import find_index

    missing = [asset for asset in assets if not store.intact(asset)]
    if store.offline:
        return Finding("index", "package index", "note", "not asked: BENCH_OFFLINE is set")
    if not assets:
        return Finding("index", "package index", "note", "not asked: no plugin needs an asset")
    reached, detail = answers(find_index(), (missing or assets)[0].distribution)
    if reached:
        return Finding("index", "package index", "ok", f"{detail} answers")
    hint = "Check the network, proxy and PIP_INDEX_URL; with a full cache none of them is needed"
    return Finding("index", "package index", "bad" if missing else "note", detail, hint)


def _print(found: list[Finding], healthy: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    marks = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "bad": "[bold red]bad[/]"}
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("topic", "name", "state", "detail"):
        table.add_column(column, overflow="fold")
    for finding in found:
        detail = f"{finding.detail}. {finding.hint}" if finding.hint else finding.detail
        table.add_row(finding.topic, escape(finding.name), marks[finding.state], escape(detail))
    console.print(table)
    bad = sum(finding.state == "bad" for finding in found)
    console.print("Everything needed is here." if healthy else f"{bad} things to mend.", highlight=False)
