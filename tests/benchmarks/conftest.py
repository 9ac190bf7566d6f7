"""Fixtures of the benchmarks. They run in the tox environment ``bench`` and never with the tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from setting import Setting, make_settings
from sizes import PREFIX, Sizes, read_sizes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.timeout(0))  # a stock loop takes what it takes


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """What the figures depend on, and nothing that names the machine."""
    import platform
    from importlib.metadata import version

    kept = {name: machine_info.get(name) for name in ("machine", "system", "python_version")}
    cpu = machine_info.get("cpu") or {}
    machine_info.clear()
    machine_info |= kept
    machine_info["cpu"] = {name: cpu[name] for name in ("brand_raw", "count", "arch") if name in cpu}
    machine_info["libraries"] = {name: version(name) for name in ("textattack", "torch", "transformers", "numpy")}
    machine_info["libc"] = " ".join(platform.libc_ver())
    shown = {k: v for k, v in sorted(os.environ.items()) if k in {PREFIX + f.upper() for f in Sizes._fields}}
    machine_info["settings"] = shown
    machine_info["sizes"] = read_sizes()._asdict()


def pytest_benchmark_update_commit_info(config: pytest.Config, commit_info: dict[str, Any]) -> None:
    kept = {name: commit_info[name] for name in ("id", "time", "dirty") if name in commit_info}
    commit_info.clear()
    commit_info |= kept


@pytest.fixture(scope="session")
def sizes() -> Sizes:
    return read_sizes()


@pytest.fixture(scope="session")
def root() -> Path:
    """The user's cache: assets, and the victims that the benchmarks train."""
    from benchmark.assets.cache import cache_root

    return cache_root()


@pytest.fixture(scope="session")
def registry() -> Any:
    from benchmark.registry import load_registry

    return load_registry()


@pytest.fixture(scope="session")
def resources() -> Any:
    from benchmark import open_resources

    return open_resources(progress=False)


@pytest.fixture(scope="session")
def settings(
    registry: Any, resources: Any, sizes: Sizes, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Setting]:
    """By length. The victim is trained once a cache (some minutes), by a worker, as ``bench run`` does it."""
    from engine_runs import Engine

    found = make_settings(registry, resources, sizes, tmp_path_factory.mktemp("reviews"), root)
    cell = next(iter(found["short"].cells.values()))
    if not (root / "victims" / cell.victim.key).exists():
        with Engine(found["short"].suite, root, 1) as engine:
            engine.fit(cell)
    return found


@pytest.fixture(scope="session")
def outcomes() -> dict[tuple[str, str, str], Any]:
    """What each contender found: (length, recipe, contender) -> results."""
    return {}


@pytest.fixture
def fresh_cache(root: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes caches that share assets and victims with the user's, and nothing else."""
    from setting import SHARED, linked_cache

    made = iter(range(1_000_000))
    return lambda shared=SHARED: linked_cache(root, tmp_path / f"cache{next(made)}", shared)
