"""Columns that no edit may touch: an attack sees the free columns only, as one text; the rest is put back behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from benchmark.api import COLUMN_SEPARATOR, TokenGradients

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.api import ContractCheck, Victim


class FrozenColumns(NamedTuple):
    """One text, taken apart. ``columns`` are all of them, ``free`` the places of those an attack may change."""

    columns: tuple[str, ...]
    free: tuple[int, ...]

    @classmethod
    def of(cls, text: str, frozen: Sequence[int]) -> FrozenColumns:
        """``text`` with the columns at ``frozen`` (from 0) held back."""
        columns = tuple(text.split(COLUMN_SEPARATOR))
        return cls(columns, tuple(i for i in range(len(columns)) if i not in set(frozen)))

    @property
    def text(self) -> str:
        """What the attack sees."""
        return COLUMN_SEPARATOR.join(self.columns[i] for i in self.free)

    def whole(self, text: str) -> str:
        """The full text around ``text``. A separator that an attack has lost leaves the later columns empty, one that
        it has added becomes a blank."""
        parts = text.split(COLUMN_SEPARATOR, max(0, len(self.free) - 1))
        parts += [""] * (len(self.free) - len(parts))
        given = dict(zip(self.free, (part.replace(COLUMN_SEPARATOR, " ") for part in parts), strict=False))
        return COLUMN_SEPARATOR.join(given.get(i, column) for i, column in enumerate(self.columns))

    def shown(self, text: str, gradients: TokenGradients) -> TokenGradients:
        """Gradients of ``whole(text)`` for the tokens that lie in ``text``, with their places in it."""
        columns = self.whole(text).split(COLUMN_SEPARATOR)
        kept: list[int] = []
        spans: list[tuple[int, int]] = []
        start = shown = 0
        for i, column in enumerate(columns):
            if i in self.free:
                inside = [n for n, (a, b) in enumerate(gradients.spans) if start <= a and b <= start + len(column)]
                kept += inside
                moved = shown - start
                spans += [(gradients.spans[n][0] + moved, gradients.spans[n][1] + moved) for n in inside]
                shown += len(column) + 1
            start += len(column) + 1
        return TokenGradients(tuple(spans), tuple(gradients.ids[n] for n in kept), gradients.gradients[kept])


class FrozenVictim:
    """A :class:`benchmark.api.Victim` that asks about the whole text."""

    def __init__(self, victim: Victim, columns: FrozenColumns) -> None:
        self._victim, self._columns = victim, columns
        self.num_labels = victim.num_labels
        self.mask_token, self.unknown_token = victim.mask_token, victim.unknown_token

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._victim.logits([self._columns.whole(text) for text in texts])

    def gradients(self, text: str, label: int) -> TokenGradients:
        return self._columns.shown(text, self._victim.gradients(self._columns.whole(text), label))

    def token_ids(self, text: str) -> list[int]:
        return self._victim.token_ids(text)

    def embedding_matrix(self) -> NDArray[np.float32]:
        return self._victim.embedding_matrix()


class Gate:
    """The :class:`benchmark.api.ContractCheck` that attacks are built with.

    One gate serves all examples, also those that are attacked side by side: what is frozen belongs to the context of
    an example (every greenlet has its own).
    """

    def __init__(self, contract: ContractCheck) -> None:
        self._contract = contract
        self.candidates, self.track = contract.candidates, contract.track
        self._columns: ContextVar[FrozenColumns | None] = ContextVar("frozen columns", default=None)

    @contextmanager
    def holding(self, columns: FrozenColumns | None) -> Iterator[None]:
        """Inside, texts are put together with the frozen ones of ``columns`` before they are judged."""
        token = self._columns.set(columns)
        try:
            yield
        finally:
            self._columns.reset(token)

    def admissible(self, original: str, candidates: Sequence[str]) -> list[bool]:
        columns = self._columns.get()
        if columns is None:
            return self._contract.admissible(original, candidates)
        whole = columns.whole
        return self._contract.admissible(whole(original), [whole(text) for text in candidates])
