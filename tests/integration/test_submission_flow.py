"""From real runs to verified rows on somebody else's page: pack, review, verify, mark; a false claim is found out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import write_plugin
from test_cascade import BLUNT, WIDE

from benchmark.leaderboard.evidence import read_evidence
from benchmark.registry import load_registry
from benchmark.submission.pack import victim_key

Bench = Callable[..., subprocess.CompletedProcess[str]]

SOURCE = ["--distribution", "nlp-robustness-bench", "--version", "0.1.0", "--commit", "0123abc"]
URL = ["--url", "https://example.org/them/plugin"]
SUITE = ["--suite", "wide.toml"]


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(2400)
def test_from_a_run_to_a_verified_row(bench: Bench, private_cache: Path, tmp_path: Path) -> None:
    plugins = write_plugin(tmp_path / "plugins", "bench-blunt", BLUNT)
    sample = ", ".join(f'"{i}"' for i in load_registry().suite("smoke").datasets["toy-reviews"].sample)
    wide = WIDE.replace("SAMPLE", sample).replace('["deepwordbug"]', '["blunt"]')
    (tmp_path / "wide.toml").write_text(wide)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return bench(*arguments, plugins=plugins, timeout=800)

    page = tmp_path / "leaderboards/wide/v1"
    ok(run("run", *SUITE, "-d", "mlp", "--store", "ours"))
    ok(run("leaderboard", "publish", *SUITE, "--store", "ours"))
    ok(run("run", *SUITE, "-d", "mvp", "--store", "theirs"))  # of which two texts are broken
    packed = ok(run("submit", "pack", *SUITE, "--store", "theirs", *SOURCE, *URL))
    archive = "wide-v1-nlp-robustness-bench.zip"
    digest = re.findall(r"sha256 ([0-9a-f]{64})", packed)[0]

    refused = run("submit", "review", archive, "--sha256", "0" * 64)
    assert "another sha256" in refused.stderr
    assert "nothing was added" in ok(run("submit", "review", archive, "--dry-run", "--sha256", digest))
    shutil.copytree(tmp_path / "leaderboards", tmp_path / "boards")
    assert "the rows are claimed" in ok(run("submit", "review", archive, "--sha256", digest))
    again = run("submit", "review", archive)
    assert (again.returncode, "is on leaderboards/wide/v1 already" in again.stderr) == (1, True), again.stderr
    ok(run("leaderboard", "check"))
    claimed = [c for c in json.loads((page / "evidence/cells.json").read_bytes()) if c.get("status") == "claimed"]
    assert {c["defense"] for c in claimed} == {"mvp"}
    assert all(c["external"] and re.fullmatch("[0-9a-f]{64}", c["provenance"]["checkpoint"]) for c in claimed)

    asked = ok(run("leaderboard", "verify", str(page), "--sample", "5"))
    assert "predictions on stored adversarial texts: 2 of 2 the same (100.0%, 95 % interval 34.2% to 100.0%)" in asked
    victims = {cell.defense: private_cache / "victims" / victim_key(cell) for cell in read_evidence(page).cells}
    given = ok(run("leaderboard", "verify", str(page), "-d", "mvp", "--checkpoint", str(victims["mvp"])))
    assert "2 of 2 the same (100.0%" in given
    wrong = run("leaderboard", "verify", str(page), "-d", "mvp", "--checkpoint", str(victims["mlp"]))
    assert (wrong.returncode, "does not load as this row's victim" in wrong.stderr) == (1, True), wrong.stderr
    assert (victims["mlp"] / "checkpoint.json").exists()  # the given folder is never touched

    marked = ok(run("leaderboard", "verify", str(page), "--sample", "4", "--mark"))
    assert "outcomes of repeated attacks: 4 of 4 the same (100.0%" in marked
    ok(run("leaderboard", "check"))
    cells = json.loads((page / "evidence/cells.json").read_bytes())
    assert {(c["defense"], c.get("status", "run")) for c in cells} == {("mvp", "verified"), ("mlp", "run")}
    note = next(c for c in cells if c["defense"] == "mvp")["provenance"]["verification"]
    assert note == {"examples": 4, "same": 4, "seed": 0}
    nothing = run("leaderboard", "verify", str(page), "--mark")
    assert "has no such claimed rows" in nothing.stderr
    planned = ok(run("run", "--suite", str(page), "-d", "mlp", "--store", "ours", "--dry-run"))
    assert "plan of suite wide v1" in planned

    everything_held(tmp_path / "theirs")
    ok(run("submit", "pack", *SUITE, "--store", "theirs", *SOURCE, *URL, "--out", "false.zip"))
    ok(run("submit", "review", "false.zip", "--out", "boards"))
    done = run("leaderboard", "verify", "boards/wide/v1", "--sample", "8", "--mark")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "held, now broken" in done.stdout
    assert "stays claimed: fewer than 95% agree" in done.stdout
    ok(run("leaderboard", "check", "boards"))


def everything_held(store: Path) -> None:
    """Make a stored attack a failure on every text: consistent in itself, but not what a run gives."""
    cell = next(p for p in (store / "cells").iterdir() if json.loads((p / "cell.json").read_bytes())["attack"])
    path = cell / "records.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    broken = [row for row in rows if row["outcome"] == "broken"]
    assert broken
    for row in broken:
        row.update(outcome="held", adversarial_text=None, adversarial_prediction=None, perturbed_words=None)
        row.update(perturbed_share=None, similarity=None)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
