"""``details/<key>.js``: the examples behind one cell, loaded when its value is selected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmark.leaderboard.edits import marked
from benchmark.leaderboard.evidence import Evidence, EvidenceRecord
from benchmark.leaderboard.html.legend import OUTCOMES
from benchmark.leaderboard.html.script import script_json
from benchmark.leaderboard.table import Row, Table
from benchmark.leaderboard.texts import Texts
from benchmark.records import CellFile

DETAILS = "details"
FUNCTION = "benchCell"
"""What the page registers and every file calls with its data."""

FIELDS = (
    "id",
    "outcome",
    "label",
    "prediction",
    "adversarial",
    "queries",
    "forwards",
    "words",
    "changed",
    "similarity",
    "temperature",
    "note",
    "edits",
    "pieces",
)
"""Values of one example, in order. ``outcome`` counts in the order of the legend; with texts, ``pieces`` replace
``edits``."""


def detail_files(table: Table, evidence: Evidence, texts: Texts | None = None) -> dict[str, bytes]:
    """One file for each attacked cell of the evidence."""
    rows = {row.place: row for row in table.rows}
    files = {}
    for cell in evidence.cells:
        if cell.attack is not None:
            row = rows[cell.dataset, cell.model, cell.defense, cell.seed]
            files[path_of(cell)] = _file(cell, row, evidence.attacked[cell.key], texts)
    return files


def path_of(cell: CellFile) -> str:
    """Where a cell's details lie, below the folder of the page."""
    return f"{DETAILS}/{cell.key}.js"


def _file(cell: CellFile, row: Row, records: Sequence[EvidenceRecord], texts: Texts | None) -> bytes:
    """One line an example, so that a difference found by ``check`` names it."""
    head = script_json({**_head(cell, row), "fields": FIELDS, "texts": texts is not None})
    lines = ",\n".join(script_json(_record(cell, record, texts)) for record in records)
    return f"{FUNCTION}({head},[\n{lines}\n]);\n".encode("ascii")


def _head(cell: CellFile, row: Row) -> dict[str, Any]:
    result = row.attacks.get(cell.attack or "")
    found: dict[str, Any] = {
        "key": cell.key,
        "dataset": cell.dataset,
        "model": cell.model,
        "defense": cell.defense,
        "seed": cell.seed,
        "attack": cell.attack,
        "display": cell.attack_display,
        "labels": _labels(cell),
    }
    if result is not None:
        found["accuracy"] = asdict(result.accuracy)
        found["success"] = asdict(result.success)
        found["counts"] = [result.counts[outcome] for outcome in OUTCOMES]
        found["means"] = {
            "queries": result.queries_mean,
            "forwards": result.forwards_mean,
            "changed": result.perturbed_share_mean,
            "similarity": result.similarity_mean,
        }
        if result.expected is not None:
            found["expected"] = result.expected
            found["any_fail"] = None if result.any_fail is None else asdict(result.any_fail)
    return found


def _labels(cell: CellFile) -> list[str]:
    """Names of the labels, where the cell's specification has them."""
    victim = cell.spec.get("victim")
    dataset = victim.get("dataset") if isinstance(victim, Mapping) else None
    names = dataset.get("label_names") if isinstance(dataset, Mapping) else None
    return [str(name) for name in names] if isinstance(names, list | tuple) else []


def _record(cell: CellFile, record: EvidenceRecord, texts: Texts | None) -> list[Any]:
    return [
        record.example_id,
        _OUTCOMES.index(record.outcome),
        record.label,
        record.prediction,
        record.adversarial_prediction,
        record.queries,
        record.forwards,
        record.words,
        record.perturbed_words,
        record.similarity,
        record.temperature,
        record.error if record.error is not None else ", ".join(record.violations) or None,
        record.edits if texts is None else None,
        *([] if texts is None else [_pieces(cell, record, texts)]),
    ]


_OUTCOMES = list(OUTCOMES)


def _pieces(cell: CellFile, record: EvidenceRecord, texts: Texts) -> list[Any] | None:
    text = texts.get((cell.dataset, record.example_id))
    return None if text is None else list(marked(text, record.edits or ()))
