"""Errors a user can act on: what happened, where, and the next step, in one line each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchError(Exception):
    """An expected failure. The command line prints it in one line, without a traceback.

    ``message`` says what and where; ``hint`` says what to do next.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(kind: type[BenchError], message: str, hint: str) -> BenchError:
    """Restore an error that crossed a process border, whatever its constructor takes."""
    error = kind.__new__(kind)
    BenchError.__init__(error, message, hint)
    return error


class UnknownName(BenchError):
    """A name that nothing is registered under; near names are suggested."""

    exit_code = 2

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        listed = ", ".join(near or names) or "none is registered"
        hint = f"Did you mean: {listed}?" if near else f"Known: {listed}; `bench list` shows all"
        super().__init__(f"there is no {kind} called '{name}'", hint)


class DuplicateName(BenchError):
    """Two plugins registered an item of the same kind under one name."""


class PluginLoadError(BenchError):
    """A plugin could not be imported or its hook raised; its items are disabled."""


class BadSuite(BenchError):
    """A suite file that does not fit its schema; names the line and the field."""

    exit_code = 2


class BadData(BenchError):
    """A dataset file with a missing column, an empty text or an unknown label; names file, row and column."""

    exit_code = 2


class BadOptions(BenchError):
    """Options that an item does not know, or values it refuses."""

    exit_code = 2


class AssetMissing(BenchError):
    """A pinned file that is not in the cache and could not be fetched."""


class AssetCorrupt(BenchError):
    """A file whose sha256 is not the pinned one, twice in a row."""


class NotApplicable(BenchError):
    """A combination of parts that cannot work; the reason is shown in the plan."""


class BadRecord(BenchError):
    """A stored record that does not fit its schema or does not belong where it lies."""


class NewerSchema(BadRecord):
    """A stored file written by a newer version of this package."""


class StoreError(BenchError):
    """The store or the cache cannot be written: no permission, no space, or in use."""


class RunFailed(BenchError):
    """Some cells of a run failed; the others are stored."""


class BudgetExhausted(Exception):
    """Raised inside an attack at the query that would overshoot the budget. Attacks must let it pass."""


class TimeLimit(BaseException):
    """Raised inside an attack that has run for too long. No Exception, so that a library that goes on does not."""
