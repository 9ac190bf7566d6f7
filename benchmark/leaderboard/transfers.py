"""Transferred texts beside a page: who else is fooled by what broke one victim (``bench run --transfer``).

``transfers.jsonl`` holds one line a text and reader. Nobody can compute it again without the models, so a page prints
its digest, and ``check`` asks whether every line belongs to a broken example and a victim of the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from benchmark.errors import BadRecord
from benchmark.identity import cell_key, digest
from benchmark.leaderboard.evidence import Evidence
from benchmark.records import CellFile, ExampleRecord, Outcome, TransferRecord, dump, parse

TRANSFERS = "transfers.jsonl"
FOLDER = "transfers"
"""Below the root of a store; the files are named by source, target and a digest of the texts."""


class HasRoot(Protocol):
    """A store that lies in a folder."""

    @property
    def root(self) -> Path: ...


def victims_of(cells: Sequence[CellFile]) -> dict[str, CellFile]:
    """Key of each victim to one of its cells; cells that do not describe their victim have none."""
    found: dict[str, CellFile] = {}
    for cell in cells:
        victim = cell.spec.get("victim")
        if isinstance(victim, dict):
            found.setdefault(cell_key(victim), cell)
    return found


def texts_digest(records: Sequence[ExampleRecord]) -> str:
    """What tells the texts of one cell from those of an earlier run of it: a digest of what broke the victim."""
    broken = [r for r in records if r.outcome is Outcome.BROKEN and r.adversarial_text is not None]
    return digest([[r.example_id, r.adversarial_text] for r in broken])[:12]


def stored_transfers(
    store: object, cells: Sequence[CellFile], records: Mapping[str, Sequence[ExampleRecord]]
) -> list[TransferRecord]:
    """The store's answers for exactly these texts, sorted; none where it keeps no folder of them."""
    root = getattr(store, "root", None)
    found: list[TransferRecord] = []
    victims = victims_of(cells)
    if not isinstance(root, Path):
        return found
    for cell in cells:
        if cell.attack is None:
            continue
        texts = texts_digest(records.get(cell.key, ()))
        for path in sorted((root / FOLDER).glob(f"{cell.key}-*-{texts}.jsonl")):
            if path.name.split("-")[1] in victims:
                found += _lines(path.read_bytes(), str(path))
    return sorted(found, key=_order)


def transfers_bytes(transfers: Sequence[TransferRecord]) -> bytes:
    """The content of ``transfers.jsonl``."""
    return "".join(dump(record) + "\n" for record in sorted(transfers, key=_order)).encode()


def read_transfers(page: Path) -> list[TransferRecord]:
    """The transfers beside a page, none where it has no such file; raises BadRecord naming file and line."""
    path = page / TRANSFERS
    try:
        return _lines(path.read_bytes(), str(path))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as problem:
        raise BadRecord(f"{path} cannot be read ({problem})", "Restore it from a copy") from None


def transfer_problems(evidence: Evidence, transfers: Sequence[TransferRecord]) -> Iterator[str]:
    """Lines that no text of the page stands behind."""
    cells = {cell.key: cell for cell in evidence.cells}
    victims = victims_of(evidence.cells)
    broken = {
        key: {r.example_id for r in found if r.outcome is Outcome.BROKEN} for key, found in evidence.attacked.items()
    }
    seen: set[tuple[str, str, str]] = set()
    for number, record in enumerate(transfers, 1):
        where = f"{TRANSFERS}, row {number}"
        if record.source not in broken or record.target not in victims:
            yield f"{where}: the page has no such {'attack' if record.target in victims else 'victim'}"
        elif record.example_id not in broken[record.source]:
            yield f"{where}: example {record.example_id} of cell {record.source} was not broken"
        elif cells[record.source].dataset != victims[record.target].dataset:
            yield f"{where}: the text is of another dataset than its reader"
        if _order(record) in seen:
            yield f"{where}: the same text and reader occur twice"
        seen.add(_order(record))


def _lines(data: bytes, where: str) -> list[TransferRecord]:
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as problem:
        raise BadRecord(f"{where} cannot be read ({problem})", "Restore it from a copy") from None
    return [parse(TransferRecord, line, f"{where}, line {n}") for n, line in enumerate(lines, 1) if line]


def _order(record: TransferRecord) -> tuple[str, str, str]:
    return (record.source, record.target, record.example_id)
