"""Subsets that are the same on every machine: evenly over labels, in the order of the sha256 of the id."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from benchmark.api import Example
from benchmark.errors import BadData


def stratified_rows(examples: Sequence[Example], n: int) -> list[Example]:
    """At most ``n`` examples, evenly over labels, in id order.

    Labels take turns (in label order), each giving its example of smallest sha256(id), until ``n`` are drawn; a label
    that has run out is passed over. So the counts of two labels differ by one at most unless a label is too rare, the
    order of ``examples`` does not matter, and the draw of a smaller ``n`` is part of the draw of a larger one.
    """
    queues: dict[int, list[Example]] = {}
    for example in sorted({e.id: e for e in examples}.values(), key=lambda e: _rank(e.id)):
        queues.setdefault(example.label, []).append(example)
    turns = [(turn, example) for queue in queues.values() for turn, example in enumerate(queue)]
    turns.sort(key=lambda item: (item[0], item[1].label))
    return sorted((example for _, example in turns[: max(0, n)]), key=lambda e: e.id)


def stratified_ids(examples: Sequence[Example], size: int) -> tuple[str, ...]:
    """The sorted ids of :func:`stratified_rows`."""
    return tuple(example.id for example in stratified_rows(examples, size))


def select(examples: Sequence[Example], ids: Sequence[str]) -> list[Example]:
    """The examples with these ids, in the order of ``ids``; raises BadData naming those that are not there."""
    known = {example.id: example for example in examples}
    missing = [i for i in ids if i not in known]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise BadData(
            f"{len(missing)} of {len(ids)} sample ids are not in the test part: {', '.join(missing[:5])}{more}",
            "The suite's sample belongs to another revision of the dataset; use the suite and data of one version",
        )
    return [known[i] for i in ids]


def _rank(identifier: str) -> tuple[str, str]:
    return hashlib.sha256(identifier.encode("utf-8")).hexdigest(), identifier
