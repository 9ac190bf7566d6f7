"""The broker: runs tasks in greenlets, a few at a time, and asks shared functions for all of them at once.

A task that asks is parked. When all are, one function is called with the items of every task that waits for it, and
these tasks go on with their answers. Nothing of this is visible inside a task but the time it takes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, Generic, NamedTuple, TypeGuard, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

from benchmark.broker.alarm import Alarm
from benchmark.broker.states import States
from benchmark.errors import TimeLimit

T = TypeVar("T")
Function = Callable[[list[Any]], Any]
"""From a list of hashable items to one answer an item, in a list or as rows of an array or a tensor; the answer for an
item does not depend on its neighbours."""
MOST_ITEMS = 1024
"""Items of one call, unless a single task asks more: so many texts and their answers fit anywhere."""


class Ended(NamedTuple, Generic[T]):
    """How task ``number`` (from 0) ended: with a value, or with what it raised."""

    number: int
    value: T | None
    error: BaseException | None


class _Request(NamedTuple):
    function: Function
    items: list[Any]
    order: int


class _Task:
    """A task on its way. Times are in seconds; ``since`` is when it began to run, None while it does not."""

    def __init__(self, number: int, function: Callable[[], Any]) -> None:
        self.number, self.function = number, function
        self.greenlet: Any = None
        self.request: _Request | None = None
        self.ended: Ended[Any] | None = None
        self.own = self.share = 0.0
        self.since: float | None = None
        self.limited = self.expired = False

    def running(self) -> float:
        """Seconds in its greenlet until now."""
        return self.own + (0.0 if self.since is None else time.perf_counter() - self.since)


_Answer = tuple[_Task, Any, Exception | None]
"""What a task goes on with: the answer, or what it raises."""


class Broker:
    """Runs tasks, ``concurrency`` at a time, on the calling thread; one :meth:`run` at a time."""

    def __init__(self, concurrency: int = 1) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, got {concurrency}")
        self.concurrency = concurrency
        self._tasks: dict[Any, _Task] = {}
        self._seconds: float | None = None
        self._alarm: Alarm | None = None
        self._asked = 0
        self._closing = False

    # --- inside a task ---------------------------------------------------------------------------------------------

    def ask(self, function: Function, items: Sequence[Any]) -> Any:
        """The answers of ``function`` for ``items``: a list, or an array where it returns one.

        Inside a task other tasks run meanwhile, and equal functions (see ``==``) are called once for all. Outside one,
        for no items, and in torch's inference mode (which cannot be left for a while) it is called here and now.
        Raises what the function raises for these items alone.
        """
        task = self._current()
        if task is not None and self._closing:
            raise GreenletExit
        if task is None or not items or _in_inference_mode():
            return function(list(items))
        self._pause(task)
        self._asked += 1
        task.request = _Request(function, list(items), self._asked)
        try:
            return task.greenlet.parent.switch()
        finally:
            task.request = None
            self._resume(task)

    @contextmanager
    def limited(self) -> Iterator[None]:
        """What runs inside may use up the task's time; past it TimeLimit is raised, at the latest at the end.

        The time is that of the whole task so far, without waiting. Outside a task there is no limit.
        """
        task = self._current()
        if task is None or self._seconds is None:
            yield
            return
        task.limited = True
        self._pause(task)
        self._resume(task)
        try:
            yield
        except Exception as problem:
            if task.expired:
                raise self._time_limit() from problem
            raise
        finally:
            task.limited = False  # first: a signal that is on its way finds it
            self._pause(task)
            self._resume(task)
        if task.expired:  # and something swallowed the exception
            raise self._time_limit()

    def clock(self) -> float:
        """Seconds of work for this task: its own, and its share of common calls. Outside a task, a wall clock."""
        task = self._current()
        return time.perf_counter() if task is None else task.running() + task.share

    # --- outside ---------------------------------------------------------------------------------------------------

    def run(self, tasks: Iterable[Callable[[], T]], seconds: float | None = None) -> Iterator[Ended[T]]:
        """Run the tasks and yield how each ended, as they end. New ones are taken as others end.

        An exception ends its task and no other one; but KeyboardInterrupt, SystemExit and the like end all of them and
        are raised here. Every task has states of its own of ``random``, numpy and torch (see :class:`States`), and
        begins with those that stood here. ``seconds`` is the most that a task may run by itself where it says so
        (:meth:`limited`; see :class:`Alarm` for where this works), None for no limit.
        """
        if self._tasks or self._alarm is not None:
            raise RuntimeError("this broker runs already")
        waiting = (_Task(number, function) for number, function in enumerate(tasks))
        self._seconds, self._closing = seconds, False
        states = States()
        with Alarm(self._ring) as self._alarm:
            try:
                while True:
                    new = next(waiting, None) if len(self._tasks) < self.concurrency else None
                    if new is None and not self._tasks:
                        return
                    for task, answer, error in self._answers() if new is None else [self._started(new)]:
                        states.use(task.number)
                        _switch(task.greenlet, answer, error)
                        if task.ended is None:
                            continue
                        states.use(None)
                        states.drop(task.number)
                        del self._tasks[task.greenlet]
                        if _is_fatal(task.ended.error):
                            raise task.ended.error
                        yield task.ended
                    states.use(None)
            finally:
                self._kill(states)
                states.use(None)
                self._alarm = None

    def _started(self, task: _Task) -> _Answer:
        """A greenlet for the task, which begins when it is switched to."""

        def body(_: None) -> None:
            self._resume(task)
            value, error = None, None
            try:
                value = task.function()
            except BaseException as problem:  # whatever it is, the hub decides
                error = problem
            task.ended = Ended(task.number, value, error)

        task.greenlet = greenlet(body)
        # A context of its own, as every greenlet has, but not an empty one: numpy keeps its error settings there.
        task.greenlet.gr_context = copy_context()
        self._tasks[task.greenlet] = task
        return task, None, None

    def _answers(self) -> list[_Answer]:
        """Every task is parked: call the function that most items wait for (of equals, the one that was first asked).

        The requests that fit into one call are answered, in the order in which they were made.
        """
        groups: dict[Function, list[tuple[_Task, _Request]]] = {}
        parked = [(task, task.request) for task in self._tasks.values() if task.request is not None]
        for task, request in sorted(parked, key=lambda pair: pair[1].order):
            groups.setdefault(request.function, []).append((task, request))
        group = max(groups.values(), key=lambda found: sum(len(request.items) for _, request in found))
        taken, items = group[:1], len(group[0][1].items)
        for task, request in group[1:]:
            items += len(request.items)
            if items > MOST_ITEMS:
                break
            taken.append((task, request))
        return self._called(taken)

    def _called(self, asked: list[tuple[_Task, _Request]]) -> list[_Answer]:
        """The answers of one call. Where it raises, every task is asked for alone, so that it fails the guilty only."""
        function = asked[0][1].function
        total = sum(len(request.items) for _, request in asked)
        began = time.perf_counter()
        try:
            unique = list(dict.fromkeys(item for _, request in asked for item in request.items))
            answers = function(unique)
            if len(answers) != len(unique):
                raise ValueError(f"{function!r} gave {len(answers)} answers for {len(unique)} items")
        except Exception as error:
            if len(asked) == 1:
                return [(asked[0][0], None, error)]
            return [answer for one in asked for answer in self._called([one])]
        finally:
            for task, request in asked:
                task.share += (time.perf_counter() - began) * len(request.items) / total
            # of a call that failed this is also the time of the ones after it: near enough
        place = {item: number for number, item in enumerate(unique)}
        return [(task, _chosen(answers, [place[item] for item in request.items]), None) for task, request in asked]

    def _kill(self, states: States) -> None:
        """End what is still parked; its ``finally`` clauses run, and are not answered any more."""
        self._closing = True
        for found, task in list(self._tasks.items()):
            states.use(task.number)
            found.throw(GreenletExit)
        self._tasks.clear()

    # --- time ------------------------------------------------------------------------------------------------------

    def _pause(self, task: _Task) -> None:
        if self._alarm is not None:
            self._alarm.stop()
        task.own, task.since = task.running(), None

    def _resume(self, task: _Task) -> None:
        task.since = time.perf_counter()
        if task.limited and self._alarm is not None and self._seconds is not None:
            self._alarm.start(self._seconds - task.own)

    def _ring(self) -> None:
        task = self._current()
        if task is not None and task.limited:
            task.expired = True
            raise self._time_limit()

    def _time_limit(self) -> TimeLimit:
        return TimeLimit(f"it ran for more than {self._seconds:g} s by itself, without waiting for answers")

    def _current(self) -> _Task | None:
        if not self._tasks:
            return None
        return self._tasks.get(getcurrent())


def _switch(target: Any, answer: Any, error: Exception | None) -> None:
    """Let a greenlet run until it asks or ends."""
    if error is None:
        target.switch(answer)
    else:
        target.throw(error)


def _is_fatal(error: BaseException | None) -> TypeGuard[BaseException]:
    """Whether it is about the process and not about the task."""
    return error is not None and not isinstance(error, Exception | TimeLimit | GreenletExit)


def _chosen(answers: Any, places: list[int]) -> Any:
    """The answers at ``places``, in a list for a list and in an array for an array."""
    return [answers[place] for place in places] if isinstance(answers, list | tuple) else answers[places]


def _in_inference_mode() -> bool:
    torch = sys.modules.get("torch")  # who has not loaded it is not in it
    return torch is not None and torch.is_inference_mode_enabled()
