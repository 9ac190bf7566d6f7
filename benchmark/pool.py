"""A small pool of worker processes that report while they work (``concurrent.futures`` only reports at the end).

One job at a time a worker. A worker that dies fails its job and is replaced; the others go on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.errors import BenchError

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

CHILD_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    # glibc hands large blocks back at once and gets them again zeroed: 6 % of a training step (docs/measured.md).
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it products on a GPU may be summed in another order each time
}
"""Read when a child loads its libraries."""


class Event(NamedTuple):
    """Something a worker said of job ``number``: progress, a record, ``done`` or ``failed``."""

    number: int
    kind: str
    value: Any


class _Worker:
    def __init__(self, process: SpawnProcess, connection: Connection, place: int) -> None:
        self.process, self.connection, self.place = process, connection, place
        self.number: int | None = None


class Pool:
    """Processes running ``target(connection, number, *arguments)``; use as a context manager.

    ``number`` tells the workers apart, from 0; one that replaces a dead one has its number.
    """

    def __init__(self, size: int, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        import multiprocessing

        self._context = multiprocessing.get_context("spawn")
        self._target, self._arguments, self._size = target, arguments, size
        self._workers: list[_Worker] = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(timeout=10)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def free(self) -> bool:
        """Whether a job can be handed out now."""
        return len(self._workers) < self._size or any(w.number is None for w in self._workers)

    def submit(self, number: int, job: Any) -> None:
        """Hand a job to an idle worker, or to a new one."""
        worker = next((w for w in self._workers if w.number is None), None) or self._start()
        worker.number = number
        worker.connection.send((number, job))

    def busy(self) -> bool:
        return any(w.number is not None for w in self._workers)

    def events(self, timeout: float = 0.2) -> Iterator[Event]:
        """What has been reported since the last call; waits up to ``timeout`` seconds for something."""
        running = {w.connection: w for w in self._workers if w.number is not None}
        for ready in wait(list(running), timeout):
            worker = running[ready]  # type: ignore[index]
            try:
                event = Event(*worker.connection.recv())
            except (EOFError, OSError):
                yield self._lost(worker)
                continue
            if event.kind in ("done", "failed"):
                worker.number = None
            yield event

    def _lost(self, worker: _Worker) -> Event:
        worker.process.join(timeout=5)
        self._workers.remove(worker)
        code = worker.process.exitcode
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        error = BenchError(f"a worker process was {how}", "Run again to resume; with less --jobs if memory ran out")
        return Event(worker.number if worker.number is not None else -1, "failed", (error, ""))

    def _start(self) -> _Worker:
        here, there = self._context.Pipe()
        taken = {worker.place for worker in self._workers}
        place = next(number for number in range(self._size) if number not in taken)
        before = {name: os.environ.get(name) for name in CHILD_ENVIRONMENT}
        os.environ.update(CHILD_ENVIRONMENT)
        try:
            process = self._context.Process(target=self._target, args=(there, place, *self._arguments), daemon=True)
            process.start()
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
        there.close()
        worker = _Worker(process, here, place)
        self._workers.append(worker)
        return worker
