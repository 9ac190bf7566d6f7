"""A local file as a dataset: one row an example, cut into parts by the hash rule of :mod:`benchmark.data.parts`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmark.api import Example, Splits
from benchmark.data.parts import example_id, split_by_hash
from benchmark.data.readers import Row, read_rows
from benchmark.errors import BadData


def load_local(path: Path, text_column: str, label_column: str) -> tuple[tuple[str, ...], Splits]:
    """Label names and parts of a ``.jsonl``, ``.jsonl.gz``, ``.csv``, ``.tsv`` or ``.parquet`` file in UTF-8.

    Labels may be names, whole numbers or true/false; they are numbered in sorted order (numbers by value). A repeated
    text counts once, a text with different labels is left out. Raises BadData naming file, row and column for a
    missing file or column, an unreadable row, an empty text, a missing label, fewer than two labels, and for a file so
    small that the hash rule leaves a part empty.
    """
    rows = [
        (_text(row, path, text_column), _label(row, path, label_column))
        for row in read_rows(path, text_column, label_column)
    ]
    if not rows:
        raise BadData(f"{path} has no rows", "Give a file with at least one text in every part")
    provisional = _names(label for _, label in rows)
    splits = split_by_hash(Example(example_id(t), t, provisional.index(label)) for t, label in rows)
    left = sorted({example.label for part in splits for example in part})
    if len(left) < 2:
        found = ", ".join(provisional[i] for i in left) or "none"
        raise BadData(
            f"{path}, column '{label_column}': classification needs two labels or more, found: {found} "
            "(texts that occur with different labels do not count)",
            "Give another label column (label_column) or a file with more classes",
        )
    empty = [name for name, part in zip(Splits._fields, splits, strict=True) if not part]
    if empty:
        raise BadData(
            f"{path} is too small: of {sum(map(len, splits))} different texts none falls into part {', '.join(empty)}",
            "Parts are cut by hash (8 to 1 to 1); give a file with a few dozen texts at least",
        )
    number = {old: new for new, old in enumerate(left)}
    renumbered = Splits(*([Example(e.id, e.text, number[e.label]) for e in part] for part in splits))
    return tuple(provisional[i] for i in left), renumbered


def _text(row: Row, path: Path, column: str) -> str:
    value = row.text
    if value is None or (isinstance(value, str) and not value.strip()):
        raise _bad(path, row, column, "the text is empty", "Remove the row or fill it in")
    if not isinstance(value, str):
        raise _bad(path, row, column, f"the text is a {type(value).__name__}, not a string", "Check text_column")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _bad(path, row, column, "the text holds half of a surrogate pair", "Save the file as UTF-8") from None
    return value.strip()


def _label(row: Row, path: Path, column: str) -> str:
    value: Any = row.label
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    if value is None or value == "" or isinstance(value, str) or (isinstance(value, float) and math.isnan(value)):
        raise _bad(path, row, column, "the label is missing", "Remove the row or label it")
    raise _bad(path, row, column, f"{value!r:.60} is no label", "Labels are names, whole numbers or true/false")


def _names(labels: Iterable[str]) -> list[str]:
    found = set(labels)
    if all(re.fullmatch(r"-?[0-9]+", label) for label in found):
        return sorted(found, key=lambda label: (int(label), label))
    return sorted(found)


def _bad(path: Path, row: Row, column: str, what: str, hint: str) -> BadData:
    return BadData(f"{path}, row {row.number}, column '{column}': {what}", hint)
