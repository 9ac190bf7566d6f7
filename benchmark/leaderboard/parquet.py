"""``records.parquet``: every record of a page as one flat table, for data frames and SQL.

One row an example and cell, attacked and clean ones, sorted by cell and example. The columns are the fields of the
published records after those of the cell; what a kind of record does not have is null. It is derived from the evidence.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from benchmark.leaderboard.evidence import Evidence
from benchmark.records import CellFile

if TYPE_CHECKING:
    import polars as pl

PARQUET = "records.parquet"
CELL = ("suite", "suite_version", "dataset", "model", "defense", "seed", "attack", "status", "external")
NUMBERS = ("queries", "forwards", "words", "perturbed_words")
SHARES = ("perturbed_share", "similarity", "temperature")
EDIT = ("start", "end", "replacement")
DRAWS = ("draws", "clean_wrong", "final_wrong")


def records_frame(evidence: Evidence) -> pl.DataFrame:
    """The table; for no records an empty one with the same columns."""
    import polars as pl

    edit = pl.Struct({"start": pl.Int64, "end": pl.Int64, "replacement": pl.String})
    schema: dict[str, Any] = dict.fromkeys(CELL, pl.String) | {"suite_version": pl.Int64, "seed": pl.Int64}
    schema |= {"external": pl.Boolean, "cell": pl.String, "example_id": pl.String, "label": pl.Int64}
    schema |= {"prediction": pl.Int64, "outcome": pl.String, "adversarial_prediction": pl.Int64}
    schema |= dict.fromkeys((*NUMBERS, *DRAWS), pl.Int64) | dict.fromkeys(SHARES, pl.Float64)
    schema |= {"violations": pl.List(pl.String), "edits": pl.List(edit)}
    schema |= dict.fromkeys(("error", "text_sha256", "adversarial_sha256"), pl.String)
    columns: dict[str, list[Any]] = {name: [] for name in schema}
    for cell in evidence.cells:
        rows = _rows(evidence, cell)
        shared = {name: getattr(cell, name) for name in CELL} | {"status": cell.status.value}
        for name, values in columns.items():
            values += [shared[name]] * len(rows) if name in shared else [row.get(name) for row in rows]
    return pl.DataFrame(columns, schema=schema)


def parquet_bytes(evidence: Evidence) -> bytes:
    """The file. One version of polars always writes the same bytes; another may write others."""
    buffer = io.BytesIO()
    records_frame(evidence).write_parquet(buffer, compression="zstd", row_group_size=100_000)
    return buffer.getvalue()


def parquet_problem(found: bytes, evidence: Evidence) -> str | None:
    """Why a file is not the evidence as a table, naming the first row that differs; None where it is."""
    import polars as pl

    if found == parquet_bytes(evidence):
        return None
    expected = records_frame(evidence)
    try:
        table = pl.read_parquet(io.BytesIO(found))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as problem:
        return f"cannot be read as Parquet ({type(problem).__name__})"
    if table.schema != expected.schema or table.height != expected.height:
        return f"has {table.height} rows and {table.width} columns, the evidence gives {expected.shape}"
    if table.equals(expected, null_equal=True):
        return None
    for number, (old, new) in enumerate(zip(table.iter_rows(), expected.iter_rows(), strict=True), 1):
        if old != new:
            return f"differs from what the evidence gives, first in row {number}"
    return "differs from what the evidence gives"


def _rows(evidence: Evidence, cell: CellFile) -> list[dict[str, Any]]:
    """The records of one cell."""
    if cell.attack is None:
        return [clean.__dict__ for clean in evidence.clean[cell.key]]
    return [
        record.__dict__
        | {
            "outcome": record.outcome.value,
            "violations": list(record.violations),
            "edits": None if record.edits is None else [dict(zip(EDIT, edit, strict=True)) for edit in record.edits],
        }
        for record in evidence.attacked[cell.key]
    ]
