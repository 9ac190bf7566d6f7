"""Write a page: ``<target>/<suite>/v<version>/`` with the frozen suite, the table and the evidence.

A version that is there already gets the new cells added; see :mod:`benchmark.leaderboard.versions`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmark.errors import BadRecord, BadSuite, StoreError
from benchmark.leaderboard.audit import audit
from benchmark.leaderboard.collector import paused_collector
from benchmark.leaderboard.digests import DIGESTS, sha256
from benchmark.leaderboard.evidence import (
    CELLS,
    RECORDS,
    Evidence,
    evidence_files,
    json_bytes,
    make_evidence,
    read_evidence,
)
from benchmark.leaderboard.index import INDEX, Index, indexed, lost_cells, read_index, write_index
from benchmark.leaderboard.jsonpage import json_page
from benchmark.leaderboard.markdown import markdown_page
from benchmark.leaderboard.parquet import PARQUET, parquet_bytes
from benchmark.leaderboard.plots import known_files, plot_files
from benchmark.leaderboard.selection import Prescribed, RecordSource, freeze, select
from benchmark.leaderboard.table import Table, build_table
from benchmark.leaderboard.texts import read_texts, texts_of
from benchmark.leaderboard.transfers import read_transfers, stored_transfers
from benchmark.leaderboard.versions import (
    FrozenPage,
    merged,
    page_method,
    refuse_new_conditions,
    refuse_new_metric,
)
from benchmark.leaderboard.view import Beside, read_beside, stale, view_files
from benchmark.suite import FROZEN, Suite, load_frozen

SUITE = FROZEN
JSON = "leaderboard.json"
MARKDOWN = "leaderboard.md"


@paused_collector()
def publish(
    suite: Suite, store: RecordSource, target: Path, prescribed: Prescribed | None = None, texts: bool = False
) -> list[Path]:
    """Publish every complete cell of ``suite`` and return the written files, sorted.

    ``prescribed`` (what the installed plugins make of the suite) keeps cells with other options out; default: only the
    options that the suite spells out are compared. With ``texts`` the page also holds the sentences of the attacked
    examples; without, it has their edits only.

    Raises NothingToPublish without a complete cell, FrozenPage when a page of this version was published under other
    conditions or holds one of the cells with other records, and BadRecord for records that contradict themselves.
    """
    cells = select(suite, store, prescribed)
    records = {cell.key: store.records(cell) for cell in cells if cell.attack is not None}
    evidence = make_evidence(
        cells,
        records,
        {cell.key: store.clean_records(cell) for cell in cells if cell.attack is None},
    )
    found = Beside(texts_of(evidence, records) if texts else None, stored_transfers(store, cells, records))
    del records  # the evidence has what is needed of them, and they are most of the memory
    return add(freeze(suite, cells), evidence, target, found)


def add(frozen: Suite, fresh: Evidence, target: Path, beside: Beside | None = None) -> list[Path]:
    """Add evidence to the page of a frozen suite, which is made where it is missing; returns its files, sorted.

    ``beside`` are the sentences and transferred texts of the fresh cells (no sentences: the page shall have none);
    without it the page keeps what it has. Raises as :func:`publish` does.
    """
    name = f"{frozen.name}/v{frozen.version}"
    page = target / name
    published = (page / SUITE).exists()
    evidence = fresh
    if published:
        refuse_new_conditions(page, read_frozen(page), frozen)
        if (page / CELLS).exists():
            evidence = merged(page, read_evidence(page), fresh)
    if beside is not None:
        beside = Beside(read_texts(page), read_transfers(page)).with_new(beside, evidence)
    return write_page(frozen, evidence, target, page_method(page / JSON) if published else None, beside)


def write_page(
    frozen: Suite, evidence: Evidence, target: Path, method: object = None, beside: Beside | None = None
) -> list[Path]:
    """Write all files of a page and the index of ``target``; returns the page's files, sorted.

    ``method`` is the metric that the page was published with (None: a new page), ``beside`` what the page shows besides
    its evidence (None: what it has). Raises FrozenPage, BadRecord and
    StoreError.
    """
    name = f"{frozen.name}/v{frozen.version}"
    page = target / name
    index = read_index(target) or Index(pages={})
    refuse_problems(frozen, evidence)
    table = build_table(frozen, evidence)
    parquet = parquet_bytes(evidence)
    written = evidence_files(evidence)
    rendered = page_files(table, written, parquet)
    if method is not None:
        refuse_new_metric(page, method, json.loads(rendered[JSON])["method"])
    beside = read_beside(page, evidence) if beside is None else beside
    rendered |= view_files(table, evidence, evidence_digest(written), beside)
    files = {**written, **rendered, PARQUET: parquet, **plot_files(table, evidence, beside.transfers)}
    entry = indexed(frozen, evidence, files)
    _refuse_losses(page, index, name, entry.cells)
    _write(page, files)
    _remove_stale(page, files)
    write_index(target, index.model_copy(update={"pages": {**index.pages, name: entry}}))
    return sorted(page / name for name in files)


def render(page: Path) -> list[Path]:
    """Write the derived files of a published page again, as this version of bench writes them; returns its files.

    The evidence stays as it is, byte for byte. Raises FrozenPage where the metric is another one by now: the numbers of
    a published version do not change.
    """
    suite = read_frozen(page)
    evidence = read_evidence(page)
    for name, data in evidence_files(evidence).items():
        if name != DIGESTS and (page / name).read_bytes() != data:
            raise BadRecord(
                f"{page / name} was changed by hand", "Restore it from a copy; bench leaderboard check says more"
            )
    return rewrite(page, suite, evidence)


def rewrite(page: Path, suite: Suite, evidence: Evidence) -> list[Path]:
    """Write a published page again from evidence that differs in the status of cells at most."""
    target = page.resolve().parents[1]
    if page.resolve() != target / suite.name / f"v{suite.version}":
        raise BadRecord(
            f"{page} is not the folder of {suite.name} v{suite.version}", "Give <folder>/<suite>/v<version>"
        )
    return write_page(suite, evidence, target, page_method(page / JSON))


def refuse_problems(suite: Suite, evidence: Evidence) -> None:
    """Raise BadRecord for evidence that the page's own check would not pass."""
    problems = audit(suite, evidence)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise BadRecord(f"the records do not pass the page's own check: {problems[0]}{more}", "Run that cell again")


def page_files(table: Table, written: Mapping[str, bytes], parquet: bytes | None = None) -> dict[str, bytes]:
    """The files that are a function of the frozen suite and the evidence, byte for byte.

    ``written`` are the files of the evidence (:func:`benchmark.leaderboard.evidence.evidence_files`).
    ``parquet`` are the bytes of the page's ``records.parquet``, whose digest is listed: they depend on the version of
    polars. None on a page from before it, which lists no digests of rows either.
    """
    digests = {name: sha256(data) for name, data in written.items()}
    rows = digests.pop(DIGESTS)
    listed = digests if parquet is None else {**digests, DIGESTS: rows, PARQUET: sha256(parquet)}
    return {
        JSON: json_page(table, listed),
        MARKDOWN: markdown_page(table, evidence_digest(written)).encode(),
        SUITE: suite_bytes(table.suite),
    }


def evidence_digest(written: Mapping[str, bytes]) -> str:
    """One digest over all evidence files but the digests of their rows, by which a copy can be recognised."""
    return sha256(json_bytes({name: sha256(data) for name, data in written.items() if name != DIGESTS}))


def suite_bytes(suite: Suite) -> bytes:
    """A frozen suite as stored beside its page."""
    return json_bytes(suite.model_dump(mode="json"))


def read_frozen(page: Path) -> Suite:
    """The suite stored beside a page; raises BadRecord."""
    try:
        return load_frozen(page / SUITE)
    except BadSuite as problem:
        raise BadRecord(problem.message, problem.hint) from None


def _refuse_losses(page: Path, index: Index, name: str, cells: Mapping[str, str]) -> None:
    """What the index knows of a page must still be there, whatever happened to its folder."""
    lost = lost_cells(index.pages[name], cells) if name in index.pages else []
    if lost:
        raise FrozenPage(
            f"{page}: {lost[0]}" + (f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""),
            "Restore the page from a copy; a page that nobody has yet begins anew without its folder and its entry in "
            f"{page.parents[1] / INDEX}",
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
    """Records and details of cells that were replaced, and plots that are not drawn any more; nothing else."""
    for path in (*stale(page, files), *(page / name for name in known_files() - files.keys())):
        path.unlink(missing_ok=True)
    for path in sorted((page / RECORDS).glob("*.jsonl")):
        if f"{RECORDS}/{path.name}" not in files:
            path.unlink()
