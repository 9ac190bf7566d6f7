"""A cascade gives the worst case of a full run with fewer queries; transfer scores its texts on the other victims."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import write_plugin

from benchmark.leaderboard.metrics import by_example, worst_case
from benchmark.records import ExampleRecord
from benchmark.registry import load_registry
from benchmark.store import Store

BLUNT = '''
"""Replaces every word by one and the same, of a short list, until the label flips."""
from benchmark import Attack, hookimpl


class Blunt:
    def attack(self, victim, example, seed):
        for word in ("good", "bad", "boring", "lovely", "awful", "great", "the", "not"):
            text = " ".join([word] * len(example.text.split()))
            if victim.logits([text])[0].argmax() != example.label:
                return text
        return None


@hookimpl
def register_attacks(register):
    register(Attack(name="blunt", display="blunt", build=lambda o, r, c, t: Blunt(), cost=1))
'''

WIDE = """
name = "wide"
version = 1
title = "No limit on what may change"
model = "tiny-random"
defenses = ["mlp", "mvp"]
attacks = ["deepwordbug"]

[contract]
name = "wide"
queries_per_word = 20

[training]
epochs = 12
learning_rate = 2e-3
batch_size = 8
max_length = 48
evaluations_per_epoch = 1
patience = 12

[datasets.toy-reviews]
sample = [SAMPLE]
"""

Bench = Callable[..., subprocess.CompletedProcess[str]]
ATTACKS = ("deepwordbug", "blunt")


def records_of(store: Store) -> dict[tuple[str, str], list[ExampleRecord]]:
    return {(c.defense, c.attack): store.records(c) for c in store.cells() if c.attack is not None}


@pytest.mark.timeout(600)
def test_cascade_and_transfer(bench: Bench, tmp_path: Path) -> None:
    plugin = write_plugin(tmp_path / "plugins", "bench-blunt", BLUNT)
    smoke = load_registry().suite("smoke")
    sample = ", ".join(f'"{i}"' for i in smoke.datasets["toy-reviews"].sample)
    (tmp_path / "wide.toml").write_text(WIDE.replace("SAMPLE", sample))
    chosen = ["--suite", str(tmp_path / "wide.toml"), *(x for name in ATTACKS for x in ("-a", name))]
    full, short = Store(tmp_path / "full"), Store(tmp_path / "short")
    done = bench("run", *chosen, "--store", str(full.root), plugins=plugin)
    assert done.returncode == 0, done.stderr
    done = bench("run", *chosen, "--cascade", "--store", str(short.root), plugins=plugin)
    assert done.returncode == 0, done.stderr
    assert "worst case" in done.stdout

    whole, part = records_of(full), records_of(short)
    asked = {"full": 0, "short": 0}
    for defense in ("mlp", "mvp"):
        sample = [r.example_id for r in whole[defense, ATTACKS[0]]]
        outcomes = [{a: by_example(found.get((defense, a), [])) for a in ATTACKS} for found in (whole, part)]
        worst = [worst_case(sample, found) for found in outcomes]
        assert worst[0] == worst[1]
        assert None not in worst[1].values()
        for attack in ATTACKS:
            same = {r.example_id: r for r in whole[defense, attack]}
            for record in part.get((defense, attack), []):  # what a cascade wrote is what the full run wrote
                assert record.model_copy(update={"timing": None}) == same[record.example_id].model_copy(
                    update={"timing": None}
                )
            asked["full"] += sum(r.queries for r in whole[defense, attack])
            asked["short"] += sum(r.queries for r in part.get((defense, attack), []))
    assert asked["short"] < asked["full"]

    again = bench("run", *chosen, "--cascade", "--store", str(short.root), plugins=plugin)
    assert again.returncode == 0, again.stderr
    assert "0 cells computed" in again.stdout
    filled = bench("run", *chosen, "--store", str(short.root), plugins=plugin)
    assert filled.returncode == 0, filled.stderr
    assert {k: len(v) for k, v in records_of(short).items()} == {k: len(v) for k, v in whole.items()}

    moved = bench("run", *chosen, "--transfer", "--store", str(full.root), plugins=plugin)
    assert moved.returncode == 0, moved.stderr
    written = json.loads((full.root / "reports" / "wide-v1-transfer.json").read_text())
    for share in written["shares"]:
        broken = [r for r in whole[share["source"], share["attack"]] if r.outcome == "broken"]
        assert share["source"] != share["target"]
        assert 0 <= share["fooled"] <= share["n"] <= len(broken)
    assert {s["attack"] for s in written["shares"]} == {
        attack for (_, attack), found in whole.items() if any(r.outcome == "broken" for r in found)
    }


@pytest.mark.timeout(600)
def test_many_attacks_are_not_columns_but_rows_of_their_own_command(bench: Bench, tmp_path: Path) -> None:
    many = BLUNT.split("@hookimpl")[0] + (
        "@hookimpl\n"
        "def register_attacks(register):\n"
        "    for n in range(7):\n"
        '        register(Attack(name=f"blunt-{n}", display=f"blunt-{n}[x]", build=lambda o, r, c, t: Blunt()))\n'
    )
    plugin = write_plugin(tmp_path / "plugins", "bench-blunt", many)
    (tmp_path / "wide.toml").write_text(WIDE.replace("[SAMPLE]", _sample()))
    names = [x for n in range(7) for x in ("-a", f"blunt-{n}")]
    chosen = ["--suite", str(tmp_path / "wide.toml"), "-d", "mlp", *names, "--limit", "2"]
    at = ["--store", str(tmp_path / "store")]
    done = bench("run", *chosen, *at, plugins=plugin)
    assert done.returncode == 0, done.stderr
    assert "7 attacks: bench attacks" in done.stdout
    assert "worst case (95 % interval)" in done.stdout
    shown = bench("attacks", *chosen, *at, "--json", plugins=plugin)
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    assert (found["planned"], found["complete"]) == (7, 7)
    assert [row["display"] for row in found["attacks"]] == [f"blunt-{n}[x]" for n in range(7)]
    records = [r for c in Store(tmp_path / "store").cells() if c.attack for r in Store(tmp_path / "store").records(c)]
    assert sum(row["broken"] for row in found["attacks"]) == sum(r.outcome == "broken" for r in records)
    nothing = bench("attacks", *chosen, "--store", str(tmp_path / "empty"), plugins=plugin)
    assert nothing.returncode == 1
    assert "none of the 7 attack cells" in nothing.stderr


def _sample() -> str:
    sample = load_registry().suite("smoke").datasets["toy-reviews"].sample
    return json.dumps(list(sample))
