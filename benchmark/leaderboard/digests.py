"""Digests of evidence, row by row, so that a change is found and its place can be named.

``evidence/digests.json`` lies beside the evidence: for each file its sha256, and 8 hex digits of the sha256 of each of
its rows. The whole digest decides whether a file was changed; those of the rows only say where.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

DIGESTS = "evidence/digests.json"
ROW_DIGITS = 8


def sha256(data: bytes) -> str:
    """The sha256 in hex."""
    return hashlib.sha256(data).hexdigest()


def rows_of(name: str, data: bytes) -> list[bytes]:
    """The rows of an evidence file: lines of records, or the entries of ``cells.json``.

    Cut at the bytes of the canonical form, so that a file which is no JSON any more still has rows.
    """
    if name.endswith(".jsonl"):
        return data.removesuffix(b"\n").split(b"\n")
    return data.split(b"\n },\n {\n")


def row_digests(name: str, data: bytes) -> str:
    """The short digests of all rows, one after the other."""
    return "".join(sha256(row)[:ROW_DIGITS] for row in rows_of(name, data))


def digests_bytes(files: Mapping[str, bytes]) -> bytes:
    """The content of ``digests.json`` for these evidence files; a line a file."""
    entries = {name: {"rows": row_digests(name, data), "sha256": sha256(data)} for name, data in sorted(files.items())}
    lines = ",\n".join(
        f" {json.dumps(name, ensure_ascii=False)}: {json.dumps(entry, sort_keys=True)}"
        for name, entry in entries.items()
    )
    return f"{{\n{lines}\n}}\n".encode()


def changed_row(name: str, data: bytes, entry: object) -> int | None:
    """The first row (from 1) that ``entry`` of ``digests.json`` was not made of; None where it cannot tell."""
    recorded = entry.get("rows") if isinstance(entry, Mapping) else None
    if not isinstance(recorded, str):
        return None
    expected = [recorded[n : n + ROW_DIGITS] for n in range(0, len(recorded), ROW_DIGITS)]
    found = [sha256(row)[:ROW_DIGITS] for row in rows_of(name, data)]
    pairs = enumerate(zip_longest(expected, found), 1)
    return next((number for number, (old, new) in pairs if old != new), None)


def read_digests(data: bytes | None) -> dict[str, Any]:
    """What ``digests.json`` holds; empty where it is missing or damaged (which is reported elsewhere)."""
    try:
        found = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
