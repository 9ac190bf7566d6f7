"""Time and memory as the number of examples grows; each number in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sizes import read_sizes

SCRIPT = Path(__file__).with_name("scale_run.py")


@pytest.mark.parametrize("attack", ["deepwordbug", "textfooler"])
@pytest.mark.parametrize("number", read_sizes().scale)
def test_scale(benchmark: Any, attack: str, number: int, fresh_cache: Any) -> None:
    benchmark.group = f"scale, {attack}"
    found: list[dict[str, Any]] = []

    def run() -> None:
        call = subprocess.run(
            [sys.executable, str(SCRIPT), attack, str(number), str(fresh_cache())],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert call.returncode == 0, call.stderr[-3000:]
        found.append(json.loads(call.stdout.splitlines()[-1]))

    rounds = read_sizes().rounds if number <= 200 else 1
    benchmark.pedantic(run, rounds=rounds)
    seconds = sorted(one["seconds"] for one in found)
    benchmark.extra_info |= {
        "kind": "scale", "attack": attack, "examples": number, "attack_seconds": seconds[len(seconds) // 2],
        "attack_seconds_all": seconds, "worker_mb": max(one["worker_mb"] for one in found),
        "worker_mb_ready": max(one["worker_mb_ready"] for one in found),
        "main_mb": max(one["main_mb"] for one in found), "outcomes": found[-1]["outcomes"],
    }  # fmt: skip
