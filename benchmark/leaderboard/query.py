"""SQL over records, by DuckDB in memory: it reads no file, opens no connection and loads no extension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchError
from benchmark.leaderboard.frames import Frames

if TYPE_CHECKING:
    import polars as pl

TABLES = tuple(field.name for field in fields(Frames))
MEMORY = "1GB"
"""Most memory of one query; what needs more is refused, since nothing may be written to a disk."""


@dataclass(frozen=True)
class Result:
    """Column names and rows; values are numbers, texts, lists, booleans, dates or None."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class _Arrow:
    """Hands a frame over by the Arrow C stream alone: DuckDB would otherwise look for pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def run_query(sql: str, frames: Frames) -> Result:
    """The rows of one statement over the tables ``records``, ``cells`` and ``clean``.

    Raises BenchError, in one line, for whatever DuckDB refuses and for a text that is not exactly one statement.
    """
    import duckdb

    connection = duckdb.connect(":memory:", config={"enable_external_access": "false"})
    try:
        for name in TABLES:
            connection.register("handed_over", _Arrow(getattr(frames, name)))
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM handed_over")
            connection.unregister("handed_over")
        # From here on the statement can neither see variables of this program nor change these settings.
        connection.execute("SET python_enable_replacements = false")
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute("SET lock_configuration = true")
        return _run(connection, sql)
    finally:
        connection.close()


def _run(connection: Any, sql: str) -> Result:
    import duckdb

    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1:
            raise BenchError(
                f"the query has {len(statements)} statements, it must have one",
                "Write one SELECT in quotes, such as: bench query 'SELECT count(*) FROM records'",
            )
        found = connection.execute(statements[0])
        columns = tuple(str(column[0]) for column in found.description or ())
        return Result(columns, list(found.fetchall()))
    except duckdb.Error as problem:
        raise BenchError(f"the query was refused: {_one_line(problem)}", f"Tables: {', '.join(TABLES)}") from None


def _one_line(problem: Exception) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return " ".join(lines[:2]) if len(lines) > 1 and lines[1].startswith("Did you mean") else (lines or ["?"])[0]


def plain(value: Any) -> Any:
    """A value as JSON has it: decimals as numbers, dates and the like as texts."""
    from decimal import Decimal

    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
