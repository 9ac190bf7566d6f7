"""The index of all pages: ``README.md`` for people, ``index.json`` with the digest of every file and every cell.

The index is what makes "a published version only ever gets more rows" something that can be checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from benchmark.errors import BadRecord, StoreError
from benchmark.identity import digest
from benchmark.leaderboard.badges import standing
from benchmark.leaderboard.digests import sha256
from benchmark.leaderboard.evidence import RECORDS, Evidence, json_bytes
from benchmark.records import CellFile, Status, Strict
from benchmark.suite import Suite

INDEX = "index.json"
README = "README.md"
MARK = "<!-- written by `bench leaderboard publish`; do not edit -->"
SCHEMA = 1


class IndexedPage(Strict):
    """One page. ``files`` maps paths below it to their sha256, ``cells`` keys to :func:`cell_digest`."""

    title: str
    rows: int
    claimed: int
    files: dict[str, str]
    cells: dict[str, str]


class Index(Strict):
    """``index.json``; pages by their path, such as ``mini/v1``."""

    schema_version: int = SCHEMA
    pages: dict[str, IndexedPage]


def cell_digest(cell: CellFile, records: bytes) -> str:
    """Digest of what a published cell may never change: everything but its status, and its records."""
    fixed = cell.model_dump(mode="json", exclude={"status", "external"})
    fixed["provenance"] = {name: value for name, value in cell.provenance.items() if name != "verification"}
    return digest({"cell": fixed, "records": sha256(records)})


def cell_digests(evidence: Evidence, files: Mapping[str, bytes]) -> dict[str, str]:
    """Digests of all cells, by key; ``files`` holds those of the evidence, as they are written."""
    return {cell.key: cell_digest(cell, files[f"{RECORDS}/{cell.key}.jsonl"]) for cell in evidence.cells}


def indexed(suite: Suite, evidence: Evidence, files: Mapping[str, bytes]) -> IndexedPage:
    """The entry of a page with these files."""
    rows: dict[tuple[str, str, str, int], list[CellFile]] = {}
    for cell in evidence.cells:
        rows.setdefault((cell.dataset, cell.model, cell.defense, cell.seed), []).append(cell)
    claimed = sum(standing(cells)[0] is Status.CLAIMED for cells in rows.values())
    digests = {name: sha256(data) for name, data in sorted(files.items())}
    return IndexedPage(
        title=suite.title, rows=len(rows), claimed=claimed, files=digests, cells=cell_digests(evidence, files)
    )


def read_index(root: Path) -> Index | None:
    """The index of a folder of pages; None where there is none. Raises BadRecord for a damaged one."""
    path = root / INDEX
    try:
        return Index.model_validate(json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as problem:
        first = problem.errors()[0]
        field = ".".join(map(str, first["loc"])) or "(top)"
        raise BadRecord(f"{path}: field '{field}': {first['msg']}", "Restore it from a copy") from None
    except (OSError, ValueError, RecursionError) as problem:
        raise BadRecord(f"{path} cannot be read ({problem})", "Restore it from a copy") from None


def index_files(index: Index) -> dict[str, bytes]:
    """``README.md`` and ``index.json``."""
    return {INDEX: json_bytes(index.model_dump(mode="json")), README: _readme(index).encode()}


def write_index(root: Path, index: Index) -> None:
    """Write both files. A ``README.md`` that somebody else wrote is left alone."""
    from benchmark.store import write_atomic

    for name, data in index_files(index).items():
        path = root / name
        try:
            foreign = name == README and path.exists() and MARK not in path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            raise StoreError(f"{path} cannot be read ({problem})", "Move it away, or choose another folder") from None
        if not foreign:
            write_atomic(path, data.decode())


def lost_cells(entry: IndexedPage, now: Mapping[str, str]) -> list[str]:
    """Published cells that a page lacks or has changed, in words."""
    return [
        f"cell {key} was {'changed' if key in now else 'removed'} since it was published"
        for key, old in sorted(entry.cells.items())
        if now.get(key) != old
    ]


def ordered(names: Iterable[str]) -> list[str]:
    """Pages by suite, newest version first."""

    def place(name: str) -> tuple[str, int]:
        suite, _, version = name.rpartition("/v")
        return suite, -int(version) if version.isdigit() else 0

    return sorted(names, key=place)


def _readme(index: Index) -> str:
    lines = [
        MARK,
        "# Leaderboards",
        "",
        "One folder a suite, one a version: `<suite>/v<N>/leaderboard.md` is the page, all beside it its evidence.",
        "`bench leaderboard check leaderboards` computes every page again from that evidence and compares, byte for",
        "byte; it needs no torch. A published version never changes but for added rows. Pages of different suites or",
        "versions do not compare; `bench leaderboard diff A B` says what moved between two, and why.",
        "",
        "| suite | version | title | rows | claimed, not yet verified |",
        "|---|---|---|---:|---:|",
    ]
    newest: set[str] = set()
    for name in ordered(index.pages):
        page = index.pages[name]
        suite, _, version = name.rpartition("/v")
        title = page.title.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
        state = "superseded: " if suite in newest else ""
        newest.add(suite)
        lines.append(
            f"| {suite} | [{version}]({name}/leaderboard.md) | {state}{title} | {page.rows} | {page.claimed} |"
        )
    return "\n".join(lines) + "\n"
