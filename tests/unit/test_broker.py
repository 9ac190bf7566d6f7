"""The broker: who waits, what is asked together, and that a task is what it would be alone."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from greenlet import GreenletExit
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.broker import alarm, hub
from benchmark.broker.hub import Broker, Ended
from benchmark.errors import TimeLimit


class Lengths:
    """A shared function: the length of each item. Keeps what it was asked."""

    def __init__(self, refuses: str = "\0") -> None:
        self.calls: list[list[str]] = []
        self.refuses = refuses

    def ask(self, items: list[str]) -> list[int]:
        self.calls.append(items)
        if self.refuses in items:
            raise LookupError(f"not {self.refuses}")
        return [len(item) for item in items]


def values(ended: Iterator[Ended[Any]]) -> list[Any]:
    """Values by number of task; raises what a task raised."""
    found = list(ended)
    for one in found:
        if one.error is not None:
            raise one.error
    return [one.value for one in sorted(found, key=lambda one: one.number)]


def asking(broker: Broker, function: Callable[[list[Any]], Any], *lists: Sequence[Any]) -> Callable[[], list[Any]]:
    """A task that asks for one list after the other."""
    return lambda: [broker.ask(function, items) for items in lists]


# --- switching and merging ------------------------------------------------------------------------------------------


def test_requests_are_merged_and_each_item_is_asked_once() -> None:
    broker, shared = Broker(3), Lengths()
    tasks = [asking(broker, shared.ask, *lists) for lists in ([["a", "bb"], ["a"]], [["bb", "ccc", "bb"]], [["a"]])]
    assert values(broker.run(tasks)) == [[[1, 2], [1]], [[2, 3, 2]], [[1]]]
    assert shared.calls == [["a", "bb", "ccc"], ["a"]]


def test_tasks_begin_as_others_end_and_come_back_in_the_order_in_which_they_end() -> None:
    broker, shared, begun = Broker(2), Lengths(), []

    def task(name: str, rounds: int) -> str:
        begun.append(name)
        for n in range(rounds):
            broker.ask(shared.ask, [f"{name}{n}"])
        return name

    ended = broker.run(lambda n=n, r=r: task(n, r) for n, r in (("long", 3), ("short", 1), ("none", 0), ("last", 2)))
    assert begun == []
    assert [one.value for one in ended] == ["short", "none", "long", "last"]
    assert begun == ["long", "short", "none", "last"]
    assert shared.calls == [["long0", "short0"], ["long1", "last0"], ["long2", "last1"]]


def test_the_function_with_most_items_goes_first_and_of_equals_the_one_that_was_asked_first() -> None:
    broker, order = Broker(4), []

    def named(name: str) -> Callable[[list[str]], list[str]]:
        return lambda items: order.append(name) or [name] * len(items)  # type: ignore[func-returns-value]

    first, second, most = named("first"), named("second"), named("most")
    asked = [(first, ["a"]), (second, ["a"]), (most, ["a"]), (most, ["b"])]
    assert values(broker.run(asking(broker, f, items) for f, items in asked)) == [
        [["first"]],
        [["second"]],
        [["most"]],
        [["most"]],
    ]
    assert order == ["most", "first", "second"]


def test_a_call_has_a_bounded_number_of_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "MOST_ITEMS", 3)
    broker, shared = Broker(4), Lengths()
    lists = [list("abcde"), list("fg"), list("h"), list("ij")]
    assert values(broker.run(asking(broker, shared.ask, items) for items in lists)) == [[[1] * len(x)] for x in lists]
    assert list(map(len, shared.calls)) == [5, 3, 2]


@pytest.mark.parametrize(
    "answers", [lambda x: np.array(x, np.float32) * 2, lambda x: torch.tensor(x) * 2, lambda x: [i * 2 for i in x]]
)
def test_answers_are_of_the_kind_that_the_function_returns(answers: Callable[[list[int]], Any]) -> None:
    broker = Broker(2)
    found = values(broker.run([asking(broker, answers, [1, 2, 1]), asking(broker, answers, [3])]))
    assert type(found[0][0]) is type(answers([1]))
    assert [list(map(int, one[0])) for one in found] == [[2, 4, 2], [6]]


def test_outside_a_task_and_for_no_items_the_function_is_called_here_and_now() -> None:
    broker, shared = Broker(2), Lengths()
    assert broker.ask(shared.ask, ("a", "a")) == [1, 1]
    assert shared.calls == [["a", "a"]]
    assert values(broker.run([asking(broker, shared.ask, [])])) == [[[]]]


def test_a_shared_function_may_ask_another_one() -> None:
    broker, inner = Broker(2), Lengths()

    def outer(items: list[str]) -> list[int]:
        return [n + 1 for n in broker.ask(inner.ask, items)]

    assert values(broker.run([asking(broker, outer, ["a"]), asking(broker, outer, ["bb"])])) == [[[2]], [[3]]]
    assert inner.calls == [["a", "bb"]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.lists(st.text("abc", max_size=3), max_size=4), max_size=4), max_size=8), st.integers(1, 5))
def test_any_tasks_get_their_own_answers(tasks: list[list[list[str]]], concurrency: int) -> None:
    broker, shared = Broker(concurrency), Lengths()
    expected = [[[len(item) for item in items] for items in lists] for lists in tasks]
    assert values(broker.run(asking(broker, shared.ask, *lists) for lists in tasks)) == expected
    assert all(len(set(call)) == len(call) for call in shared.calls if call)


# --- exceptions -----------------------------------------------------------------------------------------------------


def test_a_call_that_fails_fails_the_guilty_task_alone_at_its_own_question() -> None:
    broker, shared = Broker(3), Lengths(refuses="bad")
    caught = []

    def guilty() -> list[int]:
        try:
            broker.ask(shared.ask, ["bad"])
        except LookupError as problem:
            caught.append(str(problem))
        return broker.ask(shared.ask, ["good"])

    found = values(broker.run([asking(broker, shared.ask, ["a"]), guilty, asking(broker, shared.ask, ["bb"])]))
    assert found == [[[1]], [4], [[2]]]
    assert caught == ["not bad"]
    assert shared.calls == [["a", "bad", "bb"], ["a"], ["bad"], ["bb"], ["good"]]


def test_too_few_answers_are_an_error() -> None:
    broker = Broker(2)
    (ended,) = broker.run([asking(broker, lambda items: items[1:], ["a", "b"])])
    assert isinstance(ended.error, ValueError)
    assert "1 answers for 2 items" in str(ended.error)


def test_an_exception_is_a_result_and_disturbs_nobody() -> None:
    broker, shared = Broker(3), Lengths()

    def dies(kind: type[BaseException]) -> Callable[[], None]:
        def task() -> None:
            broker.ask(shared.ask, ["x"])
            raise kind("gone")

        return task

    ended = list(broker.run([dies(ZeroDivisionError), dies(GreenletExit), asking(broker, shared.ask, ["a"], ["b"])]))
    assert [(one.number, type(one.error)) for one in ended] == [
        (0, ZeroDivisionError),
        (1, GreenletExit),
        (2, type(None)),
    ]
    assert ended[2].value == [[1], [1]]


@pytest.mark.parametrize("where", ["task", "function"])
def test_an_interrupt_ends_everything_and_the_others_clean_up(where: str) -> None:
    broker, shared, cleaned = Broker(3), Lengths(), []

    def function(items: list[str]) -> list[int]:
        if where == "function" and len(shared.calls) == 1:
            raise KeyboardInterrupt
        return shared.ask(items)

    def waits(name: str) -> Callable[[], None]:
        def task() -> None:
            try:
                while True:
                    broker.ask(function, [name])
            finally:
                cleaned.append(name)
                broker.ask(function, ["never answered"])

        return task

    def interrupted() -> None:
        broker.ask(function, ["x"])
        if where == "task":
            raise KeyboardInterrupt
        broker.ask(function, ["y"])

    with pytest.raises(KeyboardInterrupt):
        list(broker.run([waits("one"), interrupted, waits("two")]))
    assert sorted(cleaned) == ["one", "two"]
    assert shared.calls == [["one", "x", "two"]]
    assert values(broker.run([asking(broker, shared.ask, ["a"])])) == [[[1]]]  # and it can be used again


def test_a_run_that_is_left_half_way_is_cleaned_up() -> None:
    broker, shared, cleaned = Broker(2), Lengths(), []

    def waits() -> None:
        try:
            broker.ask(shared.ask, ["a"])
            broker.ask(shared.ask, ["b"])
        finally:
            random.seed(1)
            cleaned.append(True)

    random.seed(3)
    before = random.getstate()
    ended = broker.run([asking(broker, shared.ask, ["a"]), waits])
    assert next(ended).number == 0
    ended.close()
    assert cleaned == [True]
    assert random.getstate() == before


def test_one_run_at_a_time() -> None:
    broker = Broker(2)
    (ended,) = broker.run([lambda: list(broker.run([]))])
    assert "runs already" in str(ended.error)


# --- states of the thread -------------------------------------------------------------------------------------------


def drawing(broker: Broker, function: Callable[[list[Any]], Any], seed: int, rounds: int) -> Callable[[], list[Any]]:
    """Draws from all generators between questions, from its own seed on or (0) from where the run began."""

    def task() -> list[Any]:
        if seed:
            random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
        found = []
        for n in range(rounds):
            found.append((random.random(), random.gauss(0, 1), float(np.random.normal()), float(torch.randn(1))))
            broker.ask(function, [f"{seed} {n % 2}"])
        return found

    return task


def noisy(items: list[str]) -> list[int]:
    """Draws from the generators itself, which must not be seen in any task."""
    random.random(), np.random.rand(), torch.rand(1)
    return [0] * len(items)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=6), st.integers(1, 4))
def test_a_task_draws_what_it_draws_alone(tasks: list[tuple[int, int]], concurrency: int) -> None:
    def run(chosen: list[tuple[int, int]], width: int) -> list[Any]:
        random.seed(7), np.random.seed(7), torch.manual_seed(7)
        broker = Broker(width)
        return values(broker.run(drawing(broker, noisy, *task) for task in chosen))

    alone = [run([task], 1)[0] for task in tasks]
    assert run(tasks, concurrency) == alone


def test_the_states_outside_are_as_before() -> None:
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    expected = random.random(), float(np.random.rand()), float(torch.rand(1))
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    broker = Broker(2)
    values(broker.run(drawing(broker, lambda items: items, seed, 3) for seed in range(4)))
    assert (random.random(), float(np.random.rand()), float(torch.rand(1))) == expected


def test_every_task_has_its_own_grad_mode_and_error_settings_of_numpy() -> None:
    broker, modes = Broker(2), []

    def function(items: list[str]) -> list[str]:
        modes.append((torch.is_grad_enabled(), np.geterr()["divide"]))
        return items

    def off() -> None:
        with torch.no_grad(), np.errstate(divide="raise"):
            broker.ask(function, ["a"])
            assert not torch.is_grad_enabled()
            assert np.geterr()["divide"] == "raise"

    def on() -> None:
        for item in "abc":
            assert torch.is_grad_enabled()
            assert np.geterr()["divide"] == "print"
            broker.ask(function, [item])

    with np.errstate(divide="print"):
        values(broker.run([off, on, off]))
    assert modes == [(True, "print")] * 3
    assert torch.is_grad_enabled()


def test_in_inference_mode_nothing_waits() -> None:
    broker, shared = Broker(2), Lengths()

    def task() -> None:
        with torch.inference_mode():
            broker.ask(shared.ask, ["a"])

    values(broker.run([task, task]))
    assert shared.calls == [["a"], ["a"]]


# --- time -----------------------------------------------------------------------------------------------------------


def hanging(broker: Broker, swallowed: type[BaseException] = Exception, times: int = 1) -> Callable[[], str]:
    """Never comes back; a library that swallows the first exceptions and goes on."""

    def task() -> str:
        with broker.limited():
            for _ in range(times):
                try:
                    while True:
                        pass
                except swallowed:
                    continue
        return "robust"

    return task


def stops(signum: int, frame: Any) -> None:
    raise AssertionError("not interrupted")


@pytest.mark.parametrize(("swallowed", "times"), [(Exception, 1), (BaseException, 1), (BaseException, 3)])
def test_a_task_that_hangs_is_ended_and_the_others_go_on(
    swallowed: type[BaseException], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm, "AGAIN", 0.1)
    broker, shared = Broker(3), Lengths()
    other = asking(broker, shared.ask, ["a"], ["b"])
    ended = sorted(broker.run([other, hanging(broker, swallowed, times), other], 0.2))
    assert [one.value for one in ended] == [[[1], [1]], None, [[1], [1]]]
    assert isinstance(ended[1].error, TimeLimit)
    assert "more than 0.2 s by itself" in str(ended[1].error)


def test_waiting_and_common_calls_are_not_the_task_s_own_time() -> None:
    broker, took = Broker(2), []

    def slow(items: list[str]) -> list[str]:
        started = time.perf_counter()
        time.sleep(0.5)
        took.append(time.perf_counter() - started)
        return items

    def patient() -> float:
        with broker.limited():
            for item in "abc":
                broker.ask(slow, [item])
        return broker.clock()

    found = values(broker.run([patient, asking(broker, slow, ["x"], ["y"])], 1.0))
    share = took[0] / 2 + took[1] / 2 + took[2]  # the first two calls had two items each
    assert len(took) == 3
    assert share <= found[0] < share + 0.4


def test_the_limit_counts_what_was_spent_before_and_rings_inside_only() -> None:
    broker, shared = Broker(1), Lengths()

    def busy(seconds: float) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            pass

    def task() -> int:
        rounds = 0
        busy(0.6)  # before: not interrupted, but spent
        try:
            with broker.limited():
                while True:
                    busy(0.1)
                    broker.ask(shared.ask, ["a"])
                    rounds += 1
        except TimeLimit:
            busy(0.6)  # afterwards: not interrupted again
            return rounds

    assert values(broker.run([task], 1.0))[0] <= 4
    assert values(broker.run([task], 0.1))[0] == 0


def test_handler_and_timer_of_someone_else_come_back() -> None:
    before = signal.signal(signal.SIGALRM, stops)
    timer = signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        broker = Broker(1)
        list(broker.run([hanging(broker)], 0.1))
        assert signal.getsignal(signal.SIGALRM) is stops
        assert 90 < signal.getitimer(signal.ITIMER_REAL)[0] < 99.95
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)


def test_off_the_main_thread_there_is_no_limit() -> None:
    found: list[Any] = []

    def work() -> None:
        broker = Broker(2)

        def task() -> str:
            with broker.limited():
                time.sleep(0.1)
            return "done"

        found.extend(values(broker.run([task], 0.01)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert found == ["done"]


def test_concurrency_is_positive() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Broker(0)
