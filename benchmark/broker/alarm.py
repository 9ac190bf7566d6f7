"""A clock that interrupts Python code which runs for too long, by a signal of the operating system."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

AGAIN = 5.0
"""Seconds after which it rings again: a library may have swallowed the first exception."""
SOON = 1e-4


class Alarm:
    """Calls ``ring()``, which raises, in the running code after a time; use as a context manager.

    It works in the main thread of a process and where ``signal.setitimer`` exists (not on Windows); elsewhere it
    never rings. Code that does not come back to the interpreter is interrupted when it does. A timer and a handler
    of someone else are put back at the end; what is left on that timer does not grow meanwhile.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._set = False
        self._works = False

    def __enter__(self) -> Alarm:
        import signal
        import threading

        self._works = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        if self._works:
            self._started = time.monotonic()
            self._handler = signal.getsignal(signal.SIGALRM)
            self._timer = signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        import signal

        self.stop()
        if self._works:
            signal.signal(signal.SIGALRM, signal.SIG_DFL if self._handler is None else self._handler)
            left, interval = self._timer
            if left:
                left = max(SOON, left - (time.monotonic() - self._started))
            signal.setitimer(signal.ITIMER_REAL, left, interval)

    def start(self, seconds: float) -> None:
        """Ring after ``seconds`` of wall-clock time (at once where none are left), and then again and again."""
        import signal

        if self._works:
            self._set = True
            signal.setitimer(signal.ITIMER_REAL, max(SOON, seconds), AGAIN)

    def stop(self) -> None:
        """Be silent until the next start."""
        import signal

        self._set = False  # first: a signal that is on its way finds it
        if self._works:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _handle(self, number: int, frame: Any) -> None:
        if self._set:
            self._ring()
