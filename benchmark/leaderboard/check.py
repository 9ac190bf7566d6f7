"""Verify a published page from its own files: no model, no dataset, no network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from benchmark.errors import BadRecord, BenchError
from benchmark.leaderboard.audit import audit
from benchmark.leaderboard.evidence import evidence_files, read_evidence
from benchmark.leaderboard.publish import JSON, MARKDOWN, PNG, SUITE, SVG, page_files, read_frozen
from benchmark.leaderboard.table import build_table

PLOTS = (PNG, SVG)
"""Present or absent, never compared: their bytes depend on the version of the plotting library."""


def check(path: Path) -> list[str]:
    """Every difference between a page and what its evidence says; empty for a sound page.

    ``path`` is the folder of one page, or one that holds pages (``leaderboards`` or ``leaderboards/<suite>``). Raises
    BadRecord when there is no page.
    """
    if (path / SUITE).exists() or (path / JSON).exists() or (path / MARKDOWN).exists():
        return _check_page(path)
    pages = sorted({found.parent for name in (SUITE, JSON) for found in path.rglob(name)})
    if not pages:
        raise BadRecord(f"{path} holds no published page", "Give a folder such as leaderboards/<suite>/v1")
    return [f"{page.relative_to(path).as_posix()}: {problem}" for page in pages for problem in _check_page(page)]


def _check_page(page: Path) -> list[str]:
    try:
        suite = read_frozen(page)
        evidence = read_evidence(page)
    except BenchError as problem:
        return [_relative(page, problem.message)]
    problems = audit(suite, evidence)
    expected = evidence_files(evidence)
    problems += _digests(page, expected)
    problems += [f"{name} is not written canonically" for name in expected if _bytes(page / name) != expected[name]]
    try:
        table = build_table(suite, evidence)
    except BenchError as problem:
        return [*problems, problem.message, *_stray(page, expected)]
    rendered = page_files(table, evidence)
    problems += [p for name, data in rendered.items() for p in _compare(name, _bytes(page / name), data)]
    return problems + _stray(page, {**expected, **rendered})


def _digests(page: Path, expected: Mapping[str, bytes]) -> list[str]:
    """Evidence files whose digest is not the one ``leaderboard.json`` was published with."""
    try:
        recorded = json.loads((page / JSON).read_bytes())["evidence"]
        items = {str(name): str(digest) for name, digest in recorded.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []  # reported as a difference of leaderboard.json itself
    problems = [f"{name} was published, but has no cell now" for name in sorted(items.keys() - expected.keys())]
    for name in expected:
        data = _bytes(page / name)
        if name not in items:
            problems.append(f"{name} is not among the published evidence")
        elif data is not None and hashlib.sha256(data).hexdigest() != items[name]:
            problems.append(f"{name} was changed after the page was published")
    return problems


def _compare(name: str, found: bytes | None, expected: bytes) -> list[str]:
    if found == expected:
        return []
    if found is None:
        return [f"{name} is missing"]
    old, new = found.split(b"\n"), expected.split(b"\n")
    lines = (n for n, (a, b) in enumerate(zip(old, new, strict=False), 1) if a != b)
    line = next(lines, min(len(old), len(new)) + 1)
    return [f"{name} differs from what the evidence gives, first in line {line}"]


def _stray(page: Path, expected: Mapping[str, bytes]) -> list[str]:
    known = {*expected, *PLOTS, SUITE, JSON, MARKDOWN}
    found = sorted(path.relative_to(page).as_posix() for path in page.rglob("*") if not path.is_dir())
    return [f"stray file {name}" for name in found if name not in known]


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _relative(page: Path, message: str) -> str:
    return message.replace(f"{page}/", "")
