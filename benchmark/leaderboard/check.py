"""Verify a published page from its own files: no model, no dataset, no network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.errors import BadRecord, BenchError
from benchmark.leaderboard.audit import audit
from benchmark.leaderboard.collector import paused_collector
from benchmark.leaderboard.digests import DIGESTS, changed_row, read_digests, sha256
from benchmark.leaderboard.evidence import RECORDS, Evidence, evidence_files, read_evidence
from benchmark.leaderboard.index import (
    INDEX,
    MARK,
    README,
    Index,
    IndexedPage,
    cell_digests,
    index_files,
    lost_cells,
    read_index,
)
from benchmark.leaderboard.parquet import PARQUET, parquet_problem
from benchmark.leaderboard.plots import known_files
from benchmark.leaderboard.publish import JSON, MARKDOWN, SUITE, evidence_digest, page_files, read_frozen
from benchmark.leaderboard.table import build_table
from benchmark.leaderboard.versions import words
from benchmark.leaderboard.view import check_view, view_names
from benchmark.records import CellFile
from benchmark.suite import Suite

PLOTS = known_files()
"""Present or absent, never computed again: their bytes depend on the version of the plotting library."""


@dataclass
class Report:
    """What a check found. ``notes`` are no differences: what could not be computed again, and what vouches for it."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, other: Report) -> None:
        """Take in the report of the page ``name``."""
        self.problems += [f"{name}: {problem}" for problem in other.problems]
        self.notes += [f"{name}: {note}" for note in other.notes]


def check(path: Path) -> list[str]:
    """Every difference between a page and what its evidence says; empty for a sound page. See :func:`inspect`."""
    return inspect(path).problems


@paused_collector()
def inspect(path: Path) -> Report:
    """Check a page, or all pages below a folder and its index.

    ``path`` is the folder of one page, or one that holds pages (``leaderboards`` or ``leaderboards/<suite>``). Raises
    BadRecord when there is no page.
    """
    if (path / SUITE).exists() or (path / JSON).exists() or (path / MARKDOWN).exists():
        page = path.resolve()
        root = page.parents[1]
        try:
            index = read_index(root)
        except BadRecord as problem:
            return Report([_relative(root, problem.message)])
        return _page(path, index.pages.get(page.relative_to(root).as_posix()) if index else None)
    pages = sorted({found.parent for name in (SUITE, JSON) for found in path.rglob(name)})
    if not pages:
        raise BadRecord(f"{path} holds no published page", "Give a folder such as leaderboards/<suite>/v1")
    report = Report()
    index = _index(path, report)
    for page in pages:
        name = page.relative_to(path).as_posix()
        if index is None and not (path / INDEX).exists():
            report.add(name, inspect(page))
            continue
        entry = index.pages.get(name) if index else None
        if index is not None and entry is None:
            report.problems.append(f"{name}: is not in {INDEX}")
        report.add(name, _page(page, entry))
    return report


def _index(root: Path, report: Report) -> Index | None:
    """The index of a folder of pages, with what is wrong with it reported."""
    try:
        index = read_index(root)
    except BadRecord as problem:
        report.problems.append(_relative(root, problem.message))
        return None
    if index is None:
        return None
    for name, data in index_files(index).items():
        found = _bytes(root / name)
        if name == README and found is not None and MARK.encode() not in found:
            continue  # somebody's own words
        report.problems += _compare(name, found, data, "the pages give")
    report.problems += [f"{name}: was published, but is gone" for name in index.pages if not (root / name).is_dir()]
    return index


def _page(page: Path, entry: IndexedPage | None) -> Report:
    try:
        suite = read_frozen(page)
        evidence = read_evidence(page)
    except BenchError as problem:
        return Report([_relative(page, problem.message), *_changed(page, _published(page), ())])
    report = Report(audit(suite, evidence))
    written = evidence_files(evidence)
    expected = dict(written)
    if DIGESTS not in _published(page) and _bytes(page / DIGESTS) is None:
        del expected[DIGESTS]  # a page from before it
    report.problems += _changed(page, expected, evidence.cells)
    for name, data in expected.items():
        report.problems += _compare(name, _bytes(page / name), data, "its records give")
    report.problems += lost_cells(entry, cell_digests(evidence, written)) if entry else []
    rendered: dict[str, bytes] = {}
    try:
        rendered = _rendered(page, suite, evidence, written, report, entry)
    except BenchError as problem:
        report.problems.append(problem.message)
    report.problems += _indexed(page, entry)
    report.problems += _stray(page, {*expected, *rendered, *(entry.files if entry else ())})
    return report


def _rendered(
    page: Path,
    suite: Suite,
    evidence: Evidence,
    written: Mapping[str, bytes],
    report: Report,
    entry: IndexedPage | None,
) -> dict[str, bytes]:
    """The files that follow from the evidence, compared with those that are there."""
    parquet = _bytes(page / PARQUET)
    table = build_table(suite, evidence)
    rendered = page_files(table, written, parquet)
    if PARQUET in _published(page) and parquet is None:
        report.problems.append(f"{PARQUET} is missing")
    old, new = _json(_bytes(page / JSON)).get("method"), json.loads(rendered[JSON])["method"]
    if entry and old is not None and old != new:
        report.notes.append(
            "it was published with another metric, so its numbers are not computed again; its evidence is sound in "
            f"itself, and its files are those that {INDEX} lists"
        )
    else:
        viewed = check_view(page, table, evidence, evidence_digest(written))
        report.problems += viewed.problems
        rendered |= viewed.files
        for name, data in rendered.items():
            report.problems += _compare(name, _bytes(page / name), data, "the evidence gives")
    if parquet is not None and sha256(parquet) == _published(page).get(PARQUET):
        problem = parquet_problem(parquet, evidence)
        report.problems += [f"{PARQUET} {problem}"] if problem else []
    rendered |= dict.fromkeys(view_names(evidence) - rendered.keys(), b"")
    return rendered if parquet is None else {**rendered, PARQUET: parquet}


def _published(page: Path) -> dict[str, Any]:
    """File names and digests that ``leaderboard.json`` was published with; empty where it cannot be read."""
    found = _json(_bytes(page / JSON)).get("evidence")
    return found if isinstance(found, dict) else {}


def _changed(page: Path, expected: Iterable[str], cells: Iterable[CellFile]) -> list[str]:
    """Evidence files whose digest is not the published one, with the first row that was changed."""
    items = _published(page)
    if not items:
        return []  # reported as a difference of leaderboard.json itself
    rows = read_digests(_bytes(page / DIGESTS))
    names = {f"{RECORDS}/{cell.key}.jsonl": f" {words(cell)}" for cell in cells}
    known = {*expected, PARQUET}
    problems = [f"{name} was published, but has no cell now" for name in sorted(items.keys() - known)]
    for name in sorted(known):
        data = _bytes(page / name)
        if data is None:
            continue
        if name not in items:
            problems.append(f"{name} is not among the published evidence")
        elif sha256(data) != items[name]:
            row = changed_row(name, data, rows.get(name))
            where = names.get(name, "") + (f", row {row}," if row else "")
            problems.append(f"{name}{where} was changed after the page was published")
    return problems


def _indexed(page: Path, entry: IndexedPage | None) -> list[str]:
    """Files that are not the ones the index lists."""
    problems = []
    for name, listed in entry.files.items() if entry else ():
        data = _bytes(page / name)
        if data is None:
            problems.append(f"{name} is listed in {INDEX}, but missing")
        elif sha256(data) != listed:
            problems.append(f"{name} is not the file that {INDEX} lists")
    return problems


def _compare(name: str, found: bytes | None, expected: bytes, what: str) -> list[str]:
    if found == expected:
        return []
    if found is None:
        return [f"{name} is missing"]
    old, new = found.split(b"\n"), expected.split(b"\n")
    lines = (n for n, (a, b) in enumerate(zip(old, new, strict=False), 1) if a != b)
    line = next(lines, min(len(old), len(new)) + 1)
    return [f"{name} differs from what {what}, first in line {line}"]


def _stray(page: Path, expected: set[str]) -> list[str]:
    known = {*expected, *PLOTS, SUITE, JSON, MARKDOWN, PARQUET}
    found = sorted(path.relative_to(page).as_posix() for path in page.rglob("*") if not path.is_dir())
    return [f"stray file {name}" for name in found if name not in known]


def _json(data: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _relative(page: Path, message: str) -> str:
    return message.replace(f"{page}/", "")
