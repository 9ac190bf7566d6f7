"""What a running ``bench run`` shows: a bar with time left on a terminal, one line a finished cell elsewhere."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.errors import BenchError
    from benchmark.plan import CellPlan
    from benchmark.worker import Job


def title(cell: CellPlan) -> str:
    """``dataset/defense/attack`` with the seed where it is not the first."""
    attack = cell.attack or "clean"
    seed = f" seed {cell.victim.seed}" if cell.victim.seed else ""
    return f"{cell.victim.dataset}/{cell.victim.defense}/{attack}{seed}"


class RichWatcher:
    """A :class:`benchmark.runner.Watcher` on a rich console; use as a context manager around the run."""

    def __init__(self, console: Console) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._examples = self._bars.add_task("all examples", total=0, note="")
        self._tasks: dict[str, Any] = {}
        self._totals: dict[str, tuple[int, int]] = {}
        self._outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self._started = time.monotonic()

    def __enter__(self) -> RichWatcher:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def planned(self, cell: CellPlan, done: int, total: int) -> None:
        self._totals[cell.key] = (done, total)
        if cell.attack is not None and done < total:
            task = self._bars.tasks[self._examples]
            self._bars.update(self._examples, total=(task.total or 0) + total - done)

    def progress(self, job: Job, share: float, text: str) -> None:
        from benchmark.worker import FitJob

        if isinstance(job, FitJob):
            name, key = f"fit {job.victim.dataset}/{job.victim.defense}", job.victim.key
        else:
            name, key = title(job.cell), job.cell.key
        task = self._task(key, name, 100)
        self._bars.update(task, completed=round(share * 100), note=text, visible=share < 1)

    def advanced(self, cell: CellPlan, outcome: str) -> None:
        done, total = self._totals[cell.key]
        self._outcomes[cell.key][outcome] += 1
        counts = ", ".join(f"{n} {name}" for name, n in sorted(self._outcomes[cell.key].items()))
        self._bars.update(self._task(cell.key, title(cell), total, done), advance=1, note=counts)
        self._bars.update(self._examples, advance=1)

    def finished(self, cell: CellPlan) -> None:
        counts = ", ".join(f"{n} {name}" for name, n in sorted(self._outcomes[cell.key].items()))
        self._hide(cell.key)
        elapsed = time.monotonic() - self._started
        self._console.print(f"{elapsed:6.0f} s  {title(cell)}  {counts}", markup=False, highlight=False)

    def failed(self, cell: CellPlan, error: BenchError) -> None:
        self._hide(cell.key)
        self._console.print(f"FAILED    {title(cell)}  {error}", markup=False, highlight=False, style="red")

    def _task(self, key: str, name: str, total: int, done: int = 0) -> Any:
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(name, total=total, completed=done, note="")
        return self._tasks[key]

    def _hide(self, key: str) -> None:
        if key in self._tasks:
            self._bars.update(self._tasks[key], visible=False)
