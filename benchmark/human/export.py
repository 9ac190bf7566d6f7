"""Writes the files of an audit: the sheet and the page for annotators, their instructions, and the key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import StoreError
from benchmark.human.draw import Drawn
from benchmark.human.page import render
from benchmark.human.records import AuditKey
from benchmark.human.sheet import write_sheet
from benchmark.records import dump
from benchmark.store import write_atomic

SHEET, PAGE, INSTRUCTIONS, KEY = "audit.csv", "audit.html", "instructions.txt", "key.json"


def write_audit(folder: Path, key: AuditKey, drawn: Sequence[Drawn]) -> list[Path]:
    """Write the four files; raises StoreError where one is there already, for it may hold somebody's labels."""
    files = {
        SHEET: "\ufeff" + write_sheet((found.item.item, found.text) for found in drawn),
        PAGE: render(key, drawn),
        INSTRUCTIONS: _instructions(key, drawn),
        KEY: dump(key) + "\n",
    }
    for name in files:
        if (folder / name).exists():
            raise StoreError(f"{folder / name} exists already and may hold labels", "Choose another --out")
    for name, text in files.items():
        write_atomic(folder / name, text)
    return [folder / name for name in files]


def _instructions(key: AuditKey, drawn: Sequence[Drawn]) -> str:
    lines = [
        "Read each text for itself and choose the label that fits best, even where the text is odd.",
        f"Open {PAGE} in a browser, or write the label into the last column of {SHEET} (save it as CSV in UTF-8).",
        "Leave the label empty where you cannot say. Keep every row; sort whole rows only.",
        "",
    ]
    for dataset, labels in sorted(key.labels.items()):
        rows = [number for number, found in enumerate(drawn, 2) if found.item.dataset == dataset]
        if rows:
            lines.append(f"Rows {rows[0]} to {rows[-1]}: {' | '.join(labels)}")
    return "\n".join(lines) + "\n"
