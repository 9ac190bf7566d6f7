"""Training, leaderboard, registry and start-up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_runs import Engine
from setting import SHARED, Setting
from sizes import Sizes

START_ROUNDS = 10


@pytest.mark.parametrize("head", ["mlp"])
def test_training(
    benchmark: Any,
    head: str,
    settings: dict[str, Setting],
    sizes: Sizes,
    registry: Any,
    fresh_cache: Callable[..., Any],
) -> None:
    """``mlp+clean`` on MiniLM, one worker of one thread, as ``bench run`` fits it."""
    from setting import cell_of

    setting = settings["short"]
    (dataset,) = setting.suite.datasets.values()
    changed = dataset.model_copy(update={"train_rows": sizes.train_rows})
    suite = setting.suite.model_copy(update={"datasets": dict.fromkeys(setting.suite.datasets, changed)})
    cell = cell_of(registry, suite, "deepwordbug")
    logs: list[dict[str, Any]] = []

    def begin() -> tuple[tuple[Engine], dict[str, Any]]:
        shared = tuple(name for name in SHARED if name not in ("victims", "probes"))
        return (Engine(suite, fresh_cache(shared), 1).__enter__(),), {}

    def fit(engine: Engine) -> None:
        logs.append(engine.fit(cell))

    benchmark.group = "training"
    benchmark.pedantic(fit, setup=begin, teardown=lambda engine: engine.__exit__(None, None, None), rounds=sizes.rounds)
    logged = [log["training"] for log in logs]
    rates = sorted(log["tokens"] / log["seconds"] for log in logged)
    benchmark.extra_info |= {
        "kind": "training", "head": head, "train_rows": sizes.train_rows, "tokens": logged[-1]["tokens"],
        "tokens_per_second": round(rates[len(rates) // 2]), "tokens_per_second_all": [round(rate) for rate in rates],
        "precision": logged[-1]["precision"], "threads": logged[-1]["threads"],
        "best_validation_accuracy": logged[-1]["best_validation_accuracy"],
    }  # fmt: skip


# --- leaderboard ----------------------------------------------------------------------------------------------------

DEFENSES, ATTACKS = 20, 10


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, sizes: Sizes) -> Any:
    """A store of synthetic records, and its suite."""
    from records import fill

    return fill(tmp_path_factory.mktemp("store"), DEFENSES, ATTACKS, sizes.records // (DEFENSES * ATTACKS))


def test_publish(benchmark: Any, filled: Any, tmp_path: Path, sizes: Sizes) -> None:
    from benchmark.leaderboard.publish import publish

    suite, store, number = filled
    made = iter(range(1_000_000))
    benchmark.group = "leaderboard"
    benchmark.extra_info |= {"kind": "leaderboard", "records": number}
    benchmark.pedantic(lambda: publish(suite, store, tmp_path / str(next(made))), rounds=sizes.rounds)


def test_check(benchmark: Any, filled: Any, tmp_path: Path, sizes: Sizes) -> None:
    from benchmark.leaderboard.check import check
    from benchmark.leaderboard.publish import publish

    suite, store, number = filled
    publish(suite, store, tmp_path)
    benchmark.group = "leaderboard"
    benchmark.extra_info |= {"kind": "leaderboard", "records": number}
    assert benchmark.pedantic(lambda: check(tmp_path), rounds=sizes.rounds) == []


# --- registry and start-up ------------------------------------------------------------------------------------------

PLUGIN = """
from benchmark import Attack, hookimpl


class Nothing:
    def attack(self, victim, example, seed):
        return None


@hookimpl
def register_attacks(register):
    register(Attack(name="{name}", display="{name}", build=lambda o, r, c, t: Nothing(), about="does nothing"))
"""


def write_plugin(folder: Path, name: str) -> None:
    """An installed distribution as Python sees it: a module and its metadata."""
    module = name.replace("-", "_")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text(PLUGIN.format(name=name), encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[nlp_robustness_bench]\n{name} = {module}\n", encoding="utf-8")


def called(arguments: list[str], plugins: Path | None = None) -> str:
    paths = [str(plugins)] if plugins else []
    paths += [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


COUNT = "from benchmark.registry import load_registry as f; r = f(); print(len(r.items('attack')), len(r.problems))"


@pytest.mark.parametrize("number", ["none", "many"])
def test_registry(benchmark: Any, number: str, tmp_path: Path, sizes: Sizes) -> None:
    """A process that loads the registry, without and with many foreign plugins."""
    plugins = sizes.plugins if number == "many" else 0
    folder = tmp_path / "plugins"
    folder.mkdir()
    for n in range(plugins):
        write_plugin(folder, f"bench-speed-{n:03}")
    own = int(called(["-c", COUNT]).split()[0])
    benchmark.group = "registry"
    benchmark.extra_info |= {"kind": "registry", "plugins": plugins}
    found = benchmark.pedantic(lambda: called(["-c", COUNT], folder), rounds=START_ROUNDS, warmup_rounds=1)
    assert found.split() == [str(own + plugins), "0"]


@pytest.mark.parametrize("command", ["--help", "list", "list attacks"])
def test_start_up(benchmark: Any, command: str) -> None:
    benchmark.group = "start-up"
    benchmark.extra_info |= {"kind": "start-up", "command": f"bench {command}"}
    arguments = ["-m", "benchmark.cli.main", *command.split()]
    assert benchmark.pedantic(lambda: called(arguments), rounds=START_ROUNDS, warmup_rounds=1)
