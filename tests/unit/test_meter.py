"""The stop watch, under a clock that is set by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmark.meter import Meter, Part


class Clock:
    """Stands still but for :meth:`spend`."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_part_has_its_own_seconds_without_those_of_what_it_calls(clock: Clock) -> None:
    meter = Meter(clock)
    leaf = meter.around("leaf", lambda items: clock.spend(3))

    def branch(items: list[str], deep: Callable[..., Any]) -> str:
        clock.spend(1)
        deep(["a", "b"])
        clock.spend(2)
        deep(["c"])
        return "done"

    assert meter.around("branch", branch)(["x"], leaf) == "done"
    clock.spend(50)
    leaf(["d"])
    assert meter.parts == {"branch": Part(3.0, 1, 1), "leaf": Part(9.0, 3, 4)}


def test_a_part_that_calls_itself_is_not_counted_twice(clock: Clock) -> None:
    meter = Meter(clock)
    inner = meter.around("one", lambda: clock.spend(4))

    def outer() -> None:
        clock.spend(1)
        inner()

    meter.around("one", outer)()
    assert meter.parts["one"].seconds == 5


def test_what_raises_is_counted_and_passes_and_leaves_no_trace(clock: Clock) -> None:
    meter = Meter(clock)

    def fail() -> None:
        clock.spend(2)
        raise ValueError("no")

    timed = meter.around("bad", fail)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            timed()
    assert meter.parts == {"bad": Part(4.0, 2, 0)}
    meter.clear()
    timed = meter.around("good", lambda: clock.spend(1))
    timed()
    assert meter.parts == {"good": Part(1.0, 1, 0)}


def test_attach_takes_the_place_of_a_method_and_keeps_its_answer(clock: Clock) -> None:
    class Tool:
        def work(self, items: list[int], factor: int = 1) -> int:
            clock.spend(7)
            return factor * sum(items)

    meter, tool = Meter(clock), Tool()
    meter.attach("tool", tool, "work")
    assert tool.work([1, 2], factor=10) == 30
    assert tool.work is tool.work, "one function, for whoever compares"
    assert Tool().work([1]) == 1
    assert meter.parts == {"tool": Part(7.0, 1, 2)}
