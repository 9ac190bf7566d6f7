"""Fixtures shared by all tests: private cache and store, plugins on the path of a child process, the bench command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of its own, also for child processes."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_STORE", raising=False)
    return tmp_path / "cache"


def write_plugin(folder: Path, name: str, source: str, version: str = "1.0") -> Path:
    """An installed distribution as Python sees it: a module and its metadata, found through ``PYTHONPATH``."""
    module = name.replace("-", "_")
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[nlp_robustness_bench]\n{name} = {module}\n")
    return folder


@pytest.fixture
def bench(private_cache: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the real command in a process of its own: ``bench("run", "--suite", "smoke", plugins=folder)``."""

    def call(
        *arguments: str, plugins: Path | None = None, env: dict[str, str] | None = None, timeout: float = 240
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "benchmark.cli.main", *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=tmp_path,
            env=child_environment(private_cache, plugins) | (env or {}),
        )

    return call


def child_environment(cache: Path, plugins: Path | None = None) -> dict[str, str]:
    """The environment of a child: its own cache, a fixed width, and the plugins' folder on the path."""
    paths = [str(plugins)] if plugins else []
    if os.environ.get("PYTHONPATH"):
        paths.append(os.environ["PYTHONPATH"])
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("BENCH_")}
    return inherited | {"BENCH_CACHE": str(cache), "COLUMNS": "200", "PYTHONPATH": os.pathsep.join(paths)}


SWAP_ATTACK = '''
"""A small real attack: swap two inner letters of one word after another, keep what lowers the gold logit."""
from benchmark import Attack, hookimpl


class Swap:
    def attack(self, victim, example, seed):
        words, best = example.text.split(" "), None
        score = victim.logits([example.text])[0][example.label]
        for i, word in enumerate(words):
            if len(word) < 4:
                continue
            tries = [" ".join(words[:i] + [word[:j] + word[j + 1] + word[j] + word[j + 2:]] + words[i + 1:])
                     for j in range(1, len(word) - 2)]
            for text, logits in zip(tries, victim.logits(tries)):
                if logits.argmax() != example.label:
                    return text
                if logits[example.label] < score:
                    score, best = logits[example.label], text
            if best is not None:
                words, best = best.split(" "), None
        return None


@hookimpl
def register_attacks(register):
    register(Attack(name="letterswap", display="letterswap", build=lambda o, r, c, t: Swap(), about="swaps letters"))
'''


@pytest.fixture
def swap_plugin(tmp_path: Path) -> Path:
    """A folder for ``PYTHONPATH`` that holds the distribution ``bench-letterswap`` with the attack ``letterswap``."""
    return write_plugin(tmp_path / "plugins", "bench-letterswap", SWAP_ATTACK)
