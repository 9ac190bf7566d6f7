"""``bench export``: a leaderboard or its records as a file for a paper, a spreadsheet or a data frame."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import polars as pl

    from benchmark.leaderboard.table import Table

EPILOG = """Examples: bench export --format latex > table.tex (the ranked tables, with booktabs).
bench export --format csv --what records --out records.csv (one line an attacked example, with texts where the store has
them). bench export --format parquet --page leaderboards/mini/v2 --out mini.parquet (of a published page)."""


class Form(StrEnum):
    """What the file is."""

    LATEX = "latex"
    CSV = "csv"
    PARQUET = "parquet"


class What(StrEnum):
    """What is exported."""

    LEADERBOARD = "leaderboard"
    RECORDS = "records"
    CLEAN = "clean"
    CELLS = "cells"


def export(
    form: Annotated[Form, typer.Option("--format", help="latex is for the leaderboard only.")],
    what: Annotated[
        What,
        typer.Option(help="leaderboard: ranked rows with intervals. The others: the tables that bench query reads."),
    ] = What.LEADERBOARD,
    suite: Annotated[str | None, typer.Option(help="The suite (leaderboard: default mini; tables: all).")] = None,
    store: Annotated[Path | None, typer.Option(help="Where records are kept (default: in the per-user cache).")] = None,
    page: Annotated[Path | None, typer.Option(help="Read a published page's evidence instead of a store.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write (default: print; parquet needs a file).")] = None,
) -> None:
    """Export a leaderboard (latex, csv, parquet) or its records (csv, parquet)."""
    from benchmark.errors import BenchError

    if form is Form.PARQUET and out is None:
        raise BenchError("parquet is not for a terminal", "Give a file: --out FILE.parquet")
    if form is Form.LATEX and what is not What.LEADERBOARD:
        raise BenchError(f"latex cannot hold {what}", "Use --format csv or parquet, or --what leaderboard")
    if page is not None and (store is not None or suite is not None):
        raise BenchError("--page takes neither --store nor --suite", "A page is one suite's records")
    if form is Form.LATEX:
        from benchmark.leaderboard.latex import latex

        data = latex(_table(suite, store, page)).encode()
    else:
        data = _bytes(_frame(what, suite, store, page), form)
    if out is None:
        typer.echo(data.decode(), nl=False)
    else:
        _write(out, data)


def _table(suite: str | None, store: Path | None, page: Path | None) -> Table:
    """The leaderboard of a published page, or what publishing the suite from the store would give."""
    from benchmark.leaderboard.evidence import make_evidence, read_evidence
    from benchmark.leaderboard.publish import read_frozen
    from benchmark.leaderboard.selection import freeze, select
    from benchmark.leaderboard.table import build_table

    if page is not None:
        return build_table(read_frozen(page), read_evidence(page))
    from benchmark.choice import suite_named
    from benchmark.cli.leaderboard import prescribed
    from benchmark.registry import load_registry
    from benchmark.store import Store, default_store

    registry = load_registry()
    wanted = suite_named(registry, suite or "mini")
    source = Store(store or default_store())
    cells = select(wanted, source, prescribed(registry, wanted))
    evidence = make_evidence(
        cells,
        {cell.key: source.records(cell) for cell in cells if cell.attack is not None},
        {cell.key: source.clean_records(cell) for cell in cells if cell.attack is None},
    )
    return build_table(freeze(wanted, cells), evidence)


def _frame(what: What, suite: str | None, store: Path | None, page: Path | None) -> pl.DataFrame:
    from benchmark.cli.query import frames_of
    from benchmark.leaderboard.frames import leaderboard_frame

    if what is What.LEADERBOARD:
        return leaderboard_frame(_table(suite, store, page))
    frames = frames_of(store, page, suite)
    tables = {What.RECORDS: frames.records, What.CLEAN: frames.clean, What.CELLS: frames.cells}
    found: pl.DataFrame = tables[what]
    return found


def _bytes(frame: pl.DataFrame, form: Form) -> bytes:
    import io

    import polars as pl

    buffer = io.BytesIO()
    if form is Form.PARQUET:
        frame.write_parquet(buffer, compression="zstd")
    else:
        lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
        frame.with_columns(pl.col(name).list.join("; ") for name in lists).write_csv(buffer)
    return buffer.getvalue()


def _write(out: Path, data: bytes) -> None:
    from benchmark.errors import BenchError

    try:
        out.write_bytes(data)
    except OSError as problem:
        raise BenchError(f"cannot write {out} ({problem.strerror or problem})", "Choose another --out") from None
    typer.echo(f"{out} ({len(data):,} bytes)")
