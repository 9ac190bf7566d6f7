"""An attack that hangs on one example costs that example and not the run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import write_plugin

STUCK = '''
"""Asks once, and never comes back where the text holds a certain letter; swallows what libraries swallow."""
from benchmark import Attack, hookimpl


class Stuck:
    def attack(self, victim, example, seed):
        victim.logits([example.text + " ."])
        while example.id < "4":
            try:
                while True:
                    pass
            except Exception:
                continue
        return None


@hookimpl
def register_attacks(register):
    register(Attack(name="stuck", display="stuck", build=lambda o, r, c, t: Stuck(), about="hangs"))
'''


@pytest.mark.slow
def test_a_hung_attack_is_an_error_and_the_others_finish(
    bench: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    plugins = write_plugin(tmp_path / "plugins", "bench-stuck", STUCK)
    store = tmp_path / "store"
    command = ("run", "--suite", "smoke", "-d", "mlp", "-a", "stuck", "--jobs", "1", "--example-seconds", "2")
    done = bench(*command, "--store", str(store), plugins=plugins)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = [p for p in (store / "cells").glob("*/records.jsonl") if '"queries"' in p.read_text()]
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(records) == 8
    for record in records:
        if record["example_id"] < "4" and record["outcome"] != "skipped":
            assert record["outcome"] == "error"
            assert record["error"].startswith("TimeLimit: it ran for more than 2 s by itself")
        else:
            assert record["outcome"] in ("held", "skipped")
    assert {"error", "held"} <= {record["outcome"] for record in records}
