"""Your own file from the command line, end to end on the tiny model."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Bench = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.slow
def test_a_csv_file_with_its_own_columns(bench: Bench, tmp_path: Path, swap_plugin: Path) -> None:
    rows = [("good" if n % 2 else "bad", f"the film number {n} is {'good' if n % 2 else 'bad'}") for n in range(120)]
    path = tmp_path / "mine.csv"
    path.write_text("stars,review\n" + "".join(f"{label},{text}\n" for label, text in rows))
    done = bench(
        "run", "--suite", "smoke", "-d", "mlp", "-a", "letterswap", "--dataset", f"path={path}",
        "--text-column", "review", "--label-column", "stars", "--limit", "4", plugins=swap_plugin,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "local-mine" in done.stdout
    stored = sorted((tmp_path / "cache" / "store" / "cells").glob("*/records.jsonl"))
    attacked = [json.loads(line) for path in stored for line in path.read_text().splitlines() if "outcome" in line]
    assert len(attacked) == 4
    texts = {text for _, text in rows}
    assert all(record["text"] in texts for record in attacked)
    shown = bench("show", "local-mine/mlp/letterswap", "--outcome", "all", plugins=swap_plugin)
    assert shown.returncode == 0, shown.stderr
    assert "the film number" in shown.stdout
