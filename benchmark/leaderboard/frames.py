"""Records and pages as flat tables, for SQL, data frames and files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.leaderboard.evidence import read_evidence
from benchmark.leaderboard.metrics import ROBUST, Proportion
from benchmark.leaderboard.selection import RecordSource
from benchmark.leaderboard.statistics.bootstrap import Estimate
from benchmark.leaderboard.table import Table
from benchmark.records import CellFile

if TYPE_CHECKING:
    import polars as pl

Schema = Mapping[str, str]
"""Column to kind: text, whole, real, truth or texts (a list)."""

PLACE: Schema = {
    "suite": "text",
    "suite_version": "whole",
    "dataset": "text",
    "model": "text",
    "defense": "text",
    "seed": "whole",
    "attack": "text",
}
CELLS: Schema = {
    "cell": "text",
    **PLACE,
    "attack_display": "text",
    "status": "text",
    "external": "truth",
    "complete": "truth",
    "spec": "text",
    "provenance": "text",
}
CLEAN: Schema = {
    "cell": "text",
    **{name: kind for name, kind in PLACE.items() if name != "attack"},
    "example_id": "text",
    "label": "whole",
    "prediction": "whole",
    "correct": "truth",
}
RECORDS: Schema = {
    "cell": "text",
    **PLACE,
    "example_id": "text",
    "label": "whole",
    "prediction": "whole",
    "outcome": "text",
    "robust": "truth",
    "adversarial_prediction": "whole",
    "queries": "whole",
    "forwards": "whole",
    "words": "whole",
    "perturbed_words": "whole",
    "perturbed_share": "real",
    "similarity": "real",
    "violations": "texts",
    "error": "text",
    "draws": "whole",
    "clean_wrong": "whole",
    "final_wrong": "whole",
    "temperature": "real",
    "seconds": "real",
    "text": "text",
    "adversarial_text": "text",
}


@dataclass(frozen=True)
class Frames:
    """One row a cell, a clean prediction, an attacked example."""

    cells: pl.DataFrame
    clean: pl.DataFrame
    records: pl.DataFrame


def store_frames(source: RecordSource, suite: str | None = None) -> Frames:
    """Everything in a store, complete or not, or only the cells that ran for the suite of this name."""
    cells = [cell for cell in source.cells() if suite is None or cell.suite == suite]
    return _frames(
        [_cell(cell, source.complete(cell)) for cell in cells],
        [(cell, source.clean_records(cell)) for cell in cells if cell.attack is None],
        [(cell, source.records(cell)) for cell in cells if cell.attack is not None],
    )


def page_frames(page: Path) -> Frames:
    """The evidence of a published page; texts, which it does not hold, are null."""
    evidence = read_evidence(page)
    return _frames(
        [_cell(cell, True) for cell in evidence.cells],
        [(cell, evidence.clean[cell.key]) for cell in evidence.cells if cell.attack is None],
        [(cell, evidence.attacked[cell.key]) for cell in evidence.cells if cell.attack is not None],
    )


def leaderboard_frame(table: Table) -> pl.DataFrame:
    """One row a defense and dataset, as ranked; accuracies with their intervals in columns of their own."""
    import polars as pl

    rows = []
    for entry in table.entries:
        row: dict[str, Any] = {
            "suite": table.suite.name,
            "suite_version": table.suite.version,
            "dataset": entry.dataset,
            "rank": entry.rank,
            "defense": entry.defense,
            "model": entry.model,
            "seeds": len(entry.seeds),
            **_bounds("worst_case", entry.worst_case),
            **_bounds("clean", entry.clean),
        }
        for name in table.suite.attacks:
            row |= _bounds(name, entry.attacks.get(name))
        row["forwards_per_prediction"] = entry.forwards_per_prediction
        row["training_seconds"] = entry.training_seconds
        row["badges"] = "; ".join(entry.badges)
        row["unranked_reason"] = entry.unranked_reason
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def _bounds(name: str, found: Estimate | Proportion | None) -> dict[str, float | None]:
    ends = (found.value, found.low, found.high) if found else (None, None, None)
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


def _frames(
    cells: Sequence[Mapping[str, Any]],
    clean: Iterable[tuple[CellFile, Iterable[Any]]],
    attacked: Iterable[tuple[CellFile, Iterable[Any]]],
) -> Frames:
    return Frames(_frame(CELLS, cells), _frame(CLEAN, _clean(clean)), _frame(RECORDS, _attacked(attacked)))


def _cell(cell: CellFile, complete: bool) -> dict[str, Any]:
    return {
        "cell": cell.key,
        **{name: getattr(cell, name) for name in (*PLACE, "attack_display")},
        "status": cell.status.value,
        "external": cell.external,
        "complete": complete,
        "spec": json.dumps(cell.spec, sort_keys=True, ensure_ascii=False),
        "provenance": json.dumps(cell.provenance, sort_keys=True, ensure_ascii=False),
    }


def _clean(found: Iterable[tuple[CellFile, Iterable[Any]]]) -> Iterator[dict[str, Any]]:
    for cell, records in found:
        shared = {name: getattr(cell, name) for name in PLACE if name != "attack"}
        for record in records:
            yield {**shared, **record.__dict__, "correct": record.prediction == record.label}


def _attacked(found: Iterable[tuple[CellFile, Iterable[Any]]]) -> Iterator[dict[str, Any]]:
    for cell, records in found:
        shared = {name: getattr(cell, name) for name in PLACE}
        for record in records:
            fields = record.__dict__
            timing = fields.get("timing")
            yield {
                **shared,
                **fields,
                "outcome": record.outcome.value,
                "robust": record.outcome in ROBUST,
                "violations": list(record.violations),
                "seconds": timing.seconds if timing else None,
            }


def _frame(schema: Schema, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Column by column, so that no row is kept as a mapping; a text that is not Unicode has its halves replaced."""
    import polars as pl

    kinds = {
        "text": pl.String(),
        "whole": pl.Int64(),
        "real": pl.Float64(),
        "truth": pl.Boolean(),
        "texts": pl.List(pl.String()),
    }
    columns: dict[str, list[Any]] = {name: [] for name in schema}
    for row in rows:
        for name, values in columns.items():
            value = row.get(name)
            values.append(_unicode(value) if isinstance(value, str) else value)
    return pl.DataFrame(
        [pl.Series(name, values, dtype=kinds[schema[name]]) for name, values in columns.items()],
    )


def _unicode(value: str) -> str:
    """Half a surrogate pair, which an attack may leave and Arrow cannot hold, becomes a replacement character."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
