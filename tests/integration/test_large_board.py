"""200,000 records: how long publishing takes, in how much memory, and whether the page stays usable."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from boards import Size, fill
from browser import browser, executable

pytestmark = pytest.mark.slow

SIZE = Size(
    defenses=tuple(f"head{number}+objective" for number in range(40)),
    attacks=tuple(f"attack{number}" for number in range(5)),
    seeds=(0, 1),
    examples=250,
    clean=200,
)
RECORDS = 40 * 5 * 2 * 2 * 250

PUBLISH = """
import json, resource, sys, time
from pathlib import Path
from benchmark.leaderboard.publish import publish, read_frozen
from benchmark.store import Store
from benchmark.suite import Suite

root = Path(sys.argv[1])
suite = Suite.model_validate_json((root / "suite.json").read_bytes())
wall = time.perf_counter()
publish(suite, Store(root / "store"), root / "out")
wall = time.perf_counter() - wall
status = Path("/proc/self/status")
if status.exists():  # what getrusage says of a child holds the peak of the process that started it, too
    peak = 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"seconds": wall, "cpu": time.process_time(), "peak": peak}))
"""

PAINT = """
new Promise((resolve) => new PerformanceObserver((list) => {
  for (const entry of list.getEntriesByName('first-contentful-paint')) resolve(entry.startTime);
}).observe({ type: 'paint', buffered: true }))
"""

SORT = """
(index) => new Promise((resolve) => {
  const button = document.querySelectorAll('#board thead button')[index];
  const start = performance.now();
  button.click();
  document.body.offsetHeight;  // lays out
  const done = performance.now() - start;
  requestAnimationFrame(() => resolve(done));
})
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    suite = fill(folder / "store", SIZE)
    (folder / "suite.json").write_text(suite.model_dump_json(), encoding="utf-8")
    return folder


def published(root: Path) -> dict[str, float]:
    command = [sys.executable, "-c", PUBLISH, str(root)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found: dict[str, float] = json.loads(run.stdout)
    return found


@pytest.mark.timeout(1200)
def test_publishing_and_looking_at_it(root: Path, record_property: Any) -> None:
    """Measured in processor time where other work on the machine would disturb the wall clock."""
    cost = published(root)
    page = root / "out" / "drawn" / "v1"
    assert (
        sum(line.count(b"\n") for p in (page / "evidence" / "records").iterdir() for line in [p.read_bytes()]) > RECORDS
    )
    record_property("publish", cost)
    assert cost["cpu"] < 45  # 29 on two quiet cores; busy neighbours on the machine make half as much again
    assert cost["peak"] < 1.5e9
    if executable() is None:
        pytest.skip("no Chromium on this machine: the page was not looked at")
    paints, sorts, opens = [], [], []
    with browser() as running:
        for _ in range(3):  # the best one: whatever else runs only adds
            tab = running.new_page(viewport={"width": 1280, "height": 800})
            tab.goto((page / "index.html").as_uri())
            paints.append(tab.evaluate(PAINT))
            assert tab.locator("#board tbody tr").count() == 80
            sorts.append(max(tab.evaluate(SORT, index) for index in (4, 1, 5, 4)))
            start = tab.evaluate("performance.now()")
            tab.locator("button[data-cell]").first.evaluate("button => button.click()")
            tab.locator(".examples > li").first.wait_for()
            opens.append(tab.evaluate("performance.now()") - start)
            tab.close()
    figures = {"first_paint_ms": min(paints), "sort_ms": min(sorts), "open_ms": min(opens)}
    record_property("page", figures)
    sys.stdout.write(json.dumps({**cost, **figures, "index_bytes": (page / "index.html").stat().st_size}) + "\n")
    assert figures["first_paint_ms"] < 2000
    assert figures["sort_ms"] < 200
