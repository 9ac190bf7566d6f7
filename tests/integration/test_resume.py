"""Killed at any moment, resumed, and nothing lost or repeated; other orders and numbers of jobs, same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import child_environment

Bench = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = ("run", "--suite", "smoke", "-a", "letterswap")
KILLS = 10


def records(store: Path) -> dict[str, list[dict[str, Any]]]:
    """Records of every complete cell, without timing fields, by cell key, in file order."""
    found = {}
    for marker in sorted((store / "cells").glob("*/complete")):
        lines = (marker.parent / "records.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
        rows = [json.loads(line) for line in lines]
        for row in rows:
            row.pop("timing", None)
        found[marker.parent.name] = rows
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[dict[str, Any]]]]:
    """One run of the smoke suite that nobody touched: its cache (with plugins beside it) and its records."""
    from conftest import SWAP_ATTACK, write_plugin

    folder = tmp_path_factory.mktemp("undisturbed")
    write_plugin(folder / "plugins", "bench-letterswap", SWAP_ATTACK)
    start(folder / "cache", folder / "plugins", "--jobs", "2").wait(240)
    found = records(folder / "cache" / "store")
    assert len(found) == 4, "two defenses, each clean and attacked"
    return folder, found


def start(cache: Path, plugins: Path, *more: str) -> subprocess.Popen[bytes]:
    """The run as a process group of its own, so that a kill takes the workers along or leaves them orphaned."""
    log = (cache.parent / "log.txt").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", "benchmark.cli.main", *COMMAND, *more],
        env=child_environment(cache, plugins),
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_ten_times_and_resumed(tmp_path: Path, undisturbed: tuple[Path, dict[str, Any]]) -> None:
    folder, expected = undisturbed
    moments = random.Random(2303)
    cache, killed = tmp_path / "cache", 0
    for _ in range(40):
        run = start(cache, folder / "plugins", "--jobs", "2")
        try:
            run.wait(moments.uniform(1.0, 12.0) if killed < KILLS else 240)
            if killed >= KILLS:
                break
            # finished before its moment came: forget one cell, so that the next round has work to be killed in
            done = sorted((cache / "store" / "cells").glob("*/complete"))
            done[moments.randrange(len(done))].unlink()
        except subprocess.TimeoutExpired:
            if killed % 2:
                os.kill(run.pid, signal.SIGKILL)  # the parent alone: workers find their pipe closed and end
            else:
                os.killpg(run.pid, signal.SIGKILL)
            run.wait(30)
            killed += 1
    assert killed == KILLS
    assert run.returncode == 0, (cache.parent / "log.txt").read_text()[-2000:]
    assert records(cache / "store") == expected


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "concurrency"), [("1", "1"), ("1", "16"), ("2", "4"), ("4", "4")])
def test_jobs_and_concurrency_do_not_change_a_byte(
    tmp_path: Path, undisturbed: tuple[Path, dict[str, Any]], jobs: str, concurrency: str
) -> None:
    folder, expected = undisturbed
    run = start(tmp_path / "cache", folder / "plugins", "--jobs", jobs, "--concurrency", concurrency)
    assert run.wait(240) == 0
    assert json.dumps(records(tmp_path / "cache" / "store")) == json.dumps(expected)


@pytest.mark.slow
def test_a_second_run_takes_everything_from_the_store(undisturbed: tuple[Path, dict[str, Any]]) -> None:
    folder, expected = undisturbed
    before = {p: p.stat().st_mtime_ns for p in (folder / "cache" / "store").rglob("*") if p.name != ".lock"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmark.cli.main", *COMMAND],
        env=child_environment(folder / "cache", folder / "plugins"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "0 cells computed, 4 from the store" in done.stdout
    assert {p: p.stat().st_mtime_ns for p in (folder / "cache" / "store").rglob("*") if p.name != ".lock"} == before
    assert records(folder / "cache" / "store") == expected


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(tmp_path: Path, undisturbed: tuple[Path, dict[str, Any]]) -> None:
    folder, expected = undisturbed
    cache = tmp_path / "cache"
    run = start(cache, folder / "plugins", "--jobs", "2")
    deadline = time.monotonic() + 120
    while not list((cache / "store" / "cells").glob("*/records.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.kill(run.pid, signal.SIGINT)
    code = run.wait(30)
    assert code in (0, 130)
    if code == 130:
        assert "the same command goes on" in (tmp_path / "log.txt").read_text()
    assert start(cache, folder / "plugins").wait(240) == 0
    assert records(cache / "store") == expected
