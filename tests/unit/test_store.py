"""The store loses nothing, repeats nothing, and refuses what does not belong."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.errors import BadRecord, NewerSchema, StoreError
from benchmark.identity import cell_key
from benchmark.records import CellFile, ExampleRecord, Outcome, dump
from benchmark.store import Store, write_atomic


def cell(**spec: object) -> CellFile:
    return CellFile(
        key=cell_key(dict(spec)), suite="s", suite_version=1, dataset="d", defense="x", attack="a",
        attack_display="a", seed=0, model="m", spec=dict(spec),
    )  # fmt: skip


def record(key: str, example: str) -> ExampleRecord:
    return ExampleRecord(
        cell=key, example_id=example, label=0, prediction=0, outcome=Outcome.HELD, text="t\u2028x", queries=1,
        forwards=1, words=1,
    )  # fmt: skip


def test_records_survive_a_torn_last_line(tmp_path: Path) -> None:
    store, one = Store(tmp_path), cell(n=1)
    store.open_cell(one)
    store.append(record(one.key, "b"))
    path = tmp_path / "cells" / one.key / "records.jsonl"
    with path.open("ab") as handle:
        handle.write(dump(record(one.key, "a")).encode()[:40])
    assert store.done(one.key) == {"b"}
    store.repair(one.key)
    store.append(record(one.key, "a"))
    assert [r.example_id for r in store.records(one)] == ["a", "b"]


def test_finish_sorts_by_example(tmp_path: Path) -> None:
    store, one = Store(tmp_path), cell(n=1)
    store.open_cell(one)
    for name in ("c", "a", "b"):
        store.append(record(one.key, name))
    assert not store.complete(one)
    store.finish(one, store.records(one))
    assert store.complete(one)
    lines = (tmp_path / "cells" / one.key / "records.jsonl").read_text().split("\n")
    assert [line.split('"example_id": "')[1][0] for line in lines[:-1]] == ["a", "b", "c"]


def test_an_example_twice_is_an_error(tmp_path: Path) -> None:
    store, one = Store(tmp_path), cell(n=1)
    store.open_cell(one)
    store.append(record(one.key, "a"))
    store.append(record(one.key, "a"))
    with pytest.raises(BadRecord, match="twice"):
        store.records(one)


def test_a_flipped_bit_or_a_foreign_record_is_named(tmp_path: Path) -> None:
    store, one = Store(tmp_path), cell(n=1)
    store.open_cell(one)
    store.append(record(one.key, "a"))
    path = tmp_path / "cells" / one.key / "records.jsonl"
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"held"', b'"hold"'))
    with pytest.raises(BadRecord, match="line 1: field 'outcome'"):
        store.records(one)
    path.write_bytes(good.replace(one.key.encode(), b"0" * 20))
    with pytest.raises(BadRecord, match="line 1 belongs to another cell"):
        store.records(one)


def test_a_cell_that_does_not_match_its_key_is_refused(tmp_path: Path) -> None:
    store, one = Store(tmp_path), cell(n=1)
    store.open_cell(one)
    path = tmp_path / "cells" / one.key / "cell.json"
    path.write_text(path.read_text().replace('"n": 1', '"n": 2'))
    with pytest.raises(BadRecord, match="does not match its key"):
        store.cells()


def test_a_newer_schema_is_refused_with_advice(tmp_path: Path) -> None:
    store, one = Store(tmp_path), cell(n=1)
    store.open_cell(one)
    path = tmp_path / "cells" / one.key / "cell.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(NewerSchema, match="Upgrade"):
        store.cells()


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with Store(tmp_path).lock(), pytest.raises(StoreError, match="another run"), Store(tmp_path).lock():
        pass
    with Store(tmp_path).lock():
        pass


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import os

    path = tmp_path / "file.json"
    write_atomic(path, "old")

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="no space left"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
