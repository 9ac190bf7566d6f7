"""A worker's victims: fitted once, loaded ever after, whatever is looked at in them in between."""

from __future__ import annotations

from pathlib import Path

from benchmark.choice import selected
from benchmark.data.source import sources_of
from benchmark.plan import make_plan
from benchmark.registry import load_registry
from benchmark.worker import FitJob, Workbench


def test_a_victim_is_fitted_once_and_loaded_by_every_later_process(tmp_path: Path) -> None:
    registry = load_registry()
    suite = selected(registry, registry.suite("smoke"), defenses=("mlp",))
    victim = make_plan(registry, suite, sources_of(registry, suite)).ready[0].victim
    logs = [Workbench(suite, tmp_path, registry).run(FitJob(victim), lambda kind, value: None) for _ in range(3)]
    assert [log["loaded"] for log in logs] == [False, True, True]
    assert [log["discarded"] for log in logs] == [None, None, None]
    assert logs[0]["probe"] == logs[1]["probe"] == logs[2]["probe"] != {}
