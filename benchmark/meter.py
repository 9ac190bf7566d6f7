"""A stop watch for functions: how long each part of a program ran by itself, without what it called of other parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any


@dataclass
class Part:
    """One part's account: seconds by itself, calls, and items (texts, rows) that it was called for."""

    seconds: float = 0.0
    calls: int = 0
    items: int = 0


class Meter:
    """Accounts by part. For one thread, and for functions that no other task interrupts."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._inside: list[float] = []
        self.parts: dict[str, Part] = {}

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function`` with its time on the account of ``part``.

        The time of a call inside another one is on the account of its own part only. Items are the length of the first
        argument, where it is a list or a tuple.
        """

        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            account = self.parts.setdefault(part, Part())
            began = self._clock()
            self._inside.append(0.0)
            try:
                return function(*arguments, **named)
            finally:
                took = self._clock() - began
                account.seconds += took - self._inside.pop()
                if self._inside:
                    self._inside[-1] += took
                account.calls += 1
                if arguments and isinstance(arguments[0], list | tuple):
                    account.items += len(arguments[0])

        return timed

    def attach(self, part: str, thing: Any, method: str) -> None:
        """Put :meth:`around` a method of ``thing``, in its place."""
        setattr(thing, method, self.around(part, getattr(thing, method)))

    def clear(self) -> None:
        """Empty all accounts."""
        self.parts.clear()
