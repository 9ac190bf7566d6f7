"""``bench query``: SQL over all records."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from benchmark.leaderboard.query import Result

EPILOG = """Tables: records (one row an attacked example), clean (one row a clean prediction), cells (one row a cell).
bench query "DESCRIBE records" lists columns. Example: bench query "SELECT defense, attack, avg(robust::INT) FROM
records GROUP BY ALL ORDER BY ALL" """


class Form(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MARKDOWN = "markdown"


def query(
    sql: Annotated[str, typer.Argument(help="One SQL statement, in quotes (DuckDB's dialect).")],
    suite: Annotated[str | None, typer.Option(help="Only cells that ran for this suite.")] = None,
    store: Annotated[Path | None, typer.Option(help="Where records are kept (default: in the per-user cache).")] = None,
    page: Annotated[Path | None, typer.Option(help="Read a published page's evidence instead of a store.")] = None,
    form: Annotated[Form, typer.Option("--format", help="How the rows are printed.")] = Form.TABLE,
) -> None:
    """Ask the stored records with SQL. Nothing is written, and the query reaches no file and no network."""
    from benchmark.leaderboard.query import run_query

    result = run_query(sql, frames_of(store, page, suite))
    if form is Form.TABLE:
        _print(result)
    else:
        typer.echo(render(result, form), nl=False)


def frames_of(store: Path | None, page: Path | None, suite: str | None = None) -> Any:
    """The tables of a page's evidence, of a store, or of one suite's cells in a store."""
    from benchmark.errors import BenchError, UnknownName
    from benchmark.leaderboard.frames import page_frames, store_frames
    from benchmark.store import Store, default_store

    if page is not None:
        if store is not None or suite is not None:
            raise BenchError("--page takes neither --store nor --suite", "A page is one suite's records")
        return page_frames(page)
    source = Store(store or default_store())
    known = {cell.suite for cell in source.cells()}
    if suite is not None and suite not in known:
        raise UnknownName("measured suite", suite, known)
    return store_frames(source, suite)


def render(result: Result, form: Form) -> str:
    """The rows as CSV (RFC 4180 but for line ends), as a JSON list of objects, or as a Markdown table."""
    import csv
    import io
    import json

    from benchmark.leaderboard.markdown import grid
    from benchmark.leaderboard.query import plain

    rows = [[plain(value) for value in row] for row in result.rows]
    if form is Form.JSON:
        found = [dict(zip(result.columns, row, strict=True)) for row in rows]
        return json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    if form is Form.MARKDOWN:
        body = [[_cell(value) for value in row] for row in rows]
        left = {i for i in range(len(result.columns)) if not all(isinstance(r[i], int | float | None) for r in rows)}
        return "\n".join(grid([_cell(name) for name in result.columns], body, left)[:-1]) + "\n"
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows([json.dumps(v, ensure_ascii=False) if isinstance(v, list | dict) else v for v in r] for r in rows)
    return buffer.getvalue()


def _cell(value: Any) -> str:
    from benchmark.leaderboard.markdown import text

    return "" if value is None else text(visible(_shown(value)).replace("<", "&lt;"))


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def visible(value: str) -> str:
    """Control and format characters, which adversarial texts may hold, as escapes that a terminal does not obey."""
    import unicodedata

    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else f"\\u{ord(c):04x}" for c in value
    )


def _print(result: Result) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from benchmark.leaderboard.query import plain

    table = Table(box=None, header_style="bold")
    for name in result.columns:
        table.add_column(Text(visible(name)), overflow="fold")
    for row in result.rows:
        table.add_row(*(Text("" if value is None else visible(_shown(plain(value)))) for value in row))
    console = Console()
    console.print(table)
    console.print(f"{len(result.rows)} row{'s' if len(result.rows) != 1 else ''}", markup=False, highlight=False)
