"""Trainings that cannot work, end to end: one line that names the part and the option; nothing half-made is used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import child_environment

Bench = Callable[..., "subprocess.CompletedProcess[str]"]

SUITE = """
name = "short"
version = 1
title = "short"
model = "tiny-random"
defenses = ["mvp"]
attacks = []

[contract]
name = "none"

[training]
epochs = {epochs}
batch_size = 8
learning_rate = {rate}
max_length = {length}
evaluations_per_epoch = 1
patience = 100000

[datasets.toy-reviews]
sample = ["2149ba55750cdc06"]
{rows}
"""


LONG = '["{text} all in all it was a [MASK] film for all of us ."]'


def suite(folder: Path, epochs: int = 1, rate: float = 1e-3, length: int = 48, rows: str = "") -> str:
    path = folder / "short.toml"
    path.write_text(SUITE.format(epochs=epochs, rate=rate, length=length, rows=rows))
    return str(path)


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout
    said = " ".join(done.stderr.split())
    for word in words:
        assert word in said, said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["-d", "mlp+pgd", "--set", "pgd.epsilon=-1"],
            ["defense 'pgd'", "option 'epsilon'", "greater than or equal to 0"],
        ),
        (["-d", "mlp+pgd[epsilon=-1]"], ["defense 'pgd'", "option 'epsilon'"]),
        (["-d", "mlp+pgd[epsilonn=1]"], ["defense 'pgd'", "option 'epsilonn'", "epsilon"]),
        (["-d", "mlp+ranmask", "--set", "ranmask.copies=0"], ["defense 'ranmask'", "option 'copies'"]),
        (["-d", "mlp+freelb+pgd"], ["2 objectives (freelb, pgd)"]),
    ],
)
def test_options_out_of_range_are_refused_before_the_run(
    bench: Bench, tmp_path: Path, options: list[str], words: list[str]
) -> None:
    refused(bench("run", "--suite", suite(tmp_path), *options, "--dry-run"), *words)


def test_what_a_defense_needs_and_nobody_has_is_a_reason_in_the_plan(bench: Bench, tmp_path: Path) -> None:
    done = bench("run", "--suite", suite(tmp_path), "-d", "mlp+ascc[synonyms=thesaurus]", "--dry-run")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "'ascc' needs the model 'thesaurus', which no plugin registers" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "defense", "words"),
    [
        ({"rate": 1e30}, "mlp+pgd", ["defense 'mlp+pgd'", "loss is nan", "training.learning_rate", "pgd.epsilon"]),
        (
            {"rows": "train_rows = 1"},
            "mlp",
            ["defense 'mlp'", "'toy-reviews' has no training row of class", "train_rows"],
        ),
        ({"length": 8}, f"mvp[template_texts={LONG}]", ["template", "no room", "max_length", "templates"]),
        ({}, "mvp[templates=9]", ["option 'templates' asks for 9 templates"]),
    ],
)
def test_a_training_that_cannot_work_names_defense_and_option(
    bench: Bench, tmp_path: Path, settings: dict[str, object], defense: str, words: list[str]
) -> None:
    refused(bench("run", "--suite", suite(tmp_path, **settings), "-d", defense), *words)  # type: ignore[arg-type]
    assert not list((tmp_path / "cache" / "victims").glob("[!.]*")), "nothing is kept of a training that failed"


@pytest.mark.slow
def test_a_half_trained_checkpoint_is_never_taken_for_a_finished_one(tmp_path: Path) -> None:
    """Killed in the middle of a long training: no checkpoint; a short one afterwards is fitted from its beginning."""
    cache = tmp_path / "cache"

    def start(epochs: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmark.cli.main", "run", "--suite", suite(tmp_path, epochs=epochs)]
        return subprocess.Popen(
            [*command, "-d", "mlp"], env=child_environment(cache), stdout=subprocess.PIPE, start_new_session=True
        )

    long = start(5000)
    time.sleep(12)
    assert long.poll() is None, "the training was over before it could be killed"
    os.killpg(long.pid, signal.SIGKILL)
    long.wait(20)
    victims = cache / "victims"
    assert not [path for path in victims.glob("*") if not path.name.startswith(".")]

    short = start(1)
    out = short.communicate(timeout=120)[0].decode()
    assert short.returncode == 0, out
    (made,) = [path for path in victims.glob("*") if not path.name.startswith(".")]
    (made / "weights.safetensors").write_bytes((made / "weights.safetensors").read_bytes()[:-100])
    again = start(1)
    out = again.communicate(timeout=120)[0].decode()
    assert again.returncode == 0, out
    assert "1 from the store" in out
