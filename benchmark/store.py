"""The local store: one folder a cell, one line an example, appended and flushed, so a killed run loses nothing.

Layout under the root: ``cells/<key>/cell.json``, ``records.jsonl`` (completion order, while running) and, once every
example is there, ``records.jsonl`` rewritten in id order beside an empty ``complete`` marker. A torn last line (the
process died while writing) is dropped; any other line that does not parse is an error, never skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.assets.cache import cache_root, readable_errors
from benchmark.errors import BadRecord, StoreError
from benchmark.identity import cell_key
from benchmark.records import CellFile, CleanRecord, ExampleRecord, Record, Strict, dump, parse

ENVIRONMENT = "BENCH_STORE"


def default_store() -> Path:
    """``BENCH_STORE``, else a folder ``store`` in the per-user cache (``BENCH_CACHE``)."""
    if os.environ.get(ENVIRONMENT):
        return Path(os.environ[ENVIRONMENT])
    return cache_root() / "store"


def write_atomic(path: Path, text: str) -> None:
    """Write a file so that readers see the old or the new one, never half of it."""
    with readable_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("w", encoding="utf-8", newline="\n") as handle:
                handle.write(text)
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


class Store:
    """Reads and writes cells. Use :meth:`lock` around writing: one run at a time writes a store."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the store for writing; raises StoreError when another run holds it."""
        from filelock import FileLock, Timeout

        with readable_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / ".lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise StoreError(
                    f"another run is writing {self.root}", "Wait for it, or choose another --store"
                ) from None
        try:
            yield
        finally:
            lock.release()

    def cells(self) -> list[CellFile]:
        """Every stored cell, sorted by key; a cell file that does not belong to its folder is an error."""
        found = []
        for path in sorted((self.root / "cells").glob("*/cell.json")):
            cell = parse(CellFile, path.read_bytes(), str(path))
            if cell.key != path.parent.name or cell_key(cell.spec) != cell.key:
                raise BadRecord(f"{path} does not match its key", f"Remove {path.parent} and run again")
            found.append(cell)
        return found

    def open_cell(self, cell: CellFile) -> None:
        """Create the cell's folder, or check that the stored one has the same specification."""
        path = self._folder(cell.key) / "cell.json"
        if not path.exists():
            write_atomic(path, dump(cell) + "\n")

    def set_provenance(self, cell: CellFile) -> None:
        """Rewrite the cell file (provenance is not part of the identity)."""
        write_atomic(self._folder(cell.key) / "cell.json", dump(cell) + "\n")

    def append(self, record: ExampleRecord) -> None:
        """Add one example's record, on disk when this returns."""
        path = self._folder(record.cell) / "records.jsonl"
        with readable_errors(path), path.open("ab") as handle:
            handle.write(dump(record).encode("utf-8") + b"\n")
            handle.flush()
            os.fsync(handle.fileno())

    def repair(self, key: str) -> None:
        """Cut a torn last line off, so that the next append starts on a line of its own."""
        path = self._folder(key) / "records.jsonl"
        if not path.exists():
            return
        data = path.read_bytes()
        if data and not data.endswith(b"\n"):
            with readable_errors(path), path.open("r+b") as handle:
                handle.truncate(data.rfind(b"\n") + 1)

    def records(self, cell: CellFile) -> list[ExampleRecord]:
        """The cell's records, sorted by example id; a second record of one example is an error."""
        return self._read(ExampleRecord, cell)

    def clean_records(self, cell: CellFile) -> list[CleanRecord]:
        """The clean predictions of a cell without an attack, sorted by example id."""
        return self._read(CleanRecord, cell)

    def done(self, key: str) -> set[str]:
        """Ids of the examples that have a record already."""
        path = self._folder(key) / "records.jsonl"
        return {r.example_id for r in self._lines(ExampleRecord, path, key)} if path.exists() else set()

    def finish(self, cell: CellFile, records: Iterable[ExampleRecord] | Iterable[CleanRecord]) -> None:
        """Rewrite the records in id order and mark the cell complete."""
        lines = [dump(r) for r in sorted(records, key=lambda r: r.example_id)]
        folder = self._folder(cell.key)
        write_atomic(folder / "records.jsonl", "\n".join(lines) + "\n")
        write_atomic(folder / "complete", "")

    def complete(self, cell: CellFile) -> bool:
        """Whether every example of the cell has its record."""
        return self.is_complete(cell.key)

    def is_complete(self, key: str) -> bool:
        return (self._folder(key) / "complete").exists()

    def discard(self, key: str) -> None:
        """Forget a cell, so that it is computed anew."""
        import shutil

        shutil.rmtree(self._folder(key), ignore_errors=True)

    def _folder(self, key: str) -> Path:
        return self.root / "cells" / key

    def _read(self, kind: type[Record], cell: CellFile) -> list[Record]:
        path = self._folder(cell.key) / "records.jsonl"
        if not path.exists():
            return []
        records = self._lines(kind, path, cell.key)
        ids = [_id(r) for r in records]
        if len(set(ids)) != len(ids):
            raise BadRecord(f"{path} holds an example twice", f"Remove {path.parent} and run again")
        return sorted(records, key=_id)

    def _lines(self, kind: type[Record], path: Path, key: str) -> list[Record]:
        lines = path.read_bytes().split(b"\n")
        records = [parse(kind, line, f"{path}, line {n}") for n, line in enumerate(lines[:-1], 1)]
        for number, record in enumerate(records, 1):
            if getattr(record, "cell", key) != key:
                raise BadRecord(f"{path}, line {number} belongs to another cell", f"Remove {path.parent} and run again")
        return records


def _id(record: Strict) -> str:
    return str(getattr(record, "example_id", ""))
