"""Plugins by entry point: origin, clashes, misspelt hooks and broken plugins, all by name."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import write_plugin

from benchmark.api import Attack, Objective
from benchmark.errors import DuplicateName, UnknownName
from benchmark.hookspecs import hookimpl
from benchmark.registry import KINDS, load_registry

Bench = Callable[..., "subprocess.CompletedProcess[str]"]


def attack(name: str) -> Attack:
    return Attack(name=name, display=name, build=lambda o, r, c, t: None)  # type: ignore[arg-type, return-value]


def plugin(name: str) -> SimpleNamespace:
    @hookimpl
    def register_attacks(register: Callable[[Attack], None]) -> None:
        register(attack(name))

    return SimpleNamespace(register_attacks=register_attacks)


def test_built_ins_come_through_the_entry_point_and_keep_their_origin() -> None:
    registry = load_registry()
    assert registry.problems == ()
    for kind in KINDS:
        for entry in registry.items(kind):
            assert entry.plugin.distribution == "nlp-robustness-bench"
            assert entry.plugin.name.startswith("builtin-")
    names = {kind: [r.name for r in registry.items(kind)] for kind in KINDS}
    assert names["attack"] == sorted(names["attack"])
    assert {"textfooler", "bae", "deepwordbug"} <= set(names["attack"])
    assert {"mlp", "mvp", "clean"} <= set(names["defense"])


def test_two_items_of_one_name_are_refused_and_both_owners_named() -> None:
    with pytest.raises(DuplicateName, match=r"'same'.*one of a \(.*one of b \("):
        load_registry({"a": plugin("same"), "b": plugin("same")})


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(UnknownName, match="Did you mean: textfooler"):
        load_registry().get("attack", "textfoler")


def test_exactly_one_default_objective() -> None:
    @hookimpl
    def register_defenses(register: Callable[[Objective], None]) -> None:
        register(Objective(name="second", backward=lambda n, b, o, g: 0.0, is_default=True))

    registry = load_registry({"second": SimpleNamespace(register_defenses=register_defenses)})
    with pytest.raises(DuplicateName, match="second of second"):
        registry.default_objective()


def test_a_strangers_plugin_is_listed_with_its_distribution(bench: Bench, swap_plugin: Path) -> None:
    done = bench("list", "attacks", plugins=swap_plugin)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if "letterswap" in line)
    assert "bench-letterswap 1.0" in line


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise RuntimeError('no such luck')", "RuntimeError: no such luck"),
        (
            "from benchmark import hookimpl\n@hookimpl\ndef register_atacks(register): pass",
            "register_atacks",
        ),
        (
            "from benchmark import hookimpl\n@hookimpl\ndef register_attacks(register): register('text')",
            "takes Attack, got str",
        ),
    ],
)
def test_a_broken_plugin_is_named_and_stops_a_run(bench: Bench, tmp_path: Path, source: str, words: str) -> None:
    folder = write_plugin(tmp_path / "plugins", "bad-plugin", source)
    listed = bench("list", plugins=folder)
    assert listed.returncode == 0
    assert words in listed.stdout.replace("\n", " ")
    assert "textfooler" in listed.stdout
    refused = bench("run", "--suite", "smoke", "--dry-run", plugins=folder)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: plugin bad-plugin (bad-plugin 1.0) failed")
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "--skip-broken" in refused.stderr
    assert bench("run", "--suite", "smoke", "--dry-run", "--skip-broken", plugins=folder).returncode == 0
    shown = bench("run", "--suite", "smoke", "--dry-run", "--traceback", plugins=folder)
    assert "Traceback" in shown.stderr
