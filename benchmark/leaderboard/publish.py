"""Write a page: ``<target>/<suite>/v<version>/`` with the frozen suite, the table and the evidence."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from benchmark.errors import BadRecord, BenchError, StoreError
from benchmark.leaderboard.audit import audit
from benchmark.leaderboard.evidence import (
    CELLS,
    RECORDS,
    Evidence,
    evidence_files,
    json_bytes,
    make_evidence,
    read_cells,
)
from benchmark.leaderboard.jsonpage import json_page
from benchmark.leaderboard.markdown import markdown_page
from benchmark.leaderboard.selection import Prescribed, RecordSource, coordinates, freeze, frozen_changes, select
from benchmark.leaderboard.table import Table, build_table
from benchmark.suite import Suite

SUITE = "suite.json"
JSON = "leaderboard.json"
MARKDOWN = "leaderboard.md"
SVG = "plots/clean-vs-worst.svg"
PNG = "plots/clean-vs-worst.png"


class FrozenPage(BenchError):
    """A published page that the new one may not replace."""


def publish(suite: Suite, store: RecordSource, target: Path, prescribed: Prescribed | None = None) -> list[Path]:
    """Publish every complete cell of ``suite`` and return the written files, sorted.

    ``prescribed`` (what the installed plugins make of the suite) keeps cells with other options out; default: only the
    options that the suite spells out are compared.

    Raises NothingToPublish without a complete cell, FrozenPage when a page of this version was published under other
    conditions or holds cells that this store lacks, and BadRecord for records that contradict themselves.
    """
    cells = select(suite, store, prescribed)
    frozen = freeze(suite, cells)
    page = target / suite.name / f"v{suite.version}"
    evidence = make_evidence(
        cells,
        {cell.key: store.records(cell) for cell in cells if cell.attack is not None},
        {cell.key: store.clean_records(cell) for cell in cells if cell.attack is None},
    )
    _refuse_conflicts(page, frozen, evidence)
    problems = audit(frozen, evidence)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise BadRecord(f"the records do not pass the page's own check: {problems[0]}{more}", "Run that cell again")
    table = build_table(frozen, evidence)
    from benchmark.leaderboard.plots import plot

    svg, png = plot(table)
    files = {**evidence_files(evidence), **page_files(table, evidence), SVG: svg, PNG: png}
    _write(page, files)
    _remove_stale(page, files)
    return sorted(page / name for name in files)


def page_files(table: Table, evidence: Evidence) -> dict[str, bytes]:
    """The files that are a function of the frozen suite and the evidence, byte for byte."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in evidence_files(evidence).items()}
    whole = hashlib.sha256(json_bytes(digests)).hexdigest()
    return {
        JSON: json_page(table, digests),
        MARKDOWN: markdown_page(table, whole).encode(),
        SUITE: suite_bytes(table.suite),
    }


def suite_bytes(suite: Suite) -> bytes:
    """A frozen suite as stored beside its page."""
    return json_bytes(suite.model_dump(mode="json"))


def read_frozen(page: Path) -> Suite:
    """The suite stored beside a page; raises BadRecord."""
    path = page / SUITE
    try:
        return Suite.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise BadRecord(f"{path} is missing", "Give the folder of a page, such as leaderboards/<suite>/v1") from None
    except ValidationError as problem:
        first = problem.errors()[0]
        field = ".".join(map(str, first["loc"])) or "(top)"
        raise BadRecord(f"{path}: field '{field}': {first['msg']}", "Restore it from a copy") from None
    except (OSError, ValueError) as problem:
        raise BadRecord(f"{path} cannot be read ({problem})", "Restore it from a copy") from None


def _refuse_conflicts(page: Path, frozen: Suite, evidence: Evidence) -> None:
    if not (page / SUITE).exists():
        return
    changed = frozen_changes(read_frozen(page), frozen)
    if changed:
        raise FrozenPage(
            f"{page} was published under another suite; changed: {', '.join(changed)}",
            "A published version is frozen: raise the version in the suite file and run again",
        )
    path = page / CELLS
    if path.exists():
        published = read_cells(path)
        lost = {coordinates(cell) for cell in published} - {coordinates(cell) for cell in evidence.cells}
        if lost:
            dataset, _, defense, seed, attack = min(lost)
            raise FrozenPage(
                f"{page} has {len(lost)} cells that this store lacks, such as {dataset}, {defense}, "
                f"{attack or 'clean evaluation'}, seed {seed}; publishing would remove them",
                "Merge the stores, run the missing cells, or delete the folder to start the page anew",
            )


def _write(page: Path, files: Mapping[str, bytes]) -> None:
    """Write everything to a folder beside the page first, then move file by file: no reader sees half a file."""
    try:
        page.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{page.name}-", dir=page.parent))
        try:
            for name, data in files.items():
                path = staging / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            for name in files:
                (page / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(staging / name, page / name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise StoreError(f"cannot write the page {page} ({reason})", "Choose another --out, or free space") from problem


def _remove_stale(page: Path, files: Mapping[str, bytes]) -> None:
    """Records of cells that were replaced; nothing else is ever removed."""
    for path in sorted((page / RECORDS).glob("*.jsonl")):
        if f"{RECORDS}/{path.name}" not in files:
            path.unlink()
