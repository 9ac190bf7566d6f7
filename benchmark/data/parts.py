"""The fixed parts of a dataset that comes without them: cut by a hash of the text, so that order never matters.

Public for plugins: a dataset that uses these functions has ids and parts that agree on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from benchmark.api import Example, Splits

VALIDATION_PART = 8
TEST_PART = 9


def part_of(text: str) -> int:
    """The part 0..9 of a text: sha256 of the stripped text, modulo 10. 0-7 train, 8 validation, 9 test."""
    return int(hashlib.sha256(text.strip().encode("utf-8")).hexdigest(), 16) % 10


def example_id(text: str) -> str:
    """The id of a text: the first 16 hex digits of the sha256 of the stripped text."""
    return hashlib.sha256(text.strip().encode("utf-8")).hexdigest()[:16]


def unique(examples: Iterable[Example]) -> list[Example]:
    """One example an id, in order of first appearance.

    Repeated texts count once (else they would weigh more, and could not be told apart by id); a text that occurs with
    different labels is dropped altogether, because neither label can be trusted.
    """
    first: dict[str, Example] = {}
    conflicting: set[str] = set()
    for example in examples:
        known = first.setdefault(example.id, example)
        if known.label != example.label:
            conflicting.add(example.id)
    return [example for example in first.values() if example.id not in conflicting]


def split_by_hash(examples: Iterable[Example]) -> Splits:
    """The three parts by :func:`part_of`, made of :func:`unique` examples, each in the order of ``examples``."""
    parts: tuple[list[Example], list[Example], list[Example]] = ([], [], [])
    for example in unique(examples):
        parts[max(0, part_of(example.text) - VALIDATION_PART + 1)].append(example)
    return Splits(*parts)
